"""`simulator change`, `fail-over` and so on: what a person in the console does, on the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from declarative.cli.operating import Refused, simulator_of
from declarative.cli.options import Assignment, formats, option, with_project
from declarative.cli.setting import Command, Given, Setting
from declarative.errors import UsageError, visible

if TYPE_CHECKING:
    from declarative.simulator import Done
    from declarative.workflow.project import Project

_FORCE = option("force", "--force", is_flag=True, sealed=True, help="Do it even where the service would refuse it.")
_COPY = option("copy", "--copy", is_flag=True, help="The servers of the copy instead of those of production.")


def _acting(command: Command) -> Command:
    """What every act takes: `--endpoint`, `--format` and where the state is."""
    endpoint = option(
        "endpoint",
        "--endpoint",
        envvar="SDRS_ENDPOINT",
        metavar="URL",
        help="A served simulator on this machine, instead of SDRS_ENDPOINT; without either, the stack's embedded one.",
    )
    return endpoint(formats("text", "json")(with_project("state")(command)))


_TARGET = click.argument("target")


@click.command()
@_TARGET
@click.argument("values", nargs=-1, required=True, type=Assignment(), metavar="FIELD=VALUE...")
@_acting
def change(setting: Setting, project: Project, target: str, values: tuple[str, ...], **given: Given) -> None:
    """Change fields of TARGET past SDRS and declarative, so that the cloud drifts.

    TARGET is an address, or the name or id of anything in the simulator. Of a group: name, protection, status. Of an
    instance: name, tags.KEY, status. Of a pair: name, volume_size, fault_level, status. Of a drill: name, status. Of a
    server: status. Of a disk: size, status.

    \b
    Example: somebody renames a group in the console:
      declarative simulator change ProtectionGroup/orders name=by-hand
      declarative drift
    """
    fields = dict(text.split("=", 1) for text in values)
    _act(setting, project, "change", target, ["drift"], values=fields, **given)


@click.command()
@_TARGET
@_acting
def delete(setting: Setting, project: Project, target: str, **given: Given) -> None:
    """Delete TARGET past declarative: a group with its members, a member, a server or a disk.

    A server or disk that is deleted makes its instances or pairs invalid. An attachment is detached.

    \b
    Example:
      declarative simulator delete ProtectionGroup/orders
      declarative plan
    """
    _act(setting, project, "delete", target, ["plan"], **given)


@click.command("break")
@_TARGET
@option("link", "--link", is_flag=True, help="Break the link between the disks, which forbids a failover.")
@_acting
def break_(setting: Setting, project: Project, target: str, link: bool, **given: Given) -> None:
    """Break the production disks of TARGET: a pair, a disk, or all of an instance, a server or a group.

    \b
    Example: a disk of a server can't be read any more:
      declarative simulator break ProtectedInstance/web
      declarative status
    """
    _act(setting, project, "break", target, ["status"], flags={"link": link}, **given)


@click.command()
@_TARGET
@_acting
def repair(setting: Setting, project: Project, target: str, **given: Given) -> None:
    """Repair what `break` has broken.

    \b
    Example:
      declarative simulator repair ProtectedInstance/web
    """
    _act(setting, project, "repair", target, ["status"], **given)


@click.command()
@_TARGET
@click.argument("state_of_power", metavar="on|off", type=click.Choice(("on", "off")))
@_COPY
@_acting
def power(setting: Setting, project: Project, target: str, state_of_power: str, copy: bool, **given: Given) -> None:
    """Switch servers on or off: TARGET itself, or those of an instance or a group on one side.

    \b
    Example: before a planned failover, shut the production servers down:
      declarative simulator power ProtectionGroup/orders off
      declarative simulator reverse ProtectionGroup/orders
    """
    then = ["status"]
    if state_of_power == "off":
        then = ["simulator", "reprotect" if copy else "reverse", target]
    values, flags = {"power": state_of_power}, {"copy": copy}
    _act(setting, project, "power", target, then, values=values, flags=flags, **given)


@click.command("fail-over")
@_TARGET
@_FORCE
@_acting
def fail_over(setting: Setting, project: Project, target: str, force: bool, **given: Given) -> None:
    """Fail the group TARGET over, as a person does in the console when the production side is lost.

    It is done at once. What the service would refuse is refused.

    \b
    Example:
      declarative simulator fail-over ProtectionGroup/orders
      declarative plan
    """
    _act(setting, project, "fail-over", target, ["plan"], flags={"force": force}, **given)


@click.command()
@_TARGET
@_FORCE
@_acting
def reverse(setting: Setting, project: Project, target: str, force: bool, **given: Given) -> None:
    """Move production of the group TARGET to the other side by a planned failover.

    It is done at once. The service refuses it while the production servers run.

    \b
    Example:
      declarative simulator power ProtectionGroup/orders off
      declarative simulator reverse ProtectionGroup/orders
    """
    _act(setting, project, "reverse", target, ["drift"], flags={"force": force}, **given)


@click.command()
@_TARGET
@_FORCE
@_acting
def reprotect(setting: Setting, project: Project, target: str, force: bool, **given: Given) -> None:
    """Protect the group TARGET again after a failover, in the direction that it has now.

    It is done at once, and the disks begin to copy. The service refuses it while servers of the copy run.

    \b
    Example:
      declarative simulator power ProtectionGroup/orders off --copy
      declarative simulator reprotect ProtectionGroup/orders
    """
    _act(setting, project, "reprotect", target, ["status"], flags={"force": force}, **given)


@click.command("set")
@click.argument("values", nargs=-1, required=True, type=Assignment(), metavar="NAME=VALUE...")
@_acting
def set_(setting: Setting, project: Project, values: tuple[str, ...], **given: Given) -> None:
    """Set the quotas of the simulator: quota, of protection groups, and pair_quota; -1 is no limit.

    \b
    Example:
      declarative simulator set quota=200 pair_quota=-1
    """
    _act(setting, project, "set", "", ["plan"], values=dict(text.split("=", 1) for text in values), **given)


def _act(
    setting: Setting,
    project: Project,
    verb: str,
    target: str,
    then: Sequence[str],
    *,
    endpoint: str | None,
    output_format: str,
    values: Mapping[str, str] | None = None,
    flags: Mapping[str, bool] | None = None,
) -> None:
    """Carry out one act and show what came of it. `then`: what to try next; several words take a group."""
    from declarative.simulator import Act
    from declarative.views.acts import ActView
    from declarative.workflow.manifests import stack_here

    project = replace(project, endpoint=endpoint)
    chosen = frozenset(name for name, is_set in (flags or {}).items() if is_set)
    has_stack = bool(stack_here(project).name)
    with simulator_of(setting, project, may_begin=verb == "set") as simulator:
        address, wanted = _resolved(project, target, simulator.project_id)
        try:
            done: Done = simulator.perform(Act(verb, wanted, values or {}, chosen))
        except Refused as refused:
            fix = _remedy(setting, refused.code, target, has_force=flags is not None and "force" in flags)
            raise Refused(f"{address or verb}: {visible(refused.summary, limit=600)}", fix) from refused
    is_apt = len(then) == 1 or done.noun == "protection group"
    view = ActView(
        act=verb,
        address=address,
        noun=done.noun,
        id=done.id,
        name=done.name,
        happened=done.happened,
        next=setting.call(*(then if is_apt else ["status"])) if has_stack else "",
    )
    setting.screen.present(view, output_format)


def _resolved(project: Project, target: str, project_id: str) -> tuple[str, str]:
    """The target as an address, "" for a name or an id, and as the simulator knows it."""
    from declarative.model import Address
    from declarative.workflow import states
    from declarative.workflow.addresses import recorded_address

    try:
        Address.parse(target)
    except ValueError:
        return "", target
    state = states.show(project)
    address = recorded_address(state.resources, target)
    if state.binding is not None and state.binding.project_id != project_id:
        raise UsageError(
            f"{address} is recorded in project {visible(state.binding.project_id, limit=80)},"
            f" and this simulator is project {visible(project_id, limit=80)}",
            "Name the simulator that the stack was applied to.",
        )
    return str(address), state.resources[address].id


def _remedy(setting: Setting, code: str, target: str, *, has_force: bool) -> str:
    """What to do about a refusal of the service, with a command to paste."""
    ways = {
        "SDRS.1319": ("First", "power", target, "off"),
        "SDRS.1342": ("First", "power", target, "off", "--copy"),
        "SDRS.1823": ("Instead", "fail-over", target),
        "SDRS.1824": ("First", "repair", target),
    }
    if code in ways:
        when, *words = ways[code]
        return f"{when}: {setting.call('simulator', *words)}."
    return "--force does it all the same." if code and has_force else ""
