"""The registry and forwarding (contract 7.1-7.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from authkit import Gatehouse
from deferreds import outcome, value
from newage.domain.calls import FunctionCall
from newage.domain.model import Caller
from newage.errors import BadArguments, ClientMissing, FunctionMissing, NotAuthorised, TimedOut, Unavailable
from newage.services.calls.calls import (
    CallSettings,
    Function,
    last_object,
    one_argument,
    two_arguments,
    two_numbers,
)

EXTENSION = "SillyTavern-8000"
PLACE = "/function_call"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path, calls=CallSettings(max_calls_per_session=3))
    house.calls.register("echo", Function(one_argument, lambda caller, x: [caller.client_id, x]))
    house.calls.register("open", Function(one_argument, lambda caller, x: x, bootstrap=True))
    return house


def forwarded(house: Gatehouse, caller: Caller, target: str, **call: Any) -> list[Any]:
    return outcome(house.calls.forward(caller, FunctionCall(name="f", target=target, **call)))


class TestRegistry:
    def test_runs_what_is_registered(self, house: Gatehouse) -> None:
        call = FunctionCall(name="echo", args=[{"a": 1}, "ignored"])
        assert value(house.calls.run(house.caller("web1", PLACE), call)) == ["web1", {"a": 1}]

    @pytest.mark.parametrize("name", ["nope", "__defineGetter__", "toString", "run", "__class__", "Echo", ""])
    def test_and_nothing_else(self, house: Gatehouse, name: str) -> None:
        with pytest.raises(FunctionMissing, match=f'^Function "{name}" not found\\.$'):
            value(house.calls.run(house.caller("web1", PLACE), FunctionCall(name=name)))

    def test_checks_arguments(self, house: Gatehouse) -> None:
        with pytest.raises(BadArguments):
            value(house.calls.run(house.caller("web1", PLACE), FunctionCall(name="echo")))

    def test_without_a_key_only_what_is_open(self, house: Gatehouse) -> None:
        caller = house.caller("web1", PLACE, bootstrap=True)
        assert value(house.calls.run(caller, FunctionCall(name="open", args=[1]))) == 1
        for name in ("echo", "nope"):
            with pytest.raises(NotAuthorised, match=r"^Unauthorized$"):
                value(house.calls.run(caller, FunctionCall(name=name, args=[1])))
        with pytest.raises(NotAuthorised):
            value(house.calls.forward(caller, FunctionCall(name="f", target="web2")))

    def test_what_holds_up_nothing_is_counted(self, house: Gatehouse) -> None:
        waiting: list[Deferred[int]] = []

        def slow(caller: Caller, x: int) -> Deferred[int]:
            waiting.append(Deferred())
            return waiting[-1]

        house.calls.register("slow", Function(one_argument, slow, ordered=False))
        assert (house.calls.holds_up("slow"), house.calls.holds_up("echo"), house.calls.holds_up(["x"])) == (
            False,
            True,
            True,
        )
        caller, call = house.caller("web1", PLACE), FunctionCall(name="slow", args=[1])
        first = [outcome(house.calls.run(caller, call)) for _ in range(3)]
        assert outcome(house.calls.run(caller, call))[0].check(Unavailable)
        assert outcome(house.calls.run(house.caller("web2", PLACE), call)) == []
        waiting[0].callback(5)
        assert first[0] == [5]
        assert outcome(house.calls.run(caller, call)) == []

    def test_names_are_given_once(self, house: Gatehouse) -> None:
        with pytest.raises(ValueError, match="echo"):
            house.calls.register("echo", Function(one_argument, lambda caller, x: x))


class TestForwarding:
    def test_asks_the_newest_socket_and_returns_its_answer(self, house: Gatehouse) -> None:
        monitor = house.caller("monitor", PLACE, client_type="monitor", identity="monitor-2")
        house.caller(EXTENSION, PLACE, client_type="SillyTavern", identity=f"{EXTENSION}-tab")
        newest = house.caller(EXTENSION, PLACE, client_type="SillyTavern", identity=f"{EXTENSION}-tab")
        house.caller(EXTENSION, "/llm", client_type="SillyTavern", identity=f"{EXTENSION}-tab")
        done = forwarded(house, monitor, f"{EXTENSION}-tab", args=[1, "b"], request_id="r1")
        (call,) = house.outbox.calls
        assert (call.sid, call.event) == (newest.sid, "FUNCTION_CALL")
        assert call.args == (
            {
                "requestId": "r1",
                "functionName": "f",
                "args": [1, "b"],
                "target": EXTENSION,
                "sourceClientId": "monitor",
                "sourceIdentity": "monitor-2",
            },
        )
        assert not done
        house.outbox.acknowledge({"success": True, "result": 7}, "ignored")
        assert done == [{"success": True, "result": 7}]

    def test_an_ack_without_arguments(self, house: Gatehouse) -> None:
        house.caller("web1", PLACE)
        done = forwarded(house, house.caller("monitor", PLACE, client_type="monitor"), "web1")
        assert "requestId" not in house.outbox.calls[0].args[0]
        house.outbox.acknowledge()
        assert done == [None]

    @pytest.mark.parametrize("target", ["nobody", "only-llm", "SERVER"])
    def test_nobody_there(self, house: Gatehouse, target: str) -> None:
        house.caller("only-llm", "/llm")
        with pytest.raises(ClientMissing, match=f'^Target "{target}" not found\\.$'):
            value(
                house.calls.forward(
                    house.caller("monitor", PLACE, client_type="monitor"), FunctionCall(name="f", target=target)
                )
            )

    def test_no_answer(self, house: Gatehouse) -> None:
        house.caller("web1", PLACE)
        done = forwarded(house, house.caller("monitor", PLACE, client_type="monitor"), "web1")
        house.clock.advance(30)
        assert done[0].check(TimedOut)
        assert done[0].getErrorMessage() == "Function call timed out."

    def test_the_callee_goes(self, house: Gatehouse) -> None:
        callee = house.caller("web1", PLACE)
        done = forwarded(house, house.caller("monitor", PLACE, client_type="monitor"), "web1")
        house.outbox.close(callee.sid)
        assert done[0].check(ClientMissing)
        assert done[0].getErrorMessage() == 'Target "web1" not found.'

    @pytest.mark.parametrize(
        ("source", "target", "allowed"),
        [
            ("monitor", "web2", True),
            ("monitor", EXTENSION, True),
            (EXTENSION, "web2", True),
            (EXTENSION, "SillyTavern-9000", False),
            (EXTENSION, "monitor", False),
            ("web1", EXTENSION, True),
            ("web1", "SillyTavern-9000", False),
            ("web1", "web2", False),
            ("web1", "monitor", False),
        ],
    )
    def test_who_may_call_whom(self, house: Gatehouse, source: str, target: str, allowed: bool) -> None:
        house.extensions = {"web1": (EXTENSION,)}
        types = {"monitor": "monitor", EXTENSION: "SillyTavern", "SillyTavern-9000": "extension"}
        people = {
            name: house.caller(name, PLACE, client_type=types.get(name, "web-app"))
            for name in ("web1", "web2", "monitor", EXTENSION, "SillyTavern-9000")
        }
        done = forwarded(house, people[source], target)
        assert len(house.outbox.calls) == int(allowed)
        assert allowed or done[0].check(NotAuthorised)
        if allowed:
            house.outbox.acknowledge({})

    def test_only_so_many_at_once_and_each_frees_its_place(self, house: Gatehouse) -> None:
        house.caller("web1", PLACE)
        monitor = house.caller("monitor", PLACE, client_type="monitor")
        other = house.caller("boss", PLACE, client_type="monitor")
        first = [forwarded(house, monitor, "web1") for _ in range(3)]
        assert forwarded(house, monitor, "web1")[0].check(Unavailable)
        assert forwarded(house, other, "web1") == []
        house.outbox.acknowledge({"n": 1})
        assert first[0] == [{"n": 1}]
        assert forwarded(house, monitor, "web1") == []
        house.clock.advance(30)
        assert house.calls._open == {}


def test_argument_parsers() -> None:
    assert one_argument([1, 2]) == 1
    assert two_arguments([1, 2, 3]) == (1, 2)
    assert last_object([None, {"a": 1}]) == {"a": 1}
    assert last_object([{"a": 1}]) == {"a": 1}
    assert last_object(["x"]) is None
    assert two_numbers([1, 2.5]) == (1, 2.5)
    for bad in ([], [1], [1, "2"], [True, 1], [1, 2**60], [None, 1]):
        with pytest.raises(BadArguments):
            two_numbers(bad)
    with pytest.raises(BadArguments):
        one_argument([])
