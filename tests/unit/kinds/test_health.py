"""What the statuses of the service mean for planning, kind by kind."""

import pytest

from declarative.kinds import KINDS
from declarative.model import Health

INSTANCE, ATTACHMENT = KINDS["ProtectedInstance"], KINDS["ReplicationAttachment"]
IN_PROGRESS = ("failing-over", "failed-over", "reversing", "error-reversing", "reprotecting", "of-a-new-sort")
OTHERS = ("available", "protected", "error-starting", "resizing", "nic-creating", "error-resizing", "invalid", "fault")


@pytest.mark.parametrize("status", IN_PROGRESS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_disaster_recovery_in_progress_holds_an_object(kind, status):
    assert kind.statuses.health({"status": status}, {}) is Health.HELD


@pytest.mark.parametrize("status", [*IN_PROGRESS, *OTHERS])
def test_an_attachment_is_held_when_its_instance_is(status):
    held = [kind.statuses.health({"status": status}, {}) is Health.HELD for kind in (INSTANCE, ATTACHMENT)]
    assert held[0] == held[1] == (status in IN_PROGRESS)
