"""Whose answer is it: what one extension was asked, and how it names what it answers (contract 5.5; A17, A31, A32).

No clock here: ``now`` is an argument, in seconds on a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import Enum
from typing import TypeVar

from attrs import define, field, frozen

from newage.domain.request import Request

V = TypeVar("V")
NEVER = float("-inf")
MAX_REMEMBERED_IDS = 1024  # of requests and of outputs that are over, per extension; the oldest go


@frozen(kw_only=True)
class Patience:
    """How long an extension is waited for, in seconds."""

    first_sign: float  # for anything at all, while it has not answered anything since it connected
    timeout: float  # for an answer; and so long an unanswered request may still be answered without a label
    silence: float  # among unanswered requests of one room, one silent for longer is passed over for a newer one


class Nobody(Enum):
    """Why an answer belongs to no request."""

    NOTHING_ASKED = "nothing of it is unanswered"
    SEVERAL_ROOMS = "requests of several rooms are unanswered and it names none of them"
    UNNAMED = "it names no request of this extension, which does name them"
    TWICE = "it was asked again when the extension came back, and is answered already"
    OVER = "its request is over, or its output is or never belonged to any"


@define(eq=False)
class _Asked:
    """One request that this extension was sent and has not answered."""

    at: float
    heard_at: float
    signs: bool = False  # anything at all was heard on it
    given_up: float | None = None  # when it ended for its requester, without an answer
    stopping: bool = False  # the extension shall stop, and may be at work on it still


@define(eq=False)
class Desk:
    """One extension's side of the requests it was sent.

    The reference extension works on one request and drops what comes meanwhile, and names none in its answers. So what
    is unanswered here decides both whose an answer without a label is, and what may be sent next.

    ``declared``: its handshake has ``features``, so it names requests. ``answered``: it began an answer since it
    connected.
    """

    declared: bool = False
    answered: bool = False
    _labelled: bool = field(default=False, init=False)
    _asked: dict[Request, _Asked] = field(factory=dict, init=False)  # oldest first
    _names: dict[str, Request] = field(factory=dict, init=False)  # requestIds as this extension knows them
    _used: dict[str, None] = field(factory=dict, init=False)  # every id it was given lately
    _lost: set[Request] = field(factory=set, init=False)  # asked before it went, and not since
    _repeated: dict[Request, bool] = field(factory=dict, init=False)  # asked again since: was one answer begun?
    _put_off: dict[Request, float] = field(factory=dict, init=False)  # it was too busy for these, and until when
    _over: dict[str, Request | None] = field(factory=dict, init=False)  # outputIds that are no more, and whose

    @property
    def labels(self) -> bool:
        """Does it name the request that it answers? Then what it does not name belongs to none."""
        return self.declared or self._labelled

    @property
    def idle(self) -> bool:
        """Nothing would be lost with this object."""
        return not self._asked and not self._names

    def declare(self) -> None:
        """Its handshake has ``features``."""
        self.declared = True

    def know_former(self, request_ids: Iterable[str], output_ids: Iterable[str] = ()) -> None:
        """Before the hub was restarted it may have been given these, and named outputs so."""
        for request_id in request_ids:
            _remember(self._used, request_id, None)
        for output_id in output_ids:
            self.output_over(output_id)

    def left(self) -> None:
        """It went: nothing that it was working on goes on, and what it can do is to be seen when it comes back."""
        self.declared = self.answered = self._labelled = False
        self._lost.update(request for request, asked in self._asked.items() if asked.given_up is None)
        self._asked.clear()
        self._put_off.clear()
        self._over.clear()

    # --------------------------------------------------------------------------------------------------------- asking

    def admits(self, request: Request, limit: int, now: float, patience: Patience) -> bool:
        """May this request be sent now?

        :param limit: requests at once; 0 = any number. With 1, a request that was given up still keeps those of other
            rooms from an extension without labels: it may be what the next answer belongs to. What was put off goes
            before the others of its room, with 1 before all others.
        """
        self._forget_unanswered(now, patience)
        running = sum(1 for asked in self._asked.values() if asked.given_up is None or asked.stopping)
        held = [r for r, until in self._put_off.items() if until > now and r.live]
        if (limit and running >= limit) or any(limit == 1 or r.room_id == request.room_id for r in held):
            return False
        return limit != 1 or self.labels or all(other.room_id == request.room_id for other in self._asked)

    def ask(self, request: Request, now: float, new_id: Callable[[], str]) -> str:
        """Count it as sent.

        :return: the requestId for the extension: the requester's own, or a new one if the extension has known that one.
        """
        known = self.name_of(request)
        name = known or (new_id() if request.request_id in self._used else request.request_id)
        self._names[name] = request
        if request in self._lost:
            self._lost.discard(request)
            self._repeated[request] = False
        _remember(self._used, name, None)
        self._put_off.pop(request, None)
        self._asked[request] = _Asked(now, now)
        return name

    def name_of(self, request: Request) -> str | None:
        """The requestId by which it knows this one, if it was asked it."""
        return next((name for name, named in self._names.items() if named is request), None)

    def runs(self, request: Request) -> bool:
        """Is it at work on this one, as far as is known?"""
        return request in self._asked

    def heard(self, request: Request, now: float) -> None:
        """A sign that it is at work on this one: still, if it was asked before it went or was too busy."""
        if request in self._lost or request in self._put_off:
            self._lost.discard(request)
            self._put_off.pop(request, None)
            self._asked[request] = _Asked(now, now)
        asked = self._asked.get(request)
        if asked is not None:
            asked.signs, asked.heard_at = True, now

    def resumed(self, request: Request, now: float) -> list[Request]:
        """An answer that seemed over goes on: an extension without labels is at work on this one still.

        :return: what it was sent since and gave no sign of: it dropped that, and must be asked again.
        """
        known = self._asked.get(request)
        if self.labels or (known is not None and (known.given_up is None or known.stopping)):
            return []
        dropped = [r for r, asked in self._asked.items() if asked.given_up is None and not asked.signs]
        for each in dropped:
            del self._asked[each]
        self._asked[request] = _Asked(now, now, signs=True)
        return dropped

    def lose(self, request: Request) -> None:
        """The page that was asked it is gone; another one of this extension is there."""
        if self._asked.pop(request, None) is not None:
            self._lost.add(request)

    def done(self, request: Request) -> None:
        """It answered this request, or said that it failed."""
        self._asked.pop(request, None)
        self._lost.discard(request)
        self._put_off.pop(request, None)

    def put_off(self, request: Request, until: float) -> bool:
        """It is too busy to begin: not before that time is it asked again.

        :return: False where it was not asked, or shall work on it no more.
        """
        asked = self._asked.get(request)
        if asked is None and request not in self._lost:
            return False
        if asked is not None and (asked.stopping or asked.given_up is not None):
            return False
        self.done(request)
        self._put_off[request] = until
        return True

    def is_put_off(self, request: Request) -> bool:
        """Was it too busy for this one, and has not been asked again?"""
        return request in self._put_off

    def given_up(self, request: Request, now: float) -> None:
        """The request ended without that: an answer may still come."""
        asked = self._asked.get(request)
        if asked is not None and asked.given_up is None:
            asked.given_up = now

    def stop(self, request: Request) -> bool:
        """It shall work on it no more: its place is taken until ``stopped``.

        :return: False where it does not, as far as is known.
        """
        asked = self._asked.get(request)
        if asked is None:
            return False
        asked.stopping = True
        return True

    def stopped(self, request: Request, *, known: bool) -> None:
        """It has: the place is free.

        :param known: what may still come of it says so itself; else the next answer without a label may be that.
        """
        asked = self._asked.get(request)
        if asked is not None and asked.stopping:
            asked.stopping = False
            if known or self.labels:
                self.done(request)

    def heard_at(self, request: Request) -> float:
        """When there was a sign that it is at work on this one; never where it is not."""
        asked = self._asked.get(request)
        return asked.heard_at if asked is not None else NEVER

    def silent(self, now: float, patience: Patience) -> list[Request]:
        """What it was sent and gave no sign of, though it has never answered: it may not answer by itself at all."""
        if self.answered:
            return []
        return [
            request
            for request, asked in self._asked.items()
            if asked.given_up is None and not asked.signs and now - asked.at >= patience.first_sign
        ]

    def awaits(self, request: Request, now: float, patience: Patience) -> bool:
        """Is this request still unanswered here?"""
        self._forget_unanswered(now, patience)
        return request in self._asked

    def running_in(self, room_id: str) -> list[Request]:
        """The requests of a room that it is working on."""
        return [r for r, asked in self._asked.items() if r.room_id == room_id and asked.given_up is None]

    def forget(self, request: Request) -> None:
        """Its tail is over; nothing belongs to it any more."""
        self._names = {name: named for name, named in self._names.items() if named is not request}
        self._lost.discard(request)
        self._put_off.pop(request, None)
        self._repeated.pop(request, None)

    def output_over(self, output_id: str, request: Request | None = None) -> None:
        """The tail of an output is over: what still comes of it belongs to no request, least of all to a newer one.

        :param request: its own; None if it never had one.
        """
        _remember(self._over, output_id, request)

    # ------------------------------------------------------------------------------------------------------- answering

    def named(self, request_id: str | None) -> Request | None:
        """The request that this extension knows by that id, live or in its tail."""
        return self._names.get(request_id) if request_id is not None else None

    def label(self, request_id: str | None) -> Request | Nobody | None:
        """What that id says: a request, one that is long over, or nothing because it is none of those given here."""
        if request_id is None or request_id not in self._used:
            return None
        return self._names.get(request_id, Nobody.OVER)

    def whose(
        self,
        request_id: str | None,
        output_id: str | None,
        bound: Request | None,
        now: float,
        patience: Patience,
        over: Collection[Request] = (),
    ) -> Request | Nobody:
        """The request that a packet of an answer belongs to. What was asked a second time is answered once (A22).

        :param bound: the request of that output, if it is open or in its tail.
        :param over: requests whose answers end by this packet.
        """
        label = self.label(request_id)
        if label is not None:
            self._labelled = self.answered = True
            if output_id is not None and label is self._over.get(output_id):
                return Nobody.OVER
            return self._once(label, bound) if self._repeated else label
        if bound is not None:
            return bound
        if self.labels:
            return Nobody.UNNAMED
        if output_id in self._over:
            return Nobody.OVER
        self._forget_unanswered(now, patience)
        unanswered = [request for request in self._asked if request not in over]
        rooms = {request.room_id for request in unanswered}
        if len(rooms) != 1:
            if output_id is not None:  # nor does the rest of it belong to what is asked later
                self.output_over(output_id)
            return Nobody.SEVERAL_ROOMS if rooms else Nobody.NOTHING_ASKED
        self.answered = True
        since = now - patience.silence
        found = next((request for request in unanswered if self._asked[request].heard_at > since), unanswered[-1])
        return self._once(found, bound)

    def _once(self, found: Request | Nobody, bound: Request | None) -> Request | Nobody:
        """Of what was asked a second time one output counts."""
        if isinstance(found, Request) and found is not bound and found in self._repeated:
            if self._repeated[found]:
                return Nobody.TWICE
            self._repeated[found] = True
        return found

    def _forget_unanswered(self, now: float, patience: Patience) -> None:
        """What was given up so long ago will not be answered any more."""
        until = now - patience.timeout
        for request in [r for r, a in self._asked.items() if a.given_up is not None and a.given_up <= until]:
            del self._asked[request]


def _remember(ids: dict[str, V], new: str, of: V) -> None:
    ids[new] = of
    if len(ids) > MAX_REMEMBERED_IDS:
        del ids[next(iter(ids))]
