"""The `terraform` command itself works with the server that stands for Terraform's protocol."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scaffold.state_servers import TerraformServer, terraform_server

TERRAFORM = shutil.which("terraform")

pytestmark = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed")

CONFIGURATION = """
terraform {
  backend "http" {}
}
variable "input" { default = "one" }
resource "terraform_data" "it" { input = var.input }
output "it" { value = terraform_data.it.output }
"""


class Folder:
    """A configuration without providers, so that nothing is downloaded."""

    def __init__(self, path: Path, server: TerraformServer):
        self.path, self.server = path, server
        path.mkdir()
        (path / "main.tf").write_text(CONFIGURATION)
        (path / "rc").write_text("disable_checkpoint = true\n")

    def run(self, *words: str, fails: bool = False) -> str:
        address = self.server.address
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "TF_CLI_CONFIG_FILE": str(self.path / "rc"),
            "TF_IN_AUTOMATION": "1",
            "TF_HTTP_ADDRESS": address,
            "TF_HTTP_LOCK_ADDRESS": address,
            "TF_HTTP_UNLOCK_ADDRESS": address,
            "TF_HTTP_USERNAME": self.server.username,
            "TF_HTTP_PASSWORD": self.server.password,
            "TF_HTTP_RETRY_MAX": "0",
        }
        done = subprocess.run(
            [TERRAFORM or "", *words], cwd=self.path, env=environ, capture_output=True, text=True, timeout=100
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr


def test_terraform_plans_and_applies_under_the_lock(tmp_path):
    with terraform_server(username="me", password="secret") as server:
        folder = Folder(tmp_path / "a", server)
        folder.run("init", "-input=false")
        assert "1 to add" in folder.run("plan", "-input=false", "-no-color")
        folder.run("apply", "-input=false", "-auto-approve")
        assert json.loads(server.text)["outputs"]["it"]["value"] == "one"
        assert server.lock is None
        assert all(request.query["ID"] for request in server.sent("POST"))
        other = Folder(tmp_path / "b", server)
        other.run("init", "-input=false")
        assert "No changes" in other.run("plan", "-input=false", "-no-color")
        other.run("apply", "-input=false", "-auto-approve", "-var", "input=two")
        assert json.loads(server.text)["outputs"]["it"]["value"] == "two"


def test_terraform_respects_a_lock_and_breaks_it(tmp_path):
    with terraform_server() as server:
        folder = Folder(tmp_path / "a", server)
        folder.run("init", "-input=false")
        folder.run("apply", "-input=false", "-auto-approve")
        seven = ("ID", "Operation", "Info", "Who", "Version", "Created", "Path")
        server.lock = json.dumps({
            **dict.fromkeys(seven, ""),
            "ID": "9db590f1-b6fe-c5f2-2678-8804f089deba",
            "Who": "me@here",
            "Created": "2026-01-02T03:04:05.123456789Z",
        }).encode()  # fmt: skip
        before = server.text
        refused = folder.run("apply", "-input=false", "-auto-approve", "-var", "input=two", fails=True)
        assert "9db590f1-b6fe-c5f2-2678-8804f089deba" in refused
        assert server.text == before
        folder.run("force-unlock", "-force", "9db590f1-b6fe-c5f2-2678-8804f089deba")
        assert server.lock is None
        folder.run("apply", "-input=false", "-auto-approve", "-var", "input=two")
        assert server.text != before
