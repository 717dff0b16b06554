"""What openstacksdk reads from a set of files: a program of its own, because it keeps folders from its import.

Standard input is a JSON list of cases `{"folder", "environ", "cloud", "region"}`, standard output a list of answers:
what `openstack.config` made of each, or `{"error": …}`. The folder stands for /; a case begins in its `work`.
"""

import importlib
import json
import os
import socket
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

from keystoneauth1 import loading  # noqa: E402
from openstack.config import loader, vendors  # noqa: E402

BESIDE = ("auth_type", "interface", "identity_api_version", "region_name", "sdrs_endpoint_override", "ak", "sk")
PLUGINS = ("v3password", "v3applicationcredential", "v3token", "v3totp")


def answer(case):
    """One cloud, with the values beside `auth` that an auth plugin would take moved into it."""
    os.environ.clear()
    os.environ.update(case["environ"])
    os.chdir(Path(case["folder"], "work"))
    importlib.reload(loader)
    for files in (loader.CONFIG_FILES, loader.SECURE_FILES, loader.VENDOR_FILES):
        files[:] = [name.replace("/etc/openstack", f"{case['folder']}/etc/openstack") for name in files]
    vendors._VENDOR_DEFAULTS.clear()
    config = loader.OpenStackConfig()
    cloud = config.get_one(case["cloud"], validate=False, region_name=case["region"] or None)
    options = cloud.config
    for plugin in PLUGINS:
        options = config._validate_auth(options, loading.get_plugin_loader(plugin))
    verify, cert = cloud.get_requests_verify_args()
    return {
        "auth": options["auth"],
        "beside": {name: options[name] for name in (*BESIDE, "passcode", "security_token") if options.get(name)},
        "verify": verify,
        "cert": cert,
    }


def offline(*_):
    raise OSError("nothing may be fetched here")


def main():
    socket.socket.connect = offline
    answers = []
    for case in json.load(sys.stdin):
        try:
            answers.append(answer(case))
        except Exception as error:
            answers.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answers, sys.stdout, default=str)


if __name__ == "__main__":
    main()
