"""Manifests for what exists in the cloud, and the imports that tie the two together.

Pure: observed objects go in, texts come out. What is written describes the objects as they are, so that a plan after
the imports changes nothing. What the service doesn't tell, or tells with a value that no manifest may hold, is left out
or left alone, and each such case is noted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from declarative.kinds import KINDS
from declarative.kinds.replication_attachment import letters
from declarative.model import Address, Attributes, Health, Json, Lookups, Observed
from declarative.reporting.yaml_text import Value, to_yaml

_GROUP, _INSTANCE, _PAIR = "ProtectionGroup", "ProtectedInstance", "ReplicationPair"
_ATTACHMENT, _DRILL = "ReplicationAttachment", "DRDrill"
_FILES: Final = {
    _GROUP: "groups",
    _INSTANCE: "instances",
    _PAIR: "pairs",
    _ATTACHMENT: "attachments",
    _DRILL: "drills",
}
IMPORTS = "imports.sh"

_SIMULATOR_NOTE = (
    "the embedded simulator stays with its own stack; to go on with it in the new folder, copy"
    " .declarative/simulator.sqlite there"
)

# What a reader of manifests accepts: one file has at most 1 MiB and 50,000 values, and a document of ours at most 100.
_MAX_DOCUMENTS = 400
_MAX_CHARACTERS = 200_000
_IMPORTS_AT_ONCE = 200  # a command line of at most 40 KiB

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
_DESCRIPTION = re.compile(r"[^<>\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
_DEVICE = re.compile(r"/dev/[sv]d[a-z]{1,2}")
_TAG = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff*<>\\=,|/]*")
_MAX_TAGS, _MAX_TAG_KEY, _MAX_TAG_VALUE = 10, 36, 43
_MAX_BYTES = 64

# Fields whose values are shared by many groups, by the name of the variable that then holds the value.
_SHARED = {
    "source_vpc_id": "vpc_id",
    "source_availability_zone": "zone",
    "target_availability_zone": "zone",
    "domain": "domain",
    "domain_id": "domain_id",
}
_DESCRIPTIONS = {
    "vpc_id": "VPC of the protected servers",
    "zone": "Availability zone",
    "domain": "Active-active domain",
    "domain_id": "Active-active domain, by its id",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """Texts by file name, what to import, and in words what was not written as it is in the cloud."""

    files: Mapping[str, str]
    imports: tuple[tuple[Address, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Document:
    """One object's manifest, and its id. `spec` holds plain values: nothing in it is an expression yet."""

    address: Address
    id: str
    spec: Mapping[str, Json]
    ignored: tuple[str, ...] = ()
    adopted: bool = False


class _Unfit(Exception):
    """The object can't be described; the text says why."""


def export(observed: Observed, *, stack: str, region: str = "", simulator: bool = False) -> Exported:
    """Describe everything in `observed`. `stack` is the name of the new stack, from which its own name is made."""
    writer = _Writer(observed)
    writer.write()
    documents = sorted(writer.documents, key=lambda one: (list(_FILES).index(one.address.kind), one.address))
    variables = _variables(documents)
    cloud: dict[str, Value] = {"simulator": True} if simulator else {"region": region} if _ID.fullmatch(region) else {}
    files = {"stack.yaml": _stack_text(manifest_name(stack, "exported"), cloud, variables)}
    for kind, name in _FILES.items():
        texts = [_document_text(one, variables) for one in documents if one.address.kind == kind]
        files.update(_in_files(name, texts))
    if simulator:
        writer.notes.append(_SIMULATOR_NOTE)
    imports = tuple((one.address, one.id) for one in documents)
    files[IMPORTS] = _imports_text(imports)
    return Exported(files, imports, tuple(writer.notes))


# ---------------------------------------------------------------- which objects, under which names


@dataclass(slots=True)
class _Writer:
    """Turns observed objects into documents, kind after kind; each kind may refer to those before it."""

    observed: Observed
    documents: list[_Document] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _addresses: dict[tuple[str, str], Address] = field(default_factory=dict)
    _names: dict[str, set[str]] = field(default_factory=dict)
    _cloud_names: set[tuple[str, str, str]] = field(default_factory=set)

    def write(self) -> None:
        """Describe all that can be described."""
        attached = self._attached()
        self._all(_GROUP, self._group)
        self._all(_INSTANCE, self._instance)
        single = {pair for pair, places in attached.items() if len(places) == 1 and not self._is_of_a_shared_disk(pair)}
        bootable = {pair for pair in single if self._metadata(pair).get("bootable") in (True, "true")}
        self._all(_PAIR, self._pair, leave=bootable, adopt=single)
        made_by_hand = {one for pair, places in attached.items() if pair not in single for one in places}
        self._all(_ATTACHMENT, self._attachment, leave=self._objects(_ATTACHMENT).keys() - made_by_hand)
        self._all(_DRILL, self._drill)
        if children := len(bootable & self._objects(_PAIR).keys()):
            self.notes.append(
                "1 pair of a system disk is not written: it goes with the instance that brought it"
                if children == 1
                else f"{children} pairs of system disks are not written: they go with the instances that brought them"
            )
        for pair in sorted(single & self._objects(_PAIR).keys()):
            if "bootable" not in self._metadata(pair):
                self.notes.append(
                    f"the cloud doesn't tell whether replication pair {pair} is that of a system disk: it is written"
                )

    def _objects(self, kind: str) -> Mapping[str, Attributes]:
        return self.observed.objects.get(kind, {})

    def _attached(self) -> dict[str, list[str]]:
        """The attachments of each pair."""
        places: dict[str, list[str]] = {}
        for object_id, shown in self._objects(_ATTACHMENT).items():
            places.setdefault(str(shown["replication_id"]), []).append(object_id)
        return places

    def _is_of_a_shared_disk(self, pair: str) -> bool:
        """True for a disk that several servers may have: no instance is made with such a pair."""
        return self._metadata(pair).get("multiattach") in (True, "true")

    def _metadata(self, pair: str) -> Mapping[str, Json]:
        metadata = self._objects(_PAIR).get(pair, {}).get("record_metadata")
        return metadata if isinstance(metadata, dict) else {}

    def _all(
        self,
        kind: str,
        describe: Callable[[Attributes], dict[str, Json]],
        *,
        leave: Iterable[str] = (),
        adopt: Collection[str] = (),
    ) -> None:
        """Describe all objects of a kind but those to `leave`; those to `adopt` are attached to an instance."""
        left = set(leave)
        ordered = sorted(self._objects(kind).items(), key=lambda one: (str(one[1].get("name")), one[0]))
        for object_id, shown in ordered:
            if object_id in left:
                continue
            try:
                self._refuse_unhealthy(kind, shown)
                spec = describe(shown)
            except _Unfit as reason:
                self.notes.append(f"{KINDS[kind].noun} {object_id} is not written: {reason}")
                continue
            address = self._address(kind, object_id, shown, spec)
            document = _Document(address, object_id, spec, adopted=object_id in adopt)
            self.documents.append(self._named(document, shown))

    def _refuse_unhealthy(self, kind: str, shown: Attributes) -> None:
        health = KINDS[kind].health(shown, {"priority_station": shown.get("priority_station")})
        if health is Health.BROKEN:
            raise _Unfit("its creation failed")
        if health is Health.LEAVING:
            raise _Unfit("it is being deleted")

    def _address(self, kind: str, object_id: str, shown: Attributes, spec: Mapping[str, Json]) -> Address:
        told = str(shown.get("name") or "")
        if kind == _ATTACHMENT:
            told = "-on-".join(str(spec[name]) for name in ("replication_pair", "protected_instance"))
        name = _unique(manifest_name(told, _FILES[kind].removesuffix("s")), self._names.setdefault(kind, set()))
        address = self._addresses[(kind, object_id)] = Address(kind, name)
        return address

    def _named(self, document: _Document, shown: Attributes) -> _Document:
        """The document with a name in the cloud that a manifest may hold: another one is left alone by the plan."""
        if document.address.kind == _ATTACHMENT:
            return document
        told = shown.get("name")
        # Two groups, or two drills of one group, may have one name in the cloud, but not in manifests.
        scope = {_GROUP: "", _DRILL: str(shown.get("server_group_id"))}.get(document.address.kind)
        taken = scope is not None and (document.address.kind, scope, str(told)) in self._cloud_names
        if isinstance(told, str) and _NAME.fullmatch(told) and not taken:
            self._cloud_names.add((document.address.kind, scope or "", told))
            return replace(document, spec={"name": told, **document.spec})
        why = "is the name of another one too" if taken else "is not one that a manifest may hold"
        self.notes.append(f"{document.address}: its name in the cloud {why}, and is left alone (ignore_changes)")
        # Distinct from all names that are told: those stand in manifests as they are, and this one is never sent.
        name = _unique(document.address.name[:55], self._told_names(document.address.kind))
        self._cloud_names.add((document.address.kind, scope or "", name))
        return replace(document, spec={"name": name, **document.spec}, ignored=("name",))

    def _told_names(self, kind: str) -> set[str]:
        told = {str(one.get("name")) for one in self._objects(kind).values()}
        return told | {name for other, _, name in self._cloud_names if other == kind}

    # ------------------------------------------------------------ each kind's fields

    def _group(self, shown: Attributes) -> dict[str, Json]:
        spec: dict[str, Json] = {
            "source_availability_zone": _told(shown, "source_availability_zone", _NAME),
            "target_availability_zone": _told(shown, "target_availability_zone", _NAME),
            **_domain(shown, self.observed.lookups),
            "source_vpc_id": _told(shown, "source_vpc_id", _ID),
            **self._description(shown),
        }
        if shown.get("status") == "protected":
            spec["protection"] = "enabled"
        if shown.get("priority_station") == "target":
            spec["priority_station"] = "target"
        return spec

    def _instance(self, shown: Attributes) -> dict[str, Json]:
        return {
            **self._in_group(shown),
            "server_id": _told(shown, "server_id", _ID),
            **self._description(shown),
            **self._tags(shown),
        }

    def _pair(self, shown: Attributes) -> dict[str, Json]:
        return {**self._in_group(shown), "volume_id": _told(shown, "volume_id", _ID), **self._description(shown)}

    def _attachment(self, shown: Attributes) -> dict[str, Json]:
        spec = {}
        for name, target in KINDS[_ATTACHMENT].refers.items():
            other = self._addresses.get((target.kind, str(shown.get(target.field))))
            if other is None:
                raise _Unfit(f"its {KINDS[target.kind].noun} isn't written")
            spec[name] = other.name
        device = str(shown.get("device"))
        return {**spec, "device": device if _DEVICE.fullmatch(device) else _device(device)}

    def _drill(self, shown: Attributes) -> dict[str, Json]:
        vpc = shown.get("drill_vpc_id")
        return {**self._in_group(shown), **({"drill_vpc_id": _told(shown, "drill_vpc_id", _ID)} if vpc else {})}

    def _in_group(self, shown: Attributes) -> dict[str, Json]:
        group_id = _told(shown, "server_group_id", _ID)
        group = self._addresses.get((_GROUP, group_id))
        return {"protection_group": group.name} if group else {"server_group_id": group_id}

    def _description(self, shown: Attributes) -> dict[str, Json]:
        text = shown.get("description")
        if not text:
            return {}
        if isinstance(text, str) and _DESCRIPTION.fullmatch(text) and len(text.encode()) <= _MAX_BYTES:
            return {"description": text}
        self.notes.append(f"the description of {shown['id']} is not one that a manifest may hold: not written")
        return {}

    def _tags(self, shown: Attributes) -> dict[str, Json]:
        tags = shown.get("tags") or []
        if not tags:
            return {}
        if _tags_fit(tags):
            return {"tags": [{"key": tag["key"], "value": tag["value"]} for tag in tags]}
        self.notes.append(f"the tags of {shown['id']} are not such as a manifest may hold: not written")
        return {}


def manifest_name(text: str, otherwise: str) -> str:
    """A `metadata.name` made from a text of any sort; `otherwise` when nothing of it is left."""
    words = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")
    return words[:63] or otherwise


def _unique(name: str, taken: set[str]) -> str:
    """`name`, or the first of `name-2`, `name-3`… that isn't taken in any spelling; it is taken from now on."""
    known = {one.lower() for one in taken}
    chosen, number = name, 1
    while chosen.lower() in known:
        number += 1
        chosen = f"{name[: 62 - len(str(number))]}-{number}"
    taken.add(chosen)
    return chosen


def _told(shown: Attributes, name: str, pattern: re.Pattern[str]) -> str:
    value = shown.get(name)
    if not isinstance(value, str) or not value:
        raise _Unfit(f"the cloud doesn't tell its {name}")
    if not pattern.fullmatch(value):
        raise _Unfit(f"its {name} is not one that a manifest may hold")
    return value


def _domain(shown: Attributes, lookups: Lookups) -> dict[str, Json]:
    """The domain by its name where that name means this domain alone."""
    domain_id = _told(shown, "domain_id", _ID)
    domains = lookups.domains or ()
    names = {str(domain.get("name")) for domain in domains if domain.get("id") == domain_id}
    alike = [domain for domain in domains if str(domain.get("name")) in names]
    if len(alike) == 1 and all(_LINE.fullmatch(name) for name in names):
        return {"domain": names.pop()}
    return {"domain_id": domain_id}


def _device(shown: str) -> str:
    """A device name as manifests write it, with the letters that are shown: they alone are compared."""
    device = f"/dev/vd{letters(shown)}"
    if not _DEVICE.fullmatch(device):
        raise _Unfit("the cloud doesn't tell its device")
    return device


def _tags_fit(tags: Iterable[Mapping[str, str]]) -> bool:
    keys = [tag["key"] for tag in tags]
    texts = [text for tag in tags for text in (tag["key"], tag["value"])]
    return (
        len(set(keys)) == len(keys) <= _MAX_TAGS
        and all(0 < len(key) <= _MAX_TAG_KEY for key in keys)
        and all(len(tag["value"]) <= _MAX_TAG_VALUE for tag in tags)
        and all(_TAG.fullmatch(text) for text in texts)
    )


# ---------------------------------------------------------------- values that many share


def _variables(documents: Iterable[_Document]) -> dict[tuple[str, str], str]:
    """The variables, by what they are for and their value: for each shared value that is used more than once."""
    uses = Counter(
        (_SHARED[name], str(value)) for one in documents for name, value in one.spec.items() if name in _SHARED
    )
    often = sorted(use for use, count in uses.items() if count > 1 and "${" not in use[1])
    families = Counter(family for family, _ in often)
    numbers: Counter[str] = Counter()
    found = {}
    for family, value in often:
        numbers[family] += 1
        found[(family, value)] = family if families[family] == 1 else f"{family}_{numbers[family]}"
    return found


def _written(name: str, value: Json, variables: Mapping[tuple[str, str], str]) -> Value:
    """A value of a spec as it stands in the manifest; `${` in a text of the cloud is no expression."""
    variable = variables.get((_SHARED.get(name, ""), str(value)))
    if variable:
        return f"${{var.{variable}}}"
    if isinstance(value, list):
        return [{key: _literal(text) for key, text in entry.items()} for entry in value]
    return _literal(value)


def _literal(text: str) -> str:
    return text.replace("${", "$${")


# ---------------------------------------------------------------- texts


def _document_text(document: _Document, variables: Mapping[tuple[str, str], str]) -> str:
    content: dict[str, Value] = {
        "apiVersion": "sdrs/v1",
        "kind": document.address.kind,
        "metadata": {"name": document.address.name},
        "spec": {name: _written(name, value, variables) for name, value in document.spec.items()},
    }
    lifecycle: dict[str, Value] = {"adopt": True} if document.adopted else {}
    if document.ignored:
        lifecycle["ignore_changes"] = list(document.ignored)
    if lifecycle:
        content["lifecycle"] = lifecycle
    return to_yaml(content)


def _stack_text(name: str, cloud: Mapping[str, Value], variables: Mapping[tuple[str, str], str]) -> str:
    spec: dict[str, Value] = {"provider": dict(cloud)} if cloud else {}
    if variables:
        spec["variables"] = {
            variable: {"type": "string", "description": _DESCRIPTIONS[family], "default": value}
            for (family, value), variable in variables.items()
        }
    head = f"# What was in the cloud when this was exported. `sh {IMPORTS}` records it as this stack's.\n"
    content: dict[str, Value] = {"apiVersion": "sdrs/v1", "kind": "Stack", "metadata": {"name": name}}
    return head + to_yaml({**content, "spec": spec} if spec else content)


def _in_files(name: str, texts: list[str]) -> Iterator[tuple[str, str]]:
    """The documents in files of a size that is read: `groups.yaml`, `groups-2.yaml`…"""
    parts: list[list[str]] = []
    size = 0
    for text in texts:
        if not parts or len(parts[-1]) == _MAX_DOCUMENTS or size + len(text) > _MAX_CHARACTERS:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    for number, part in enumerate(parts, 1):
        yield (f"{name}-{number}.yaml" if number > 1 else f"{name}.yaml"), "---\n".join(part)


def _imports_text(imports: Sequence[tuple[Address, str]]) -> str:
    """A shell script. Addresses and ids hold no character that `xargs` or a shell would act on."""
    head = [
        "#!/bin/sh",
        "# Records what exists in the cloud as the objects of this stack. Nothing in the cloud is changed.",
        'cd "$(dirname "$0")" || exit 1',
    ]
    lines = [f"{address} {object_id}" for address, object_id in imports]
    if lines:
        lines = [f"xargs -n {2 * _IMPORTS_AT_ONCE} declarative import <<'END'", *lines, "END"]
    return "\n".join([*head, *lines]) + "\n"
