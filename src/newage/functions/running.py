"""Other people's code is run here, and what it does stays here: its time, its exceptions, what it returns."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any, ClassVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.model import Caller
from newage.errors import CallFailed, NewAgeError, TimedOut
from newage.functions.door import Offered
from newage.functions.values import Who
from newage.ports import IWorkers
from newage.protocol.json_text import dumps
from newage.services.calls.calls import Function
from newage.telemetry.quota import LogQuota, left_out

UNKNOWN_FAULT = "An unknown error occurred."
LATE = "Function call timed out."
FAULTS = (Exception, SystemExit)  # what a plug-in raises must end neither the hub nor a handler of it


def start(run: Callable[..., Any], args: tuple[Any, ...]) -> Deferred[Any]:
    """Call it here; an awaitable that it returns is awaited. Never raises."""
    try:
        result = run(*args)
    except FAULTS:
        return fail()  # with the exception being handled
    if isinstance(result, Deferred):
        return result
    if isawaitable(result):
        return Deferred.fromCoroutine(result if iscoroutine(result) else _awaited(result))
    return succeed(result)


async def _awaited(result: Any) -> Any:
    return await result


def within(seconds: float, clock: IReactorTime, work: Deferred[Any]) -> Deferred[Any]:
    """What ``work`` fires with, or TimedOut; it is cancelled then, but what goes on nevertheless is not waited for."""
    answer: Deferred[Any] = Deferred(lambda _: work.cancel())

    def late() -> None:
        answer.errback(TimedOut(LATE))
        work.cancel()

    def done(result: Any) -> None:
        if timer.active():
            timer.cancel()
        if not answer.called:
            answer.callback(result)

    timer = clock.callLater(seconds, late)
    work.addBoth(done)
    return answer


@define(eq=False)
class Runner:
    """Runs the code of one function or plug-in.

    :param what: names it in the log: ``function roll of dice:roll``.
    :param workers: threads for what is no ``async def``; nobody else's.
    """

    LOGGED_PER_SECOND: ClassVar[int] = 2
    _log: ClassVar[Logger] = Logger()

    what: str
    _clock: IReactorTime
    workers: IWorkers
    _quota: LogQuota = field(init=False)

    @_quota.default
    def _make_quota(self) -> LogQuota:
        return LogQuota(self.LOGGED_PER_SECOND, self._clock.seconds)

    def run(self, run: Callable[..., Any], args: tuple[Any, ...], seconds: float, *, here: bool) -> Deferred[Any]:
        """
        :param here: in the hub's thread, whatever it is.
        :return: fires with what it returns; fails with what it raises, TimedOut, or Unavailable: its threads are busy.
        """
        in_thread = not here and not iscoroutinefunction(run)
        work = self.workers.run(_in_thread, run, args) if in_thread else start(run, args)
        return within(seconds, self._clock, work)

    def broke(self, doing: str = "", failure: Failure | None = None) -> None:
        """One of its faults, that being handled or another, within a quota."""
        if (unsaid := self._quota.take()) is not None:
            more = left_out(unsaid, "before")
            self._log.failure("{what} broke{doing}{more}", failure, what=self.what, doing=doing, more=more)

    def warn(self, words: str) -> None:
        if (unsaid := self._quota.take()) is not None:
            more = left_out(unsaid, "before")
            self._log.warn("{what} {words}{more}", what=self.what, words=words, more=more)

    def function(self, offered: Offered[..., Any] | Function, seconds: Callable[[], float], max_bytes: int) -> Function:
        """It as the registry takes it.

        :param seconds: how long a call may take. :param max_bytes: of its result as JSON.
        """
        if isinstance(offered, Offered):
            signature, run, here = offered.signature, offered.run, offered.quick

            async def call(caller: Caller, values: Any) -> Any:
                args = signature.place(Who.of(caller), values)
                return self._checked(await self._called(run, args, seconds(), here=here), max_bytes)

            return Function(signature.read, call, ordered=False)
        old = offered

        async def call_old(caller: Caller, values: Any) -> Any:
            return self._checked(await self._called(old.run, (caller, values), seconds(), here=True), max_bytes)

        return Function(self._parse_of(old), call_old, bootstrap=old.bootstrap)

    def _parse_of(self, old: Function) -> Callable[[Any], Any]:
        def parse(args: Any) -> Any:
            try:
                return old.parse(args)
            except NewAgeError:
                raise
            except FAULTS:
                self.broke()
                raise CallFailed(UNKNOWN_FAULT) from None

        return parse

    async def _called(self, run: Callable[..., Any], args: tuple[Any, ...], seconds: float, *, here: bool) -> Any:
        try:
            return await self.run(run, args, seconds, here=here)
        except TimedOut as error:
            if str(error) == LATE:
                self.warn(f"did not answer within {seconds:g} seconds")
            raise
        except NewAgeError:
            raise
        except CancelledError as error:
            raise CallFailed(UNKNOWN_FAULT) from error
        except FAULTS:
            self.broke()
            raise CallFailed(UNKNOWN_FAULT) from None

    def _checked(self, result: Any, max_bytes: int) -> Any:
        """:raises CallFailed: it cannot be sent."""
        try:
            size = len(dumps([[[[[[[[result]]]]]]]])) - 16  # as deep as it lies in an ack
        except Exception as error:  # TypeError; whatever the methods of a subclass raise
            self.warn(f"returned what is no JSON: {error}")
            raise CallFailed(UNKNOWN_FAULT) from None
        if size > max_bytes:
            self.warn(f"returned {size} bytes of JSON, and {max_bytes} are allowed (max_result_bytes)")
            raise CallFailed("The result is too large.")
        return result


def _in_thread(run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """:raises RuntimeError: it returned a Deferred or coroutine, which only the hub's thread can await."""
    try:
        result = run(*args)
    except SystemExit as error:
        raise RuntimeError("it raised SystemExit") from error
    if isinstance(result, Deferred) or isawaitable(result):
        if iscoroutine(result):
            result.close()
        raise RuntimeError("a def returned an awaitable; make it async def, or @function(quick=True)")
    return result
