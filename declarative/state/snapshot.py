"""The state: what it holds, how a record changes it, and its one JSON text (`schemas/state.json`). Pure.

The text has one resource, operation and run on a line each. Its last member is the SHA-256 of every byte before it, so
that any change to the text is noticed; a person who must change it uses the `state` commands.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from declarative import codec, typed_json
from declarative.errors import StateError, visible
from declarative.model import (
    Accepted,
    Action,
    Address,
    Begun,
    Binding,
    Closed,
    Dropped,
    Json,
    Operation,
    PreImage,
    Put,
    Record,
    Resource,
    Review,
    Run,
    RunEnded,
    RunStarted,
)
from declarative.state.canonical import dumps, loads
from declarative.typed_json import Malformed

FORMAT = "declarative.state/1"
HISTORY_LENGTH = 200

_FORMAT = re.compile(r"declarative\.state/([1-9][0-9]{0,8})")
_VERSION = 1
_KNOWN = frozenset({
    "format", "lineage", "serial", "binding", "progress", "outputs", "pre_images", "history", "operations",
    "resources", "checksum",
})  # fmt: skip


class NewerFormat(StateError):
    """The text was written by a later version of the tool; it must not be rewritten by this one."""

    id = "state-of-later-version"


@dataclass(slots=True)
class Progress:
    """The last run of a plan: which of its steps ended well, and whether all did (then it isn't applied again).

    `review`: what was reviewed, of a run that was told its content digest and has not done all of it.
    """

    run: Run
    done: bool = False
    steps: set[str] = field(default_factory=set)
    review: Review | None = None


@dataclass(slots=True)
class State:
    """What is recorded, in memory. `serial` counts durable batches; `unknown` keeps top-level members not ours."""

    lineage: str
    serial: int = 0
    binding: Binding | None = None
    resources: dict[Address, Resource] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    pre_images: dict[str, set[str]] = field(default_factory=dict)
    outputs: dict[str, Json] = field(default_factory=dict)
    history: list[Run] = field(default_factory=list)
    progress: Progress | None = None
    unknown: dict[str, Json] = field(default_factory=dict)


def fresh(lineage: str) -> State:
    """The state of a stack that has never been applied."""
    return State(lineage)


def copied(state: State) -> State:
    """Return a copy that records can be folded into. What its dictionaries hold is never changed, and so is shared."""
    progress = state.progress
    return replace(
        state,
        resources=dict(state.resources),
        operations=dict(state.operations),
        pre_images={kind: set(ids) for kind, ids in state.pre_images.items()},
        outputs=dict(state.outputs),
        history=list(state.history),
        progress=replace(progress, steps=set(progress.steps)) if progress is not None else None,
        unknown=dict(state.unknown),
    )


# ---------------------------------------------------------------- fold


def fold(state: State, record: Record) -> None:
    """Change `state` in place as `record` says. Takes any record in any order; a repeated one changes nothing more.

    The serial stays: it belongs to the batch, not to the record.
    """
    match record:
        case Put(resource, step):
            state.resources[resource.address] = _with_brought(state, resource)
            _finish(state, step)
        case Dropped(address, step):
            _let_go(state, state.resources.pop(address, None))
            _finish(state, step)
        case Begun(operation):
            state.operations[operation.id] = operation
        case Accepted(operation_id, job_id):
            if operation_id in state.operations:
                state.operations[operation_id] = replace(state.operations[operation_id], job_id=job_id)
        case Closed(operation_id):
            state.operations.pop(operation_id, None)
            _forget_pre_images(state)
        case PreImage(kind, ids):
            state.pre_images[kind] = set(ids)
        case RunStarted(run, review):
            state.progress = Progress(run, steps=_kept_steps(state.progress, run), review=review)
            if all(earlier.id != run.id for earlier in state.history):
                _remember(state, run)  # one that is killed has changed things too
            if not state.operations:
                state.pre_images.clear()
        case RunEnded(run, done, outputs):
            _end(state, run, done=done)
            state.outputs = dict(outputs)
            _forget_pre_images(state)


def _with_brought(state: State, resource: Resource) -> Resource:
    """What an object has brought is learned once, and holds as long as the object is the same."""
    known = state.resources.get(resource.address)
    if resource.brought is not None or known is None or known.brought is None or known.id != resource.id:
        return resource
    return replace(resource, brought=known.brought)


def _let_go(state: State, resource: Resource | None) -> None:
    """An object that a list may still show for a while can't be what a later create of the same run made."""
    if resource is not None and resource.address.kind in state.pre_images:
        state.pre_images[resource.address.kind].add(resource.id)


def _finish(state: State, step: str) -> None:
    if step and state.progress is not None and not state.progress.done:
        state.progress.steps.add(step)


def _kept_steps(progress: Progress | None, run: Run) -> set[str]:
    """The steps that a new run need not do again: those of the same plan, left unfinished."""
    if progress is None or progress.done:
        return set()
    before = progress.run
    same = before.id == run.id or any(
        one and one == other for one, other in ((run.plan, before.plan), (run.content, before.content))
    )
    return set(progress.steps) if same else set()


def _end(state: State, run: Run, *, done: bool) -> None:
    own = state.progress if state.progress is not None and state.progress.run.id == run.id else Progress(run)
    state.progress = Progress(run, done, own.steps, None if done else own.review)
    _remember(state, run)


def _remember(state: State, run: Run) -> None:
    state.history = [*(earlier for earlier in state.history if earlier.id != run.id), run][-HISTORY_LENGTH:]


def _forget_pre_images(state: State) -> None:
    """Let them go once nothing is open; but not between two waves of a run, whose later creates need them too."""
    running = state.progress is not None and not state.progress.run.ended
    if not state.operations and not running:
        state.pre_images.clear()


# ---------------------------------------------------------------- encode


def encode(state: State) -> bytes:
    """Return the state's text. Equal states give equal bytes.

    Raises StateError for a state that `decode` would refuse, such as two addresses with one object.
    """
    require_fit(state)
    members = [
        f'"format":{dumps(FORMAT)}',
        f'"lineage":{dumps(state.lineage)}',
        f'"serial":{state.serial}',
        f'"binding":{dumps(codec.write_binding(state.binding) if state.binding else None)}',
        f'"progress":{dumps(_write_progress(state.progress) if state.progress else None)}',
        f'"outputs":{dumps(state.outputs)}',
        f'"pre_images":{dumps({kind: sorted(ids) for kind, ids in state.pre_images.items()})}',
        _lines("history", (dumps(codec.run_in_short(run)) for run in state.history)),
        _lines("operations", sorted(dumps(codec.operation_in_short(o)) for o in state.operations.values())),
        _lines("resources", sorted(dumps(codec.resource_in_short(r)) for r in state.resources.values())),
        *(f"{dumps(name)}:{dumps(state.unknown[name])}" for name in sorted(state.unknown.keys() - _KNOWN)),
    ]
    body = ("{\n" + ",\n".join(members)).encode("ascii")
    return body + _seal(body)


def require_fit(state: State) -> None:
    """Raise StateError for a state that `decode` would refuse."""
    typed_json.text(state.lineage, "lineage", empty=False)
    typed_json.whole(state.serial, "serial")
    require_sound(state)


def _lines(name: str, written: Iterable[str]) -> str:
    joined = ",\n".join(written)
    return f'"{name}":[\n{joined}\n]' if joined else f'"{name}":[]'


def _seal(body: bytes | memoryview) -> bytes:
    return b',\n"checksum":"sha256:' + hashlib.sha256(body).hexdigest().encode("ascii") + b'"\n}\n'


_SEAL_LENGTH = len(_seal(b""))


def _write_progress(progress: Progress) -> dict[str, Json]:
    reviewed = {"review": codec.write_review(progress.review)} if progress.review is not None else {}
    steps = sorted(progress.steps)
    return {"run": codec.run_in_short(progress.run), "done": progress.done, "steps": steps, **reviewed}


def require_sound(state: State) -> None:
    """Raise Malformed when the state contradicts itself: what no run of ours leaves, and no call may be built on."""
    owners: dict[tuple[str, str], Address] = {}
    for address, resource in state.resources.items():
        if not resource.id:
            raise Malformed(f"{address} is recorded without an id")
        if (other := owners.setdefault((address.kind, resource.id), address)) is not address:
            raise Malformed(f"{other} and {address} record the same object, {visible(resource.id, limit=64)}")
    for operation in state.operations.values():
        _require_subject(operation, state.resources.get(operation.resource.address))


def _require_subject(operation: Operation, recorded: Resource | None) -> None:
    """A create is of what is not there yet; every other operation is of an object that is recorded."""
    if operation.action not in _SENT:
        raise Malformed(
            f"an operation of {operation.resource.address} is open whose action, {operation.action}, is none"
        )
    if operation.action is not Action.CREATE and (recorded is None or recorded.id != operation.resource.id):
        raise Malformed(
            f"the open {operation.action} of {operation.resource.address} is of an object that is not recorded"
        )


_SENT = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE, Action.ENABLE, Action.DISABLE})


# ---------------------------------------------------------------- decode


def decode(data: bytes, *, source: str) -> State:
    """Read a state's text; `source` names it in messages.

    Raises NewerFormat, or StateError for all that `encode` would not have written: cut, changed, of another shape. The
    seal comes first, which is the same in every format: a bit that flipped in its number makes no later format.
    """
    shown = visible(source)
    fix = "Restore a copy of it that is whole, and run again."
    if not data or data.isspace():  # strip would copy it
        raise StateError(f"{shown} is empty", fix)
    try:
        document, resources = _parsed(data)
        found = _format_of(document)
        if data[-_SEAL_LENGTH:] != _seal(memoryview(data)[:-_SEAL_LENGTH]):
            raise Malformed("has been changed or damaged: its checksum does not match its content")
        _require_format(found, shown)
        state = _read(document, resources)
        require_sound(state)
        return state
    except UnicodeDecodeError as error:
        raise StateError(f"{shown} is not UTF-8 text", fix) from error
    except Malformed as error:
        raise StateError(f"{shown} {error.summary}", error.fix or fix) from error


def _parsed(data: bytes) -> tuple[Json, list[Resource] | None]:
    """Return the JSON document, and the resources if they are read already; they are not in the document then.

    Nearly all of a text is its resources, and as one tree of JSON they would take several times its memory. So those
    that lie as `encode` puts them are read some at a time. A text that lies otherwise, or has a fault, is parsed whole.
    """
    start = data.find(_RESOURCES)
    end = data.find(b"\n]", start)
    if 0 <= start < end:
        with contextlib.suppress(Malformed, UnicodeDecodeError):
            document = _loads(data[:start] + b'\n"resources":null' + data[end + 2 :])
            if isinstance(document, dict) and "resources" in document and document["resources"] is None:
                listed = (
                    one for piece in _pieces(data, start + len(_RESOURCES), end) for one in _loads(b"[%b]" % piece)
                )
                return document, [codec.read_resource(one) for one in listed]
    return _loads(data), None


_RESOURCES = b'\n"resources":[\n'  # no text within JSON holds a line break, so this is a member, of whatever object
_PIECE = 1 << 20  # bytes that are parsed at a time


def _pieces(data: bytes, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines from `start` to `end`, several together, without the comma behind the last of them."""
    while start < end:
        stop = data.find(b",\n", start + _PIECE, end)
        stop = end if stop < 0 else stop
        yield data[start:stop]
        start = stop + 2


def _loads(data: bytes) -> Json:
    return loads(data.decode("utf-8"), unique_keys=True)


def _format_of(document: Json) -> int:
    found = document.get("format") if isinstance(document, dict) else None
    match = _FORMAT.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise Malformed("is not a declarative state: it has no member 'format' with the text declarative.state/N")
    return int(match[1])


def _require_format(version: int, shown: str) -> None:
    if version > _VERSION:
        raise NewerFormat(
            f"{shown} has the format declarative.state/{version}, but this version of declarative reads {FORMAT}",
            "Use the version of declarative that wrote it, or a later one.",
        )


def _read(document: Mapping[str, Json], resources: list[Resource] | None) -> State:
    missing = _KNOWN - document.keys()
    if missing:
        raise Malformed(f"lacks '{min(missing)}'")
    if resources is None:
        resources = typed_json.array(document["resources"], "resources", codec.read_resource)
    pre_images = typed_json.mapping(document["pre_images"], "pre_images")
    return State(
        lineage=typed_json.text(document["lineage"], "lineage", empty=False),
        serial=typed_json.whole(document["serial"], "serial"),
        binding=None if document["binding"] is None else codec.read_binding(document["binding"]),
        resources=_by_address(resources),
        operations=_read_operations(document["operations"]),
        pre_images={kind: set(typed_json.texts(ids, "pre_images")) for kind, ids in pre_images.items()},
        outputs=typed_json.mapping(document["outputs"], "outputs"),
        history=typed_json.array(document["history"], "history", codec.read_run),
        progress=None if document["progress"] is None else _read_progress(document["progress"]),
        unknown={name: value for name, value in document.items() if name not in _KNOWN},
    )


def _by_address(listed: Iterable[Resource]) -> dict[Address, Resource]:
    found: dict[Address, Resource] = {}
    for resource in listed:
        if found.setdefault(resource.address, resource) is not resource:
            raise Malformed(f"records {resource.address} twice")
    return found


def _read_operations(value: Json) -> dict[str, Operation]:
    found: dict[str, Operation] = {}
    for operation in typed_json.array(value, "operations", codec.read_operation):
        if found.setdefault(operation.id, operation) is not operation:
            raise Malformed(f"records the operation {visible(operation.id, limit=64)} twice")
    return found


_PROGRESS = frozenset({"run", "done", "steps"})
_PROGRESS_MORE = frozenset({"review"})


def _read_progress(value: Json) -> Progress:
    shape = typed_json.fields(value, required=_PROGRESS, optional=_PROGRESS_MORE)
    return Progress(
        codec.read_run(shape["run"]),
        typed_json.boolean(shape["done"], "done"),
        set(typed_json.texts(shape["steps"], "steps")),
        codec.read_review(shape["review"]) if "review" in shape else None,
    )
