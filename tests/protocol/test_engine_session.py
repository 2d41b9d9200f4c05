"""The Engine.IO machine: heartbeat, upgrade, close; time is what the test says."""

from __future__ import annotations

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from newage.errors import ProtocolError
from newage.protocol.engine_session import NEVER, EngineSession, EngineSettings, Signal

SETTINGS = EngineSettings()


def session(now: float = 0.0) -> EngineSession:
    return EngineSession(SETTINGS, now)


def pinged() -> EngineSession:
    machine = session()
    assert machine.tick(25.0) is Signal.SEND_PING
    return machine


def test_the_defaults_are_the_contracts() -> None:
    assert (SETTINGS.ping_interval_seconds, SETTINGS.ping_timeout_seconds) == (25.0, 20.0)
    assert (SETTINGS.max_payload_bytes, SETTINGS.upgrade_timeout_seconds) == (1_000_000, 10.0)
    assert SETTINGS.connect_timeout_seconds == 10.0
    assert all(field.metadata["doc"] for field in fields(EngineSettings))


@pytest.mark.parametrize("name", ["ping_interval_seconds", "ping_timeout_seconds", "max_payload_bytes"])
def test_settings_refuse_nonsense(name: str) -> None:
    with pytest.raises(ValueError):
        EngineSettings(**{name: 0})


def test_a_heartbeat_is_sent_and_answered() -> None:
    machine = session()
    assert machine.deadline == 25.0
    assert machine.tick(24.9) is Signal.NOTHING
    assert machine.tick(25.0) is Signal.SEND_PING
    assert (machine.awaiting_pong, machine.deadline) == (True, 45.0)
    assert machine.receive(b"3", 26.0) is Signal.NOTHING
    assert (machine.awaiting_pong, machine.deadline) == (False, 51.0)


def test_fractions_of_seconds_do() -> None:
    machine = EngineSession(EngineSettings(ping_interval_seconds=0.3, ping_timeout_seconds=0.2), 1.0)
    assert machine.deadline == 1.3
    assert machine.tick(1.3) is Signal.SEND_PING
    assert machine.deadline == 1.5


@pytest.mark.parametrize(("tick", "deadline"), [(25.0, 45.0), (26.9, 45.0), (27.1, 47.1), (60.0, 80.0)])
def test_a_late_tick_costs_the_peer_no_time_unless_it_is_the_usual_bit(tick: float, deadline: float) -> None:
    machine = session()
    assert machine.tick(tick) is Signal.SEND_PING
    assert machine.deadline == deadline


def test_a_silent_peer_times_out() -> None:
    machine = pinged()
    assert machine.tick(44.9) is Signal.NOTHING
    assert machine.tick(45.0) is Signal.TIMED_OUT
    assert (machine.closed, machine.deadline) == (True, NEVER)
    assert machine.tick(99.0) is Signal.NOTHING


def test_any_packet_extends_the_wait_for_a_pong_once() -> None:
    machine = pinged()
    assert machine.wants_to_hear
    assert machine.receive(b"4x", 40.0) is Signal.MESSAGE
    assert machine.deadline == 60.0
    assert not machine.wants_to_hear
    machine.receive(b"4x", 59.0)
    machine.heard(59.5)
    assert machine.deadline == 60.0
    assert machine.tick(60.0) is Signal.TIMED_OUT


def test_the_next_wait_can_be_extended_again() -> None:
    machine = pinged()
    machine.heard(30.0)
    machine.receive(b"3", 31.0)
    machine.heard(32.0)
    assert machine.deadline == 56.0
    assert machine.tick(56.0) is Signal.SEND_PING
    machine.heard(57.0)
    assert machine.deadline == 77.0


def test_a_million_pongs_change_nothing() -> None:
    machine = session()
    for _ in range(1000):
        assert machine.receive(b"3", 10.0) is Signal.NOTHING
    assert machine.deadline == 25.0


def test_a_peer_that_we_do_not_read_is_excused() -> None:
    machine = pinged()
    machine.restart_pong_timeout(44.0)
    assert machine.deadline == 64.0
    fresh = session()
    fresh.restart_pong_timeout(20.0)
    assert fresh.deadline == 25.0


@pytest.mark.parametrize("packet", [b"", b"abc", b"7", b"2", b"2probe", b"\xff", b" 4"])
def test_a_wrong_packet_is_refused(packet: bytes) -> None:
    with pytest.raises(ProtocolError):
        session().receive(packet, 0.0)


@pytest.mark.parametrize("packet", [b"0", b"5", b"6", b"3probe"])
def test_packets_without_meaning_here_are_ignored(packet: bytes) -> None:
    assert session().receive(packet, 0.0) is Signal.NOTHING


def test_close_is_the_end() -> None:
    machine = pinged()
    assert machine.receive(b"1", 26.0) is Signal.CLOSED
    assert (machine.closed, machine.awaiting_pong, machine.deadline) == (True, False, NEVER)
    assert machine.receive(b"4x", 27.0) is Signal.NOTHING
    assert not machine.start_probe(27.0)
    assert machine.probe_received(b"2probe", 27.0) is Signal.NOTHING


def test_an_upgrade() -> None:
    machine = session()
    assert machine.start_probe(1.0)
    assert (machine.probing, machine.deadline) == (True, 11.0)
    assert machine.probe_received(b"2probe", 2.0) is Signal.PROBED
    assert machine.receive(b"4x", 2.5) is Signal.MESSAGE
    assert machine.probe_received(b"5", 3.0) is Signal.UPGRADED
    assert (machine.probing, machine.deadline) == (False, 25.0)


@pytest.mark.parametrize("packets", [[b"2"], [b"4x"], [b""], [b"2probe", b"4x"]])
def test_a_probe_that_says_anything_else_has_failed(packets: list[bytes]) -> None:
    machine = session()
    machine.start_probe(1.0)
    assert [machine.probe_received(packet, 2.0) for packet in packets][-1] is Signal.PROBE_FAILED
    assert not machine.probing
    assert machine.probe_received(b"2probe", 3.0) is Signal.NOTHING
    assert machine.start_probe(4.0)


@pytest.mark.parametrize("packets", [[b"5"], [b"5x"], [b"2probe", b"2probe", b"5"]])
def test_a_probe_is_taken_as_leniently_as_the_reference_takes_it(packets: list[bytes]) -> None:
    machine = session()
    machine.start_probe(1.0)
    assert [machine.probe_received(packet, 2.0) for packet in packets][-1] is Signal.UPGRADED


def test_a_probe_and_a_pong_may_be_waited_for_longer() -> None:
    machine = session()
    machine.start_probe(1.0)
    assert not machine.probe_overdue(10.9)
    assert machine.probe_overdue(11.0)
    machine.prolong_probe(11.0)
    assert machine.tick(20.9) is Signal.NOTHING
    assert machine.tick(21.0) is Signal.PROBE_FAILED
    assert not machine.pong_overdue(24.9)
    assert machine.tick(25.0) is Signal.SEND_PING
    assert machine.pong_overdue(45.0)
    machine.restart_pong_timeout(45.0)
    assert not machine.pong_overdue(45.0)


def test_one_probe_at_a_time() -> None:
    machine = session()
    assert machine.start_probe(1.0)
    assert not machine.start_probe(2.0)
    assert machine.deadline == 11.0


def test_a_probe_has_ten_seconds() -> None:
    machine = session()
    machine.start_probe(1.0)
    machine.probe_received(b"2probe", 2.0)
    assert machine.tick(11.0) is Signal.PROBE_FAILED
    assert (machine.probing, machine.closed) == (False, False)
    assert machine.tick(25.0) is Signal.SEND_PING


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "probe", "tick", "start", "heard", "restart", "end", "close"]),
        st.one_of(st.sampled_from([b"1", b"2probe", b"3", b"4x", b"5", b"6"]), st.binary(max_size=6)),
        st.floats(0, 30),
    )
)


@given(STEPS)
def test_no_order_of_calls_breaks_the_machine(steps: list[tuple[str, bytes, float]]) -> None:
    machine, now = session(), 0.0
    for action, packet, later in steps:
        now += later
        try:
            if action == "receive":
                machine.receive(packet, now)
            elif action == "probe":
                machine.probe_received(packet, now)
            elif action == "start":
                machine.start_probe(now)
            elif action == "tick":
                for _ in range(3):  # a tick moves the deadline on: it is never due for ever
                    machine.tick(now)
                assert machine.deadline > now
            else:
                {"heard": machine.heard, "restart": machine.restart_pong_timeout}.get(action, lambda _: None)(now)
                if action == "end":
                    machine.end_probe()
                elif action == "close":
                    machine.close()
        except ProtocolError:
            machine.close()
        assert machine.closed == (machine.deadline == NEVER)
