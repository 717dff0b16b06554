"""Sets of clouds.yaml, secure.yaml and clouds-public.yaml in many places, drawn at random but the same every time."""

import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

AUTH = (
    "username",
    "user_id",
    "password",
    "passcode",
    "token",
    "project_id",
    "project_name",
    "tenant_id",
    "tenant_name",
    "domain_id",
    "domain_name",
    "user_domain_id",
    "user_domain_name",
    "project_domain_id",
    "project_domain_name",
    "application_credential_id",
    "application_credential_secret",
    "auth_url",
    "auth_token",
    "user_name",
    "ak",
    "sk",
)
BESIDE = (
    "interface",
    "endpoint_type",
    "identity_api_version",
    "sdrs_endpoint_override",
    "cacert",
    "cert",
    "key",
    "verify",
    "insecure",
    "domain_name",
    "project_name",
    "project_id",
    "username",
    "password",
)
WORDS = ("eu-de", "admin", "shop", "p 1", "ü", "x{y", "0", "off", "a:b", "# no comment", "'", "very long " * 20)
REGIONS = ("eu-de", "eu-nl")
ENDINGS = (".yaml", ".yml", ".json")


@dataclass
class Case:
    """One set of files. `dropped` are those that only openstacksdk would read, `moved` where it looks for some."""

    files: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    cloud: str = "otc"
    region: str = ""
    dropped: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)

    def lay_out(self, folder: Path, *, for_openstack: bool = False) -> dict[str, str]:
        """Write the files below `folder`, and return the environment."""
        for name in ("work", "home"):
            (folder / name).mkdir(parents=True)
        for name, content in self.files.items():
            if for_openstack and name in self.dropped:
                continue
            path = folder / (self.moved.get(name, name) if for_openstack else name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return {name: value.replace("ROOT", str(folder)) for name, value in self.environ.items()}


def cases(count: int, seed: int = 1) -> list[Case]:
    return [_case(random.Random(seed * 100_000 + number)) for number in range(count)]


def _case(draw: random.Random) -> Case:
    case = Case(environ={"HOME": "ROOT/home"})
    places = ["home/.config/openstack", "etc/openstack"]
    if draw.random() < 0.4:
        case.environ["XDG_CONFIG_HOME"] = "ROOT/xdg"
        places.insert(0, "xdg/openstack")
    if draw.random() < 0.4:
        case.environ["XDG_CONFIG_DIRS"] = "ROOT/site"
        places.insert(-1, "site/openstack")
    if draw.random() < 0.15:
        case.environ["SNAP_REAL_HOME"] = "ROOT/real"
        places = [place.replace("home", "real") for place in places]
        if "XDG_CONFIG_HOME" not in case.environ:
            places.insert(0, "home/.config/openstack")
    where = draw.choice(places)
    name = f"clouds{draw.choice(ENDINGS)}"
    if draw.random() < 0.25:
        where, name = draw.choice([("named", "mine.yaml"), ("work", "clouds.yaml"), ("named", "mine.json")])
        case.environ["OS_CLIENT_CONFIG_FILE"] = draw.choice([f"ROOT/{where}/{name}", f"../{where}/{name}"])
    dashed = draw.random() < 0.2
    public = {profile: _entry(draw, profile=False) for profile in ("shared", "otc")}
    _put(case, draw, where, name, "clouds", _clouds(draw))
    if draw.random() < 0.6:
        secret = {draw.choice(["otc", "other"]): {"auth": _auth(draw)} for _ in range(2)}
        _put(case, draw, where, f"secure{draw.choice(ENDINGS)}", "clouds", secret)
    if draw.random() < 0.5:
        _put(case, draw, where, f"clouds-public{draw.choice(ENDINGS)}", "public-clouds", public)
    if where == "named":
        case.moved = {name: name.replace("named", "work") for name in case.files if "mine" not in name}
    if dashed:
        case.files = {name: _dashed(content) for name, content in case.files.items()}
    for stem in ("clouds", "secure", "clouds-public"):  # what must not be read
        if draw.random() < 0.3:
            _decoy(case, draw, stem, places, where)
    case.cloud = draw.choice(["otc", "otc", "other", "other"])
    case.region = draw.choice(["", "", "", "eu-de", "eu-nl", "eu-xx"])
    return case


def _decoy(case: Case, draw: random.Random, stem: str, places: list[str], where: str) -> None:
    """A file in the working folder, or in a place behind that of the clouds.yaml or beside it."""
    spots = ["work", *places]
    if stem == "clouds":
        behind = places[places.index(where) + 1 :] if where in places else places
        spots = ["work", *behind]
    spot = draw.choice(spots)
    if spot == where:
        return
    key = "public-clouds" if stem == "clouds-public" else "clouds"
    values = {name: {"auth": {"password": "decoy", "username": "decoy"}} for name in ("otc", "other", "shared")}
    file = f"{stem}{draw.choice(ENDINGS)}"
    _put(case, draw, spot, file, key, values)
    if spot == "work" or stem != "clouds":
        case.dropped.add(f"{spot}/{file}")


def _put(case: Case, draw: random.Random, where: str, name: str, key: str, values: dict[str, object]) -> None:
    whole = {key: values}
    text = json.dumps(whole) if name.endswith("json") else yaml.safe_dump(whole, allow_unicode=draw.random() < 0.5)
    case.files[f"{where}/{name}"] = text


def _clouds(draw: random.Random) -> dict[str, object]:
    clouds = {"otc": _entry(draw), "other": _entry(draw)}
    if draw.random() < 0.2:
        clouds["other"]["auth"] = clouds["otc"]["auth"]  # is written as an alias
    return clouds


def _auth(draw: random.Random) -> dict[str, object]:
    chosen = draw.sample(AUTH, draw.randint(1, 8))
    return {name: _value(draw, name) for name in chosen}


def _entry(draw: random.Random, *, profile: bool = True) -> dict[str, object]:
    entry: dict[str, object] = {"auth": _auth(draw)}
    entry |= {name: _value(draw, name) for name in draw.sample(BESIDE, draw.randint(0, 4))}
    entry = {name: "brace" if value == "x{y" else value for name, value in entry.items()}  # a template there
    if draw.random() < 0.3:
        entry["auth_type"] = draw.choice(["password", "v3password", "v3token", "v3applicationcredential"])
    if profile and draw.random() < 0.5:
        entry[draw.choice(["profile", "profile", "cloud"])] = draw.choice(["otc", "otc", "otc-swiss"])
    entry |= draw.choice(
        [
            {},
            {"region_name": draw.choice(REGIONS)},
            {"region_name": ",".join(REGIONS if profile else REGIONS[:1])},
            {"regions": list(REGIONS)},
            {"regions": [{"name": "eu-nl", "values": {"auth": _auth(draw), "interface": "admin"}}, "eu-de"]},
        ]
    )
    return entry


def _dashed(content: str) -> str:
    for name in ("project_id", "tenant_name", "user_domain_id", "domain_name", "user_id"):
        content = re.sub(rf"\b{name}\b", name.replace("_", "-"), content)
    return content


def _value(draw: random.Random, name: str) -> object:
    if name in ("verify", "insecure"):
        return draw.random() < 0.5
    if name in ("cacert", "cert", "key"):
        return draw.choice(["/ca.pem", "~/ca.pem"])
    if name == "auth_url":
        return draw.choice(["https://iam.{region_name}.example.com/v3", "https://iam.example.com/v3"])
    if name == "sdrs_endpoint_override":
        return "https://sdrs.example.com"
    if name in ("project_id", "tenant_id"):
        return draw.choice(["p1", "p2", 123, ""])
    if name in ("token", "auth_token", "ak", "sk"):
        return f"{name}-{draw.randint(1, 9)}"
    if name in ("interface", "endpoint_type"):
        return draw.choice(["public", "internal"])
    if name == "identity_api_version":
        return draw.choice(["3", 3])
    return draw.choice([*WORDS, 42, ""])
