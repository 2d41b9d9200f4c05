"""The door of every namespace: who is let in, who is refused, how one leaves (contract 2.2-2.5, 2.10, 2.11).

A refusal is never a CONNECT_ERROR: the CONNECT completes, then come ``ERROR`` and DISCONNECT (C5).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from time import monotonic
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from newage.dialect import acks
from newage.domain.model import Agent, Caller, Kind
from newage.errors import NewAgeError
from newage.gateway.socketio.dispatch import Handler, Namespace
from newage.namespaces import wire
from newage.namespaces.handshake import parse_handshake
from newage.namespaces.pacing import paced
from newage.ports import IExtensionLink, ISocket
from newage.services.accounts.auth import ANYBODY, AuthService, HandshakeRequest
from newage.services.sessions.admissions import Admissions
from newage.services.sessions.rates import EventRates
from newage.services.sessions.sessions import SessionService
from newage.telemetry.audit import outcome_of, plain
from newage.telemetry.quota import AddressQuotas, left_out

_log = Logger()

LOGGED_PER_SECOND = 10  # connects of one address to each namespace
_PAGES_NEED = "a page needs an administrator's key, and the hub's own origin or one of admin_origins (docs/security.md)"
_PROGRAMS_NEED = (
    "a program needs to run on this machine as the hub's system user, or an administrator's key and a private address "
    "or one of admin_addresses (docs/security.md)"
)
_EXTENSIONS_NEED = (
    "its browser needs to run on this machine as the hub's system user, or it shows a key from one of admin_addresses "
    "(docs/security.md); `newage keys new` makes keys, too"
)


def connect_quota(now: Callable[[], float] = monotonic) -> AddressQuotas:
    """How much of what happens at a namespace's CONNECT is logged.

    :param now: a clock in seconds.
    """
    return AddressQuotas(LOGGED_PER_SECOND, now)


class Door:
    """Opens namespaces, all in the same way."""

    def __init__(self, auth: AuthService, sessions: SessionService, admissions: Admissions, rates: EventRates) -> None:
        self._auth = auth
        self._sessions = sessions
        self._admissions = admissions
        self._rates = rates

    def open(
        self,
        path: str,
        *tables: Mapping[str, Handler],
        gate: frozenset[Kind] = ANYBODY,
        link: Callable[[Caller], IExtensionLink | None] = lambda caller: None,
        entered: Callable[[ISocket, Caller, HandshakeRequest], object] | None = None,
        quota: AddressQuotas | None = None,
        binary: Collection[str] = (),
    ) -> Namespace:
        """Make a namespace.

        :param tables: its events; CLIENT_DISCONNECTED is in every namespace.
        :param gate: the kinds it is for: ``ANYBODY``, ``STAFF``, ``EXTENSIONS``.
        :param link: makes the link of an extension's socket; None for what is no extension.
        :param entered: called with an admitted socket right after its CONNECT reply; must not raise.
        :param binary: the events that take attachments; what is stored or shown is text.
        :param quota: how much of its connects is logged.
        :raises ValueError: two tables have the same event.
        """
        entrance = _Entrance(
            self._auth, self._sessions, self._admissions, gate, link, entered, quota or connect_quota()
        )
        namespace = Namespace(
            path,
            connect=entrance.connect,
            disconnected=entrance.disconnected,
            binary=binary,
            fault=[acks.failure(NewAgeError())],
        )
        for table in (*tables, {"CLIENT_DISCONNECTED": _leave}):
            namespace.add(paced(self._rates, table))
        return namespace


def _leave(socket: ISocket, args: list[Any], wants_ack: bool) -> None:
    """CLIENT_DISCONNECTED with any payload takes the socket out of its namespace (contract 2.11)."""
    socket.disconnect()


@frozen
class _Entrance:
    """CONNECT and the end of one namespace's sockets; see ``Door.open``."""

    auth: AuthService
    sessions: SessionService
    admissions: Admissions
    gate: frozenset[Kind]
    link: Callable[[Caller], IExtensionLink | None]
    entered: Callable[[ISocket, Caller, HandshakeRequest], object] | None
    quota: AddressQuotas

    async def connect(self, socket: ISocket, payload: Any) -> Callable[[], object] | None:
        """:return: what follows the CONNECT reply."""
        try:
            request = parse_handshake(payload, self.auth.settings)
            caller = await self.auth.admit(
                request, sid=socket.sid, namespace=socket.namespace, peer=socket.peer, gate=self.gate
            )
            if not socket.connected:  # it went while its key was being checked
                return None
            if not caller.bootstrap:  # without a key it is nobody yet
                self.sessions.attach(caller, self.link(caller))
        except Exception as error:  # as_known logs what it does not know and re-raises cancellation
            known = wire.as_known(error, "CONNECT")
            _log_refusal(self.quota, socket, payload, known)
            return partial(_refuse, socket, known)
        if not caller.bootstrap:
            _log_claim(self.quota, socket, caller)
        socket.caller = caller
        self.admissions.entered(caller)
        return None if self.entered is None else partial(self.entered, socket, caller, request)

    def disconnected(self, socket: ISocket, reason: str) -> None:
        """Its session loses this socket."""
        self.admissions.left(socket.sid, socket.caller.client_id)
        self.sessions.detach(socket.sid)


def _refuse(socket: ISocket, error: NewAgeError) -> None:
    wire.tell(socket, acks.failed(error))
    socket.disconnect()


def _log_claim(quota: AddressQuotas, socket: ISocket, caller: Caller) -> None:
    """For the operator who wonders why somebody cannot administer, or SillyTavern shows an error (contract B2).

    The reference extension asks for all keys as soon as it is on /clients.
    """
    if caller.kind is not Kind.of(caller.session.client_type):
        page = caller.peer.agent is not Agent.PROGRAM
        claim, why = "is an administrator, but counts as a client", _PAGES_NEED if page else _PROGRAMS_NEED
    elif caller.kind is Kind.EXTENSION and not caller.sensitive and socket.namespace == "/clients":
        claim, why = "is an extension, but manages neither keys nor settings", _EXTENSIONS_NEED
    else:
        return
    if (unsaid := quota.take(caller.peer.address)) is None:
        return
    _log.info(
        "{client_id} at {address} says on {namespace} that it {claim}: {why}{unsaid}",
        client_id=repr(caller.client_id)[:140],
        address=caller.peer.address,
        namespace=socket.namespace,
        claim=claim,
        why=why,
        unsaid=left_out(unsaid),
    )


def _log_refusal(quota: AddressQuotas, socket: ISocket, payload: Any, error: NewAgeError) -> None:
    """For the operator who wonders why somebody does not get in; somebody who hammers does not fill the disk."""
    if (unsaid := quota.take(socket.peer.address)) is None:
        return
    claimed = payload.get("clientId") if isinstance(payload, dict) else None
    facts = {
        "action": "connect",
        "outcome": outcome_of(error),
        "clientId": plain(claimed),
        "address": socket.peer.address,
        "namespace": socket.namespace,
        "errorCode": error.error_code,
        "reason": plain(str(error)),
        **({"unsaid": unsaid} if unsaid else {}),
    }
    _log.warn(
        "{client_id} at {address} was refused on {namespace}: {reason}{unsaid}",
        client_id=repr(claimed)[:140],
        address=socket.peer.address,
        namespace=socket.namespace,
        reason=str(error),
        unsaid=left_out(unsaid, "refusals before"),
        error_code=error.error_code,
        tag="CLIENT_AUTH_FAILED",
        log_audit=facts,
    )
