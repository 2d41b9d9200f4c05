"""Pairing an extension on another machine: a code, a question to the operator, a key (contract B13).

``newage pair`` and CREATE_PAIRING (``pair_admin``) make the code and answer for it; ``AuthService`` lets in who shows
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from newage.domain.model import Caller, Rank, Scope
from newage.domain.networks import network_of
from newage.domain.pairing import CODE_DIGITS, Applicant, Pairing, PairingLimits, Standing
from newage.errors import AuthenticationFailed, NewAgeError, NotAuthorised
from newage.services.accounts.keys import Grant, KeyService
from newage.services.accounts.limits import AuthSettings
from newage.services.accounts.trust import TrustService
from newage.services.world import World
from newage.telemetry.audit import FAILED, OK, emit

INVALID = "Invalid pairing code"
NAMESPACE = "/sillytavern"


@frozen
class Maker:
    """Who made a code and answers for it: a clientId or a command, when what he came in by ends, and what the audit log
    says of him."""

    name: str
    until: float = inf
    facts: Mapping[str, Any] = field(factory=dict)


@define(eq=False)
class _Waiting:
    applicant: Applicant
    still_there: Callable[[], bool]
    key: Deferred[str]


@define(eq=False)
class PairingService:
    """One code at a time, in memory alone.

    :param random: so many random bytes, which nobody can foretell.
    """

    _keys: KeyService
    _trust: TrustService
    _world: World
    _settings: AuthSettings
    _random: Callable[[int], bytes]
    _pairing: Pairing = field(init=False)
    _maker: Maker = field(factory=lambda: Maker(""), init=False)
    _waiting: _Waiting | None = field(default=None, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)

    @_pairing.default
    def _machine(self) -> Pairing:
        settings = self._settings
        limits = PairingLimits(
            seconds=settings.pairing_seconds,
            wrong_tries=settings.pairing_wrong_tries,
            tries_per_minute=settings.pairing_tries_per_minute,
            networks=settings.attempt_entries,
        )
        return Pairing(limits)

    @property
    def seconds(self) -> float:
        """For how long a code is good."""
        return self._settings.pairing_seconds

    # ----------------------------------------------------------------------------------------------- who answers for it

    @property
    def maker(self) -> str:
        """Who made the newest code, by his name; "" as long as there was none."""
        return self._maker.name

    def is_open(self) -> bool:
        return self._pairing.is_open(self._now())

    def create(self, maker: Maker) -> str:
        """A new code; the one before is over."""
        code = f"{int.from_bytes(self._random(8)) % 10**CODE_DIGITS:0{CODE_DIGITS}}"
        self._over()
        self._maker = maker
        self._pairing.open(code, self._now())
        self._timer = self._world.clock.callLater(self.seconds, self._over)
        return code

    def standing(self, code: str) -> Standing:
        """What became of this code, for who made it."""
        if not self._pairing.fits(code, self._now()):
            return Standing("over")
        if self._waiting is not None and not self._waiting.still_there():
            self._refuse_waiting(AuthenticationFailed(INVALID))
            self._pairing.withdraw()
        applicant = self._pairing.applicant
        return Standing("open" if applicant is None else "asked", applicant)

    async def answer(self, code: str, number: int, *, accept: bool) -> Standing:
        """The operator's yes or no to one applicant; about another one than asks now it changes nothing.

        :raises NewAgeError: the key could not be made; the code is spent.
        """
        found = self.standing(code)
        waiting, maker = self._waiting, self._maker
        if waiting is None or found.applicant is None or found.applicant.number != number:
            return found
        if not accept:
            self._over(NotAuthorised("Unauthorized"))
            _record(maker, waiting.applicant, NotAuthorised("the operator said no"))
            return Standing("over")
        self._waiting = None
        self._over()
        try:
            key = await self._made(maker, waiting.applicant)
        except Exception as error:
            waiting.key.errback(error)
            _record(maker, waiting.applicant, error if isinstance(error, NewAgeError) else NewAgeError())
            raise
        _record(maker, waiting.applicant)
        waiting.key.callback(key)
        return Standing("paired", waiting.applicant)

    async def _made(self, maker: Maker, applicant: Applicant) -> str:
        if self._keys.is_over(maker.until):
            raise NotAuthorised("Unauthorized")
        grant = Grant(rank=Rank.EXTENSION, scope=Scope.EXTENSION, made_by=maker.name, until=maker.until)
        key = await self._keys.generate(applicant.client_id, local=False, grant=grant)
        await self._trust.trust(applicant.client_id)
        return key

    # ----------------------------------------------------------------------------------------------------- who shows it

    def show(self, code: str, address: str) -> int:
        """A try.

        :return: the ticket to ``wait`` with.
        :raises AuthenticationFailed: it is not the code, or was tried too often from there.
        """
        right = self._pairing.tried(code, network_of(address), self._now())
        if not self.is_open():
            self._over()
        if not right:
            raise AuthenticationFailed(INVALID)
        return self._pairing.ticket

    def wait(self, caller: Caller, still_there: Callable[[], bool]) -> Deferred[str]:
        """Ask for the key.

        :param still_there: whether the caller's socket is connected.
        :return: fires with the key when the operator said yes. Fails with NotAuthorised: he said no;
            AuthenticationFailed: the code is over, or somebody else asked by it since; Unavailable: too many keys.
        """
        client_id, address = caller.client_id, caller.peer.address
        known = bool(self._keys.records(client_id))
        applicant = self._pairing.apply(
            caller.pairing, client_id, caller.session.name, address, self._now(), known=known
        )
        if applicant is None:
            raise AuthenticationFailed(INVALID)
        self._refuse_waiting(AuthenticationFailed(INVALID))
        self._waiting = _Waiting(applicant, still_there, Deferred())
        return self._waiting.key

    # ---------------------------------------------------------------------------------------------------------- its end

    def _now(self) -> float:
        return self._world.clock.seconds()

    def _over(self, why: NewAgeError | None = None) -> None:
        """The code is no more: time is up, it was spent, or too many were wrong."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._pairing.close()
        self._refuse_waiting(why or AuthenticationFailed(INVALID))

    def _refuse_waiting(self, why: NewAgeError) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.key.errback(why)


def _record(maker: Maker, applicant: Applicant, error: NewAgeError | None = None) -> None:
    """Who let whom in, or why not."""
    facts = {"client": applicant.client_id, "from": applicant.address}
    tag, outcome = ("CLIENT_KEY_GENERATED", OK) if error is None else ("CLIENT_AUTH_FAILED", FAILED)
    emit("extension.pair", tag, outcome, dict(maker.facts), facts, error)
