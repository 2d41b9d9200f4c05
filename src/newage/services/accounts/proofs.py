"""Whether a key or a password is right, and how much of that may be guessed (contract 2.8, B8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import define
from twisted.internet.defer import Deferred

from newage.domain.key_form import has_hub_form
from newage.domain.model import KeyRecord, Peer
from newage.domain.networks import network_of
from newage.services.accounts.attempts import AttemptLimiter, Guess, Place
from newage.services.accounts.hashing import HashService, Turn, encoded
from newage.services.accounts.keys import KeyService
from newage.services.accounts.trust import TrustService

T = TypeVar("T")


def _cannot_be_guessed(key: object) -> bool:
    return isinstance(key, str) and has_hub_form(key)


@define(eq=False)
class Proofs:
    """Looks at what a peer shows; what it opens is ``AuthService``'s to say."""

    _keys: KeyService
    _trust: TrustService
    _limiter: AttemptLimiter
    _hashes: HashService

    def recognised(self, client_id: str, key: object, peer: Peer) -> KeyRecord | None:
        """The key's record, if its digest tells that it is right.

        When too much was guessed, only keys that nobody guesses are looked at, and any from a known place.
        """
        place, turn = self._whose(client_id, peer)
        may_look = _cannot_be_guessed(key) or turn.known or not self._limiter.is_locked(place)
        record = self._keys.verified(client_id, key, peer.address) if may_look else None
        if record is not None:
            self._limiter.proved(place)
        return record

    async def matching_key(self, client_id: str, key: object, peer: Peer, namespace: str) -> KeyRecord | None:
        """Of one that is not recognised; only what can be guessed is counted, and refused after too many (B8)."""
        place, turn = self._whose(client_id, peer)
        if _cannot_be_guessed(key):
            record = await self._keys.verify(client_id, key, turn)
        else:
            turn = turn._replace(sort="word")
            guess = Guess(self._keys.digest(client_id, key), namespace)
            record = await self._guessed(place, guess, lambda: self._keys.verify(client_id, key, turn))
        if record is not None:
            self._limiter.proved(place)
        return record

    async def password_matches(self, client_id: str, password: str, peer: Peer, namespace: str) -> bool:
        place, turn = self._whose(client_id, peer)
        turn = turn._replace(sort="password")
        hashed, raw = self._trust.password_hash(client_id), encoded(password)

        def compare() -> Deferred[bool]:
            if raw is None or hashed is None:
                return self._hashes.waste(b"nothing", turn)
            return self._hashes.compare(raw, hashed, turn)

        # Another password that is set meanwhile makes another guess of it.
        guess = Guess(self._keys.digest(f"{hashed} {client_id}", password), namespace)
        matched = await self._guessed(place, guess, compare)
        if matched:
            self._limiter.proved(place)
        return bool(matched)

    async def _guessed(self, place: Place, guess: Guess, compare: Callable[[], Deferred[T]]) -> T | None:
        """What comparing a guess gives, or None for one that was wrong there just now; counted unless it is right.

        :raises AuthenticationFailed: too many were wrong.
        """
        self._limiter.begin(place, guess)
        failed = False
        try:
            found = None if self._limiter.failed_before(place, guess) else await compare()
            failed = not found
        finally:
            self._limiter.end(place, guess, failed=failed)
        return found

    def _whose(self, client_id: str, peer: Peer) -> tuple[Place, Turn]:
        place = Place(client_id, network_of(peer.address))
        return place, Turn(client_id, place.address, self._limiter.is_known(place))
