"""Who is here, and who is let in."""

from __future__ import annotations

from attrs import frozen

from newage.assembly.accounts import Accounts, Basis
from newage.ports import IOutbox
from newage.services.accounts.auth import AuthService
from newage.services.accounts.bearer import BearerService
from newage.services.accounts.expulsion import Expulsion
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.proofs import Proofs
from newage.services.sessions.admissions import Admissions
from newage.services.sessions.client_list import ClientListService
from newage.services.sessions.companions import Companions
from newage.services.sessions.names import Names
from newage.services.sessions.presence import Presence
from newage.services.sessions.replacing import Replacing
from newage.services.sessions.session_audit import SessionAudit
from newage.services.sessions.sessions import SessionService


@frozen(kw_only=True)
class People:
    """Who is here, and the gate."""

    sessions: SessionService
    admissions: Admissions
    names: Names
    administration: KeyAdministration
    expulsion: Expulsion
    auth: AuthService
    bearers: BearerService
    presence: Presence
    client_list: ClientListService


def make_people(basis: Basis, outbox: IOutbox, accounts: Accounts) -> People:
    config = basis.config
    sessions = SessionService(basis.world, outbox, basis.live.sessions)
    client_list = ClientListService(
        basis.world, outbox, sessions.online_sessions, config.client_list, config.downstream.alias_events
    )
    sessions.add_listener(SessionAudit())
    sessions.add_listener(client_list)
    names = Names(sessions, lambda name: accounts.trust.knows(name, network_safe=True))
    admissions = Admissions(basis.world, outbox, sessions)
    sessions.add_listener(Replacing(sessions, admissions))
    sessions.add_listener(Companions(basis.world, outbox, sessions))
    presence = Presence(sessions, admissions)
    sessions.add_listener(presence)
    proofs = Proofs(accounts.keys, accounts.trust, accounts.limiter, accounts.hashes)
    administration = KeyAdministration(accounts.keys, accounts.trust, sessions, accounts.revocation)
    expulsion = Expulsion(admissions, accounts.keys, accounts.trust, administration)
    accounts.events.add(expulsion)
    return People(
        sessions=sessions,
        admissions=admissions,
        names=names,
        administration=administration,
        expulsion=expulsion,
        auth=AuthService(
            keys=accounts.keys,
            trust=accounts.trust,
            proofs=proofs,
            world=basis.world,
            settings=config.auth,
            network_safe=accounts.network_safe,
            names=names,
            pairing=accounts.pairing,
        ),
        bearers=BearerService(
            keys=accounts.keys,
            trust=accounts.trust,
            proofs=proofs,
            world=basis.world,
            names=names,
            settings=config.api,
            network_safe=accounts.network_safe,
        ),
        presence=presence,
        client_list=client_list,
    )
