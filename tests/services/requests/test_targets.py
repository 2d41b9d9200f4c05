"""Who may be back soon is waited for where it would be asked (contract 5.8, A22); the rest is in test_intake.py."""

from __future__ import annotations

import pytest

from hubkit import OPERATOR, Kit, Link, failure_of, result_of
from newage.domain.model import SPARE, ConnectionPolicy, Session
from newage.errors import ClientMissing

X, Y = "SillyTavern-8000", "SillyTavern-9000"


@pytest.fixture
def sid(kit: Kit) -> str:
    kit.extension(X)
    kit.extension(Y)
    return kit.connect("web1")


def test_a_room_waits_for_the_one_that_was_assigned_to_it_by_hand(kit: Kit, sid: str) -> None:
    other = kit.connect("web2")
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.MANUAL))
    result_of(kit.assignments.assign_manually(OPERATOR, "web1", [X]))
    kit.disconnect_all(X)
    assert kit.submit(sid, "q", "r1")["waitsFor"] == "extension"
    assert isinstance(failure_of(kit.ask(other, "q", "r1")), ClientMissing)
    link = kit.extension(X)
    assert [each["requestId"] for each in link.forwarded] == ["r1"]


@pytest.mark.parametrize("policy", list(ConnectionPolicy))
def test_an_administrator_waits_for_any(kit: Kit, sid: str, policy: ConnectionPolicy) -> None:
    result_of(kit.assignments.set_policy(OPERATOR, policy))
    monitor = kit.connect("monitor", client_type="monitor")
    for name in (X, Y):
        kit.disconnect_all(name)
    assert kit.submit(monitor, "q", "r1", room="web1")["waitsFor"] == "extension"


@pytest.mark.parametrize(
    "policy", [ConnectionPolicy.FREE, ConnectionPolicy.BALANCED, ConnectionPolicy.RANDOM, ConnectionPolicy.BROADCAST]
)
def test_whoever_has_just_come_waits_as_well(kit: Kit, sid: str, policy: ConnectionPolicy) -> None:
    result_of(kit.assignments.set_policy(OPERATOR, policy))
    for name in (X, Y):
        kit.disconnect_all(name)
    fresh = kit.connect("web3")
    kit.connect("web3", "/rooms")
    assert kit.submit(fresh, "q", "r1")["waitsFor"] == "extension"


@pytest.mark.parametrize(("target", "waits"), [(X, True), ("Elsewhere", False)])
def test_only_for_one_that_is_meant(kit: Kit, sid: str, target: str, waits: bool) -> None:
    for name in (X, Y):
        kit.disconnect_all(name)
    asking = kit.ask(sid, "q", "r1", targets=(target,))
    if waits:
        assert result_of(asking)["waitsFor"] == "extension"
    else:
        assert str(failure_of(asking)) == "Target client not found: Elsewhere"


@pytest.mark.parametrize("targets", [None, (X,), (f"{X}-plain",)])
def test_who_is_meant_and_outranked_is_waited_for_as_the_one_that_is_asked_instead(
    kit: Kit, targets: tuple[str, ...] | None
) -> None:
    plain = f"{X}-plain"
    kit.extension(X, identity=plain)
    sid = kit.connect("web1")
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.MANUAL))
    result_of(kit.assignments.assign_manually(OPERATOR, "web1", [plain]))
    kit.extension(X, identity=f"{X}-b", features=("cancel",))
    kit.disconnect_all(f"{X}-b")
    assert kit.submit(sid, "q", "r1", targets=targets)["waitsFor"] == "extension"
    link = kit.extension(X, identity=f"{X}-b", features=("cancel",))
    assert [each["requestId"] for each in link.forwarded] == ["r1"]


@pytest.mark.parametrize("kind", ["web-app", "monitor"])
@pytest.mark.parametrize("policy", [ConnectionPolicy.FREE, ConnectionPolicy.FAILOVER])
def test_a_spare_one_is_asked_while_there_is_no_other(kit: Kit, kind: str, policy: ConnectionPolicy) -> None:
    """Whoever asks: a monitor's own room is nobody's to serve."""
    result_of(kit.assignments.set_policy(OPERATOR, policy))
    session = Session(client_id="SillyTavern-demo", identity="SillyTavern-demo", client_type="SillyTavern")
    demo = Link()
    kit.sessions.attach_extension(session, demo, priority=SPARE)
    asker = kit.connect("asker", client_type=kind)
    kit.submit(asker, "q", "r1")
    link = kit.extension(X)
    kit.submit(asker, "q", "r2")
    assert [[each["requestId"] for each in one.forwarded] for one in (demo, link)] == [["r1"], ["r2"]]
