"""One receiver, told one thing after the other: each until it is taken, or too old."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage import __version__
from newage.domain.webhooks import Due, Patience, Said, signature, signing_key
from newage.errors import NewAgeError
from newage.ports import IPoster, IWebhookStore
from newage.services.webhooks.settings import Webhook
from newage.services.world import World
from newage.telemetry.trouble import Trouble, trouble

STORE_SECONDS: Final = 5.0  # until a store that refused is asked again
DELIVERED, GIVEN_UP, LEFT_OUT = "delivered", "given_up", "left_out"
OUTCOMES: Final = (DELIVERED, GIVEN_UP, LEFT_OUT)


@define(eq=False, kw_only=True)
class Line:
    """
    :param running: seconds that the hub has run in all its runs.
    :param chance: uniform in [0, 1).
    :param body: writes what is told. :param stamp: seconds since the epoch, for the receiver.

    ``length``: how many wait, as far as it knows. ``outcomes``: what became of those that do not, ``failures``: of its
    tries since the start. ``gone``: it wants no more until the next start. ``trouble_now``: why the last try failed.
    """

    _log: ClassVar[Logger] = Logger()

    webhook: Webhook
    _world: World
    _store: IWebhookStore
    _poster: IPoster
    _running: Callable[[], float]
    _chance: Callable[[], float]
    _body: Callable[[Due, bool], bytes]
    length: int = field(default=0, init=False)
    outcomes: dict[str, int] = field(factory=lambda: dict.fromkeys(OUTCOMES, 0), init=False)
    failures: int = field(default=0, init=False)
    gone: bool = field(default=False, init=False)
    trouble_now: str = field(default="", init=False)
    _key: bytes = field(init=False, repr=False)
    _patience: Patience = field(init=False)
    _more: bool = field(default=False, init=False)  # came while it was looking
    _idle: Deferred[None] | None = field(default=None, init=False)
    _work: Deferred[None] | None = field(default=None, init=False)
    _trouble: Trouble = trouble()

    @_key.default
    def _make_key(self) -> bytes:
        return signing_key(self.webhook.secret.reveal())

    @_patience.default
    def _make_patience(self) -> Patience:
        limits = self.webhook.settings
        return Patience(limits.retry_first_seconds, limits.retry_most_seconds, limits.retry_after_most_seconds)

    @property
    def name(self) -> str:
        return self.webhook.name

    def start(self) -> None:
        """What waits since the last run goes first."""
        self._work = Deferred.fromCoroutine(self._run())
        self._work.addErrback(self._broke)

    def close(self) -> None:
        """What is being told now may be told once more after the next start."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()

    def queued(self) -> None:
        """One more waits."""
        self.length += 1
        self._more = True
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.callback(None)

    def left_out(self) -> None:
        """There was no place for one."""
        if not self.outcomes[LEFT_OUT]:
            most = self.webhook.settings.max_queue
            self._log.warn(
                "webhook {name}: {most} events wait for {origin}; further ones are left out",
                name=self.name,
                most=most,
                origin=self.webhook.origin,
            )
        self.outcomes[LEFT_OUT] += 1

    # ------------------------------------------------------------------------------------------------------- its work

    async def _run(self) -> None:
        while not self.gone:
            self._more = False
            try:
                pause = await self._next()
            except NewAgeError as error:
                self._trouble.say("the queue of webhook {name} could not be read or written", error, name=self.name)
                pause = STORE_SECONDS
            if pause is None and not self._more:
                self._idle = Deferred()
                await self._idle
            elif pause and not self.gone:
                await self._pause(pause)

    def _pause(self, seconds: float) -> Deferred[None]:
        d: Deferred[None] = Deferred(lambda _: timer.cancel())
        timer = self._world.clock.callLater(seconds, d.callback, None)
        return d

    async def _next(self) -> float | None:
        """:return: seconds until there is something to do again; None: when something comes."""
        await self._give_up()
        self.length, due = await self._store.queue_of(self.name)
        if due is None:
            return None
        if not self.webhook.wants(due.delivery.event, due.room):  # the configuration is not what it was
            await self._store.drop_delivery(due.delivery.id)
            return 0.0
        said = await self._tell(due)
        if said.taken:
            self._taken()
            await self._store.drop_delivery(due.delivery.id)
            return 0.0
        return self._failed(said)

    async def _give_up(self) -> None:
        limits = self.webhook.settings
        old = await self._store.drop_older(self.name, self._running() - limits.give_up_seconds)
        if old:
            self.outcomes[GIVEN_UP] += old
            self._log.error(
                "webhook {name}: {count} events were given up after {seconds} seconds: {origin} {why}",
                name=self.name,
                count=old,
                seconds=int(limits.give_up_seconds),
                origin=self.webhook.origin,
                why=self.trouble_now or "was not asked",
            )

    def _tell(self, due: Due) -> Deferred[Said]:
        settings, now = self.webhook.settings, int(self._world.wall())
        body = self._body(due, settings.with_texts)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"newage/{__version__}",
            "webhook-id": due.delivery.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._key, due.delivery.id, now, body),
        }
        return self._poster.post(settings.url, headers, body, settings.timeout_seconds)

    def _taken(self) -> None:
        self.outcomes[DELIVERED] += 1
        if self.trouble_now:
            self._log.info("webhook {name}: {origin} takes events again", name=self.name, origin=self.webhook.origin)
        self.trouble_now = ""
        self._patience.succeeded()

    def _failed(self, said: Said) -> float:
        """:return: seconds until the next try."""
        self.failures += 1
        first, self.trouble_now = not self.trouble_now, said.words
        about = {"name": self.name, "origin": self.webhook.origin, "why": said.words}
        if said.gone:
            self.gone = True
            self._log.warn("webhook {name}: {origin} {why}: it wants no more, until the next start", **about)
        elif first:
            self._log.warn("webhook {name}: {origin} {why}; tried again until it takes it", **about)
        return self._patience.failed(said.retry_after, self._chance())

    def _broke(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("webhook {name} tells no more until the next start", failure, name=self.name)
