"""Whose credentials are worth nothing any more is put out, and whom an administrator wants out (contract 2.8, A14).

A key that went because there were too many, or because another one was made, ends nothing; nor does a change of
``network_safe``.
"""

from __future__ import annotations

from attrs import define
from zope.interface import implementer

from newage.domain.model import Caller, Kind, Rank, Scope
from newage.domain.policy import administers
from newage.errors import AuthenticationFailed, ClientMissing, NewAgeError, NotAuthorised
from newage.ports import IAccountListener
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.keys import KeyService
from newage.services.accounts.trust import TrustService
from newage.services.sessions.admissions import Admissions

REVOKED = "Your key was revoked."
UNTRUSTED = "Client is not trusted."
NO_ADMINISTRATOR = "You are no administrator any more."
SENT_AWAY = "You were disconnected by an administrator."


@implementer(IAccountListener)
@define(eq=False)
class Expulsion:
    _admissions: Admissions
    _keys: KeyService
    _trust: TrustService
    _administration: KeyAdministration

    def keys_revoked(self, client_id: str, key_id: str | None) -> None:
        def concerned(caller: Caller) -> bool:
            return caller.by_key and key_id in (None, caller.credential)

        who = [each for each in self._admissions.of(client_id) if concerned(each)]
        self._put_out(who, AuthenticationFailed(REVOKED))

    def trust_changed(self) -> None:
        found = [(each, why) for each in self._admissions.all() if (why := self._objection(each)) is not None]
        for caller, why in found:
            self._keys.stop_making(caller.client_id)
            self._put_out([caller], why)

    def _objection(self, caller: Caller) -> NewAgeError | None:
        """Why whoever came in as this would not come in now, as far as trust goes."""
        if not caller.keyless and not caller.pairing and not self._trust.knows(caller.client_id, network_safe=True):
            return AuthenticationFailed(UNTRUSTED)
        by_trust = caller.credential and caller.kind is Kind.ADMIN and caller.scope is not Scope.ADMIN
        if by_trust and not self._trust.permits(caller.client_id, Kind.ADMIN, network_safe=True):
            return NotAuthorised(NO_ADMINISTRATOR)
        return None

    def disconnect(self, actor: Caller, client_id: str, identity: str | None, reason: str) -> int:
        """DISCONNECT_CLIENT: end the sockets of a client, or of one of its identities. It may come back.

        :param reason: what it is told; "" says who did it.
        :return: how many sockets.
        :raises NotAuthorised: the actor is no administrator; ClientMissing: nobody is there, or it is above the actor.
        """
        if not administers(actor):
            raise NotAuthorised("Unauthorized")
        who = [each for each in self._admissions.of(client_id) if identity in (None, each.identity)]
        rank = min(actor.rank, Rank.of(actor.kind))
        if not who or self._administration.rank_of(client_id) > rank:
            raise ClientMissing("Client not found.")
        self._put_out(who, NotAuthorised(reason or SENT_AWAY))
        return len(who)

    def _put_out(self, who: list[Caller], why: NewAgeError) -> None:
        sids = {each.sid for each in who}
        clients = {each.client_id for each in who}
        if who:
            # Who logs in meanwhile, or leaves, is looked up then.
            self._admissions.put_out(
                lambda: [(each, why) for name in clients for each in self._admissions.of(name) if each.sid in sids]
            )
