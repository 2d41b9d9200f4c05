"""How often somebody may do what others hear of (contract 4.6, A39).

One identity has its rate, and all identities of one client together a few times that: taking more of them is no way
around it. A reconnect does not help: who has been quiet for long is forgotten, and nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import ClassVar

from attrs import frozen
from twisted.logger import Logger

from newage.domain.allowance import WINDOW, Allowance
from newage.domain.model import Caller
from newage.errors import Unavailable
from newage.services.world import World
from newage.settings import Live, limit
from newage.telemetry.quota import AddressQuotas, left_out

TOO_MANY = "Too many events."
LOGGED_PER_SECOND = 1  # refusals of one client


class Pace(Enum):
    """What has a rate of its own."""

    EVENT = "event"
    EDIT = "edit"
    TYPING = "typing"
    RESUME = "resume"
    MIRROR = "mirror"


@frozen(kw_only=True)
class RateSettings:
    """How often an identity may do what others hear of; requests have limits of their own."""

    event_rate: int = limit(20, "events of one identity in a second that others hear of")
    event_burst: int = limit(60, "of these, at once after a rest")
    edit_rate: int = limit(5, "EDIT_MESSAGE of one identity in a second; in all as many at once")
    typing_rate: int = limit(2, "changes of one identity in a second between typing and not; more are shown together")
    resume_rate: int = limit(5, "RESUME_OUTPUTS of one identity in a second; in all as many at once")
    mirror_rate: int = limit(20, "CHAT_EVENT of one identity in a second; in all as many at once; more are dropped")
    told_bytes_rate: int = limit(
        262_144,
        "bytes of edits of one identity in 10 seconds, of messages shown for them, and of CHAT_EVENT: more is refused, "
        "shown later, or dropped",
    )
    client_times: int = limit(4, "all identities of one client together may do so many times what one may")

    def of(self, pace: Pace) -> tuple[int, int]:
        """A second; at once."""
        if pace is Pace.EDIT:
            return self.edit_rate, self.edit_rate
        if pace is Pace.TYPING:
            return self.typing_rate, self.typing_rate
        if pace is Pace.RESUME:
            return self.resume_rate, self.resume_rate
        if pace is Pace.MIRROR:
            return self.mirror_rate, self.mirror_rate
        return self.event_rate, self.event_burst


class EventRates:
    """Bounded by who did something in the last seconds."""

    _log: ClassVar[Logger] = Logger()

    def __init__(self, world: World, settings: Live[RateSettings]) -> None:
        self._clock = world.clock
        self._settings = settings
        self._known: dict[tuple[str, str, Pace], Allowance] = {}  # ("identity" | "client", its id, what)
        self._looked = 0.0  # when those who are quiet were last forgotten
        self._quotas = AddressQuotas(LOGGED_PER_SECOND, world.clock.seconds)

    def __len__(self) -> int:
        return len(self._known)

    def shares(self, identity: str, client_id: str) -> tuple[tuple[tuple[str, str], int], ...]:
        """Whose accounts something is put on, and how many times the limit of one identity each may take."""
        return (("identity", identity), 1), (("client", client_id), self._settings.value.client_times)

    def spend(self, actor: Caller, pace: Pace, event: str) -> None:
        """It does something that others hear of.

        :param event: for the log.
        :raises Unavailable: it has done so much lately that it may not; nothing is counted then.
        """
        if self.wait(actor.identity, actor.client_id, pace) > 0:
            self._refuse(actor, event, f"{pace.value}_rate")

    def wait(self, identity: str, client_id: str, pace: Pace) -> float:
        """Seconds until it may do one more of that; 0: it does it now."""
        now = self._clock.seconds()
        self._forget_the_quiet(now)
        rate, burst = self._settings.value.of(pace)
        allowances = list(self._allowances(identity, client_id, pace))
        seconds = max(each.wait(now, rate * times, burst * times) for each, times in allowances)
        if seconds == 0:
            for each, _ in allowances:
                each.take()
        return seconds

    def tell(self, actor: Caller, size: int, event: str, pace: Pace = Pace.EVENT) -> None:
        """It says so many bytes that others shall hear.

        :param pace: what they are counted with. :raises Unavailable: as ``spend``.
        """
        if not self._may_tell(actor, size, pace):
            self._refuse(actor, event, "told_bytes_rate")

    def may_show(self, actor: Caller, size: int) -> bool:
        """May so many bytes be shown now that it has changed? They may be more than it said."""
        return self._may_tell(actor, size, Pace.EDIT)

    # ------------------------------------------------------------------------------------------------------ internals

    def _may_tell(self, actor: Caller, size: int, pace: Pace) -> bool:
        """It does then."""
        now, most = self._clock.seconds(), self._settings.value.told_bytes_rate
        allowances = list(self._allowances(actor.identity, actor.client_id, pace))
        if not all(each.holds(now, size, most * times) for each, times in allowances):
            return False
        for each, _ in allowances:
            each.tell(now, size)
        return True

    def _allowances(self, identity: str, client_id: str, pace: Pace) -> Iterator[tuple[Allowance, int]]:
        for account, times in self.shares(identity, client_id):
            key = (*account, pace)
            allowance = self._known.get(key)
            if allowance is None:
                allowance = self._known[key] = Allowance()
            yield allowance, times

    def _forget_the_quiet(self, now: float) -> None:
        if now - self._looked >= WINDOW:
            self._looked = now
            settings = self._settings.value
            self._known = {
                key: each for key, each in self._known.items() if not each.is_rested(now, *settings.of(key[2]))
            }

    def _refuse(self, actor: Caller, event: str, setting: str) -> None:
        if (unsaid := self._quotas.take(actor.client_id)) is not None:
            self._log.warn(
                "{client_id} as {identity} does too much at once: {event} was refused ({setting}){unsaid}",
                client_id=repr(actor.client_id)[:140],
                identity=repr(actor.identity)[:140],
                event=event,
                setting=setting,
                unsaid=left_out(unsaid),
            )
        raise Unavailable(TOO_MANY)
