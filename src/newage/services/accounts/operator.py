"""What the operator does from the hub's machine: make, list and revoke keys, unlock logins, pair (A37, B13).

Commands and answers are JSON objects, for they come over a socket in the home or, with the hub stopped, from the
command itself. Whoever can reach them owns the home: no rank is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define

from newage.dialect import Body, operator, pairing
from newage.domain.ids import is_extension_id, is_new_id, is_valid_id
from newage.domain.model import Rank, Scope
from newage.errors import BadParameter, NewAgeError, NotFound
from newage.services.accounts.attempts import AttemptLimiter
from newage.services.accounts.keys import Grant, KeyService
from newage.services.accounts.pairing import Maker, PairingService
from newage.services.accounts.revocation import Revocation, Revoked
from newage.services.accounts.trust import TrustService
from newage.services.world import World
from newage.telemetry.audit import FAILED, OK, emit

PAGE = 500  # keys in one answer
MAX_NAME_CHARS = 64
MAX_DAYS = 36_500
MADE_BY = "newage keys new"
PAIRED_BY = "newage pair"
_SCOPES: dict[object, Scope] = {None: Scope.ALL, **{scope.value: scope for scope in Scope}}
_RANKS = {
    Scope.ADMIN: Rank.ADMIN,
    Scope.EXTENSION: Rank.EXTENSION,
    Scope.CLIENT: Rank.CLIENT,
    Scope.API: Rank.CLIENT,
    Scope.WEBHOOK: Rank.CLIENT,
}
_FOR = {
    Scope.ADMIN: "an administrator",
    Scope.CLIENT: "a client",
    Scope.API: "a program that uses the API",
    Scope.WEBHOOK: "a bot",
}
_DAY = 86_400.0


@define(eq=False)
class OperatorService:
    """:param limiter: locks live in memory, so with the hub stopped there are none."""

    _keys: KeyService
    _trust: TrustService
    _limiter: AttemptLimiter
    _world: World
    _revocation: Revocation
    _pairing: PairingService

    async def handle(self, command: Mapping[str, Any]) -> Body:
        """Carry out one command: ``{"do": "keys.new" | "keys.list" | "keys.revoke" | "unlock" | "pair.new" |
        "pair.wait" | "pair.confirm", ...}``.

        :raises NewAgeError: what is wrong and what to do.
        """
        do = command.get("do")
        if do == "keys.new":
            return await self._recorded("key.generate", "CLIENT_KEY_GENERATED", command, self.new_key)
        if do == "keys.revoke":
            return await self._recorded("key.remove", "CLIENT_KEY_REMOVED", command, self.revoke)
        if do == "keys.list":
            return self.list_keys(command)
        if do == "unlock":
            return self.unlock(command)
        if do == "pair.new":
            return pairing.made(self._pairing.create(Maker(PAIRED_BY)), self._pairing.seconds)
        if do == "pair.wait":
            return pairing.standing(self._pairing.standing(pairing.code_of(command)))
        if do == "pair.confirm":
            code, number = pairing.code_of(command), pairing.number_of(command)
            return pairing.standing(await self._pairing.answer(code, number, accept=pairing.accepts(command)))
        raise BadParameter("this hub does not know that command: use the `newage` of its own version")

    async def _recorded(self, action: str, tag: str, command: Mapping[str, Any], work: Any) -> Body:
        try:
            answer: Body = await work(command)
        except NewAgeError as error:
            emit(action, "WARNING", FAILED, {}, operator.failed(command, error))
            raise
        emit(action, tag, OK, {}, operator.done(answer))
        return answer

    # --------------------------------------------------------------------------------------------------------- keys

    async def new_key(self, command: Mapping[str, Any]) -> Body:
        """A key for any id; one that nobody trusts is trusted by it (A11).

        Of ``scope`` "all", or without one, it has the rank that trust in the id gives. "admin" makes an administrator
        of any id, for as long as the key lives; "extension" opens what an extension needs and no more; "client" and
        "api" are below that.
        """
        client_id, wanted = operator.client_of(command), operator.scope_of(command)
        scope = _SCOPES.get(wanted) if wanted is None or isinstance(wanted, str) else None
        if scope is None:
            raise BadParameter(f"{wanted!r} is no scope of a key: {', '.join(scope.value for scope in Scope)}")
        if not isinstance(client_id, str) or not is_valid_id(client_id):
            raise BadParameter(f"{client_id!r} cannot be a client id: 1-128 printable characters without / and \\")
        trusted = await self._trust.is_trusted(client_id, network_safe=False)
        if not trusted and not is_new_id(client_id):
            raise BadParameter(f"{client_id!r} cannot be a client id: blanks around it, or something that nobody sees")
        if scope is Scope.EXTENSION and not is_extension_id(client_id):
            raise BadParameter(f"{client_id!r} is no extension's id: these begin with SillyTavern")
        if scope not in (Scope.ALL, Scope.EXTENSION) and is_extension_id(client_id):
            raise BadParameter(f"{client_id!r} is an extension's id: choose another one for {_FOR[scope]}")
        name, seconds = _name(command.get("name")), _seconds(command.get("days"))
        if not trusted:
            await self._trust.trust(client_id)
            emit("client.trust", "CLIENT_ADDED", OK, {}, {"client": client_id})
        rank = _RANKS[scope] if scope in _RANKS else self._trust.rank(client_id, network_safe=False)
        key_id = self._keys.new_key_id()
        grant = Grant(rank=rank, scope=scope, name=name, made_by=MADE_BY, seconds=seconds, key_id=key_id, labelled=True)
        key = await self._keys.generate(client_id, local=True, grant=grant)
        (record,) = (record for record in self._keys.all_records() if record.key_id == key_id)  # it may be over
        return operator.made(record, key, live=self._keys.is_live(record))

    def list_keys(self, command: Mapping[str, Any]) -> Body:
        """Every key, without what could open anything, a page at a time.

        :return: ``keys``, and ``next``: what ``after`` has to say for the next page, or None.
        """
        after = command.get("after")
        start = after if isinstance(after, int) and after > 0 else 0
        records = self._keys.all_records()
        page = [operator.shown(record, live=self._keys.is_live(record)) for record in records[start : start + PAGE]]
        return {"keys": page, "next": start + PAGE if start + PAGE < len(records) else None}

    async def revoke(self, command: Mapping[str, Any]) -> Body:
        """All keys of a client, and the trust that came with one; or the one key of that id."""
        subject = command.get("subject")
        if isinstance(subject, str) and self._is_client(subject):
            return self._revoked(await self._revocation.of_client(subject))
        named = [record for record in self._keys.all_records() if record.key_id == subject]
        if not named:
            raise NotFound(f"there is no key of {subject!r}: `newage keys list` shows clients and keys")
        if len(named) > 1:
            clients = ", ".join(record.client_id for record in named)
            raise BadParameter(f"{subject!r} is the id of several keys: revoke those of a client ({clients})")
        return self._revoked(await self._revocation.of_key(named[0]))

    def _is_client(self, client_id: str) -> bool:
        """Whether it has something that can be revoked."""
        return client_id in self._keys.client_ids() or self._trust.is_runtime_trusted(client_id)

    def _revoked(self, revoked: Revoked) -> Body:
        trusted = self._trust.knows(revoked.client_id, network_safe=False)
        return operator.revoked(revoked.client_id, revoked.records, revoked.made, PAGE, trusted=trusted)

    # ------------------------------------------------------------------------------------------------------- unlock

    def unlock(self, command: Mapping[str, Any]) -> Body:
        """Forget failed logins, of one client or of all.

        :return: ``unlocked``: who was locked out.
        """
        client_id = operator.client_of(command)
        if client_id is not None and not isinstance(client_id, str):
            raise BadParameter("unlock takes a client id")
        logins = self._limiter.unlock(client_id)
        emit("login.unlock", "CLIENT_UNLOCKED", OK, {}, {"client": client_id or "everybody", "unlocked": len(logins)})
        return operator.unlocked(logins, PAGE)


def _name(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARS or not value.isprintable():
        raise BadParameter(f"a key's name has at most {MAX_NAME_CHARS} printable characters")
    return value


def _seconds(days: object) -> float | None:
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= MAX_DAYS:
        raise BadParameter(f"a key is good for more than 0 and at most {MAX_DAYS} days")
    return days * _DAY
