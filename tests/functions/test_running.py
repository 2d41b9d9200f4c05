"""Other people's code stays where it is run: what it raises, how long it takes, what it returns."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from deferreds import SteppedWorkers, outcome, value
from hubkit import HOME
from logkit import Logged
from newage.daemon.workers import InlineWorkers
from newage.domain.model import Caller, Session
from newage.errors import BadArguments, CallFailed, NewAgeError, NotAuthorised, TimedOut, Unavailable
from newage.functions.door import function
from newage.functions.running import Runner, within
from newage.functions.values import Who
from newage.services.calls.calls import Function

ADMIN = Caller(
    sid="1",
    namespace="/function_call",
    session=Session(client_id="boss", identity="boss-1", client_type="monitor"),
    peer=HOME,
    sensitive=True,
)
SECONDS = 30.0
MAX_BYTES = 100


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers() -> SteppedWorkers:
    return SteppedWorkers()


@pytest.fixture
def runner(clock: Clock, workers: SteppedWorkers) -> Runner:
    return Runner("function f of m:f", clock, workers)


def called(runner: Runner, offered: Any, *args: Any) -> list[Any]:
    """What a call comes to."""
    ready = runner.function(offered, lambda: SECONDS, MAX_BYTES)
    return outcome(ready.run(ADMIN, ready.parse(args)))


def failed(found: list[Any]) -> NewAgeError:
    assert isinstance(found[0], Failure)
    assert isinstance(found[0].value, NewAgeError)
    return found[0].value


class TestOffered:
    def test_a_def_runs_in_its_own_thread(self, runner: Runner, workers: SteppedWorkers, clock: Clock) -> None:
        @function
        def f(who: Who, x: int) -> list[object]:
            return [who.identity, who.kind, who.may_administer, x]

        done = called(runner, f, 5)
        assert done == []
        workers.step()
        assert done == [["boss-1", "admin", True, 5]]
        assert clock.getDelayedCalls() == []

    def test_an_async_def_in_the_hubs(self, runner: Runner) -> None:
        turn: Deferred[int] = Deferred()

        @function
        async def f(x: int) -> int:
            return x + await turn

        done = called(runner, f, 5)
        assert done == []
        turn.callback(2)
        assert done == [7]

    def test_so_does_a_quick_one_that_may_return_a_deferred(self, runner: Runner) -> None:
        assert called(runner, function(quick=True)(lambda x: x), 5) == [5]
        assert called(runner, function(quick=True)(lambda x: succeed(x)), 5) == [5]

    def test_any_awaitable_is_awaited(self, runner: Runner) -> None:
        class Five:
            def __await__(self) -> Generator[Any, None, int]:
                yield from succeed(None).__await__()
                return 5

        assert called(runner, function(quick=True)(Five)) == [5]

    def test_a_time_out_of_its_own_is_its_own_words(self, runner: Runner, logged: Logged) -> None:
        @function
        async def f() -> None:
            raise TimedOut("The dice roll still.")

        assert str(failed(called(runner, f))) == "The dice roll still."
        assert logged() == []

    def test_nothing_of_it_holds_up_its_caller(self, runner: Runner) -> None:
        @function
        def f() -> None: ...

        assert not runner.function(f, lambda: SECONDS, MAX_BYTES).ordered

    @pytest.mark.parametrize("error", [BadArguments("No."), CallFailed("Broken."), NotAuthorised("Not you.")])
    def test_what_it_says_on_purpose_is_the_callers_to_hear(self, runner: Runner, error: NewAgeError) -> None:
        @function
        async def f() -> None:
            raise error

        assert failed(called(runner, f)) is error

    @pytest.mark.parametrize("error", [ZeroDivisionError("secret"), SystemExit(1), CancelledError(), StopIteration()])
    def test_of_anything_else_only_that_it_was(self, runner: Runner, logged: Logged, error: BaseException) -> None:
        @function
        async def f() -> None:
            raise error

        @function(quick=True)
        def g() -> None:
            raise error

        for each in (f, g):
            found = failed(called(runner, each))
            assert isinstance(found, CallFailed)
            assert str(found) == "An unknown error occurred."
        assert all(line.startswith("function f of m:f broke") for line in logged())

    def test_in_a_thread_too(self, runner: Runner, workers: SteppedWorkers, logged: Logged) -> None:
        @function
        def f() -> None:
            raise SystemExit(1)

        done = called(runner, f)
        workers.step()
        assert isinstance(failed(done), CallFailed)
        assert logged() == ["function f of m:f broke"]

    def test_faults_are_logged_within_a_quota(self, runner: Runner, logged: Logged, clock: Clock) -> None:
        @function
        async def f() -> None:
            raise ZeroDivisionError

        for _ in range(10):
            called(runner, f)
        assert len(logged()) == Runner.LOGGED_PER_SECOND
        clock.advance(1)
        called(runner, f)
        assert logged()[-1] == "function f of m:f broke (8 before were not logged)"

    def test_a_slow_one_is_cancelled(self, runner: Runner, logged: Logged, clock: Clock) -> None:
        ended: list[str] = []

        @function
        async def f() -> None:
            try:
                await Deferred()
            except CancelledError:
                ended.append("cancelled")
                raise

        done = called(runner, f)
        clock.advance(SECONDS)
        assert (failed(done).error_code, str(failed(done))) == (TimedOut.error_code, "Function call timed out.")
        assert ended == ["cancelled"]
        assert logged() == ["function f of m:f did not answer within 30 seconds"]

    def test_and_not_waited_for_if_it_goes_on(self, runner: Runner, clock: Clock) -> None:
        later: Deferred[None] = Deferred()

        @function
        async def f() -> int:
            try:
                await Deferred()
            except CancelledError:
                await later
            return 5

        done = called(runner, f)
        clock.advance(SECONDS)
        assert isinstance(failed(done), TimedOut)
        later.callback(None)

    def test_a_slow_thread_is_left_alone(self, runner: Runner, workers: SteppedWorkers, clock: Clock) -> None:
        done = called(runner, function(lambda: 5))
        clock.advance(SECONDS)
        assert isinstance(failed(done), TimedOut)
        workers.step()
        assert len(done) == 1

    def test_busy_threads_refuse(self, runner: Runner, workers: SteppedWorkers) -> None:
        workers.close()
        assert isinstance(failed(called(runner, function(lambda: 5))), Unavailable)

    def test_a_thread_cannot_return_what_is_to_be_awaited(self, clock: Clock, logged: Logged) -> None:
        async def inner() -> None:
            pass

        runner = Runner("function f of m:f", clock, InlineWorkers())
        for f in (function(lambda: inner()), function(lambda: succeed(1))):
            assert isinstance(failed(called(runner, f)), CallFailed)
        assert len(logged()) == 2

    @pytest.mark.parametrize("result", [{1, 2}, {1: 2}, object(), b"", lambda: None])
    def test_what_is_no_json(self, runner: Runner, logged: Logged, result: object) -> None:
        found = failed(called(runner, function(quick=True)(lambda: result)))
        assert str(found) == "An unknown error occurred."
        assert logged()[0].startswith("function f of m:f returned what is no JSON")

    def test_a_circle(self, runner: Runner) -> None:
        circle: list[object] = []
        circle.append(circle)
        assert isinstance(failed(called(runner, function(quick=True)(lambda: circle))), CallFailed)

    def test_too_much(self, runner: Runner, logged: Logged) -> None:
        assert called(runner, function(quick=True)(lambda: "x" * (MAX_BYTES - 2))) == ["x" * (MAX_BYTES - 2)]
        found = failed(called(runner, function(quick=True)(lambda: "x" * (MAX_BYTES - 1))))
        assert str(found) == "The result is too large."
        assert "max_result_bytes" in logged()[0]


class TestOldDoor:
    def test_it_works_as_before(self, runner: Runner) -> None:
        old = Function(lambda args: list(args), lambda caller, args: [caller.client_id, *args], bootstrap=True)
        assert called(runner, old, 1, 2) == [["boss", 1, 2]]
        ready = runner.function(old, lambda: SECONDS, MAX_BYTES)
        assert ready.ordered
        assert ready.bootstrap

    def test_awaitables_are_awaited(self, runner: Runner) -> None:
        turn: Deferred[int] = Deferred()
        done = called(runner, Function(list, lambda caller, args: turn))
        turn.callback(5)
        assert done == [5]

    def test_arguments_are_refused_by_it(self, runner: Runner) -> None:
        def parse(args: Any) -> None:
            raise BadArguments("Two numbers.")

        with pytest.raises(BadArguments, match="Two numbers"):
            called(runner, Function(parse, lambda caller, args: 0))

    def test_a_parser_that_breaks(self, runner: Runner, logged: Logged) -> None:
        with pytest.raises(CallFailed, match="unknown error"):
            called(runner, Function(lambda args: 1 / 0, lambda caller, args: 0))
        assert logged() == ["function f of m:f broke"]

    def test_what_is_no_json(self, runner: Runner) -> None:
        assert isinstance(failed(called(runner, Function(list, lambda caller, args: {1}))), CallFailed)


class TestWithin:
    def test_whoever_waits_may_stop_waiting(self, clock: Clock) -> None:
        work: Deferred[int] = Deferred()
        waiting = within(5, clock, work)
        found = outcome(waiting)
        waiting.cancel()
        assert found[0].check(CancelledError)
        assert clock.getDelayedCalls() == []

    def test_a_failure_is_passed_on(self, clock: Clock) -> None:
        with pytest.raises(ZeroDivisionError):
            value(within(5, clock, fail(ZeroDivisionError())))
        assert clock.getDelayedCalls() == []
