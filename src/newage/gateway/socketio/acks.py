"""The acks that the server awaits from one socket."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from newage.errors import NewAgeError, PeerGone, TimedOut, Unavailable
from newage.gateway.engineio.timers import Timer, Timers


class AwaitedAcks:
    """Open acks by their number, each with its time limit.

    :param limit: how many may be open at a time.
    """

    __slots__ = ("_limit", "_next", "_open", "_timers")

    def __init__(self, timers: Timers, limit: int) -> None:
        self._timers = timers
        self._limit = limit
        self._next = 0
        self._open: dict[int, tuple[Deferred[list[Any]], Timer]] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def expect(self, timeout: float) -> tuple[bytes, Deferred[list[Any]]]:
        """One more.

        :return: its number as it goes over the wire, and what fires with the ack's arguments, or fails with TimedOut
            or PeerGone. Cancelling it forgets the ack.
        :raises Unavailable: too many are open.
        """
        if len(self._open) >= self._limit:
            raise Unavailable("Too many answers of this client are awaited.")
        number = self._next
        self._next += 1
        timer = self._timers.at(self._timers.now() + timeout, partial(self._late, number))
        answer: Deferred[list[Any]] = Deferred(lambda _: self._forget(number))
        self._open[number] = (answer, timer)
        return b"%d" % number, answer

    def arrived(self, number: int, args: list[Any]) -> None:
        """The peer acked; what nobody awaits is ignored."""
        awaited = self._open.pop(number, None)
        if awaited is not None:
            answer, timer = awaited
            self._timers.cancel(timer)
            answer.callback(args)

    def close(self) -> None:
        """The socket is gone: all that are open fail with PeerGone."""
        for number in tuple(self._open):
            self._fail(number, PeerGone("The client disconnected."))

    def _late(self, number: int, now: float) -> None:
        self._fail(number, TimedOut("The client did not answer in time."))

    def _fail(self, number: int, error: NewAgeError) -> None:
        awaited = self._open.pop(number, None)
        if awaited is not None:
            answer, timer = awaited
            self._timers.cancel(timer)
            answer.errback(error)

    def _forget(self, number: int) -> None:
        awaited = self._open.pop(number, None)
        if awaited is not None:
            self._timers.cancel(awaited[1])
