"""The pytest plugin for users' own tests: found by `-p`, never by itself, and what its cloud can do."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import declarative

ROOT = Path(declarative.__file__).parents[1]
STACK = (ROOT / "examples" / "quickstart" / "stack.yaml").read_text().replace("simulator: true", "region: eu-de")
GROUPS = (ROOT / "examples" / "quickstart" / "groups.yaml").read_text()
SESSION = """\
import pytest
from declarative.simulator import World
from declarative.testing import SimulatedCloud


def test_groups_are_created_once(simulated_cloud: SimulatedCloud):
    simulated_cloud.run("-C", "shop", "apply", "--auto-approve")
    names = {group["name"] for group in simulated_cloud.world.groups()}
    assert names == {"shop-demo", "orders-demo", "reports-demo"}
    assert "Nothing to do" in simulated_cloud.run("-C", "shop", "plan", "--detailed-exitcode").stdout


def test_what_others_do_is_drift(simulated_cloud: SimulatedCloud):
    simulated_cloud.run("apply", "--auto-approve", folder="shop")
    group = simulated_cloud.world.groups()[0]["id"]
    simulated_cloud.world.operator.rename_group(group, "by-hand")
    simulated_cloud.run("-C", "shop", "drift", "--detailed-exitcode", exit_code=2)


def test_each_test_has_a_cloud_and_a_state_of_its_own(simulated_cloud: SimulatedCloud):
    assert simulated_cloud.world.groups() == []
    assert simulated_cloud.run("-C", "shop", "state", "list").stdout == ""


def test_another_end_is_an_assertion(simulated_cloud: SimulatedCloud):
    with pytest.raises(AssertionError, match="ended with 64, not 0"):
        simulated_cloud.run("-C", "shop", "no-such-command")
    assert simulated_cloud.run("no-such-command", exit_code=None).returncode == 64


class TestWithFaults:
    @pytest.fixture
    def simulated_world(self):
        with World.open(faults=["POST server-groups:status=403"], speed=float("inf")) as world:
            yield world

    def test_refusal_of_the_service(self, simulated_cloud: SimulatedCloud):
        simulated_cloud.run("-C", "shop", "apply", "--auto-approve", exit_code=1)
        assert simulated_cloud.world.groups() == []
"""


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OS_CLOUD": "the-real-one",
        "SDRS_ENDPOINT": "https://example.com",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, str(folder)]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False)


def test_users_test_their_manifests_with_it(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "stack.yaml").write_text(STACK)
    (tmp_path / "shop" / "groups.yaml").write_text(GROUPS)
    (tmp_path / "test_shop.py").write_text(SESSION)
    page = (ROOT / "docs" / "simulator.md").read_text()
    (tmp_path / "test_page.py").write_text(page.partition("# pytest -p declarative.testing\n")[2].partition("```")[0])
    ran = pytest_in(tmp_path, "-p", "declarative.testing")
    assert "6 passed" in ran.stdout, ran.stdout
    assert not (tmp_path / "shop" / ".declarative").exists()


def test_plugin_is_loaded_only_where_it_is_asked_for(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(simulated_cloud):\n    pass\n")
    assert "fixture 'simulated_cloud' not found" in pytest_in(tmp_path).stdout
    assert [one for one in metadata.entry_points(group="pytest11") if one.value.startswith("declarative")] == []
