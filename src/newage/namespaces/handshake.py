"""CONNECT of every namespace: parse, let the gatekeeper check, register (contract 1.8, 2.2-2.5, 2.10).

A refusal is never a CONNECT_ERROR: the CONNECT completes, then come ``ERROR`` and DISCONNECT (C5).
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from twisted.logger import Logger

from newage.domain.ids import is_valid_id
from newage.domain.model import Agent, Caller, Kind
from newage.errors import AuthenticationFailed, InvalidRequest, NewAgeError
from newage.gateway.socketio.dispatch import ConnectHandler, Namespace
from newage.namespaces.wire import INVALID, as_known, error_event, first, text
from newage.ports import IExtensionLink, ISocket
from newage.protocol.socket_packet import UNREAD_AUTH
from newage.services.accounts.auth import ANYBODY, EXTENSIONS, STAFF, AuthService, HandshakeRequest
from newage.services.accounts.limits import AuthSettings
from newage.services.sessions.sessions import SessionService
from newage.telemetry.audit import AddressQuotas, outcome_of, plain

_log = Logger()

STREAM_MODES = frozenset({"ss", "plain", "output", "token"})
MAX_CLIENT_TYPE_CHARS = 64
MAX_CAPACITY = 16
MAX_FEATURES, MAX_FEATURE_CHARS = 32, 32
LOGGED_REFUSALS_PER_SECOND = 10  # of one address in each namespace
_PAGES_NEED = "a page needs an administrator's key, and the hub's own origin or one of admin_origins (docs/security.md)"
_PROGRAMS_NEED = (
    "a program needs to run on this machine as the hub's system user, or an administrator's key and a private address "
    "or one of admin_addresses (docs/security.md)"
)
_EXTENSIONS_NEED = (
    "its browser needs to run on this machine as the hub's system user, or it shows a key from one of admin_addresses "
    "(docs/security.md); `newage keys new` makes keys, too"
)


def parse_handshake(payload: Any, settings: AuthSettings) -> HandshakeRequest:
    """The auth payload with its aliases (contract 1.8).

    :raises InvalidRequest: it is too large to be read (contract A30).
    :raises AuthenticationFailed: it is no object, or its clientId cannot be one (step 1).
    """
    if payload is UNREAD_AUTH:
        raise InvalidRequest(INVALID)
    if not isinstance(payload, dict):
        raise AuthenticationFailed("Invalid client id.")
    client_id = payload.get("clientId")
    if not isinstance(client_id, str) or not is_valid_id(client_id):
        raise AuthenticationFailed("Invalid client id.")
    identity = payload.get("identity", client_id)
    if identity is None:
        identity = client_id
    client_type = payload.get("clientType")
    if not isinstance(client_type, str) or not 0 < len(client_type) <= MAX_CLIENT_TYPE_CHARS:
        client_type = "client"
    stream_mode = payload.get("streamMode")
    return HandshakeRequest(
        client_id=client_id,
        identity=identity if isinstance(identity, str) else "",  # an impossible one: step 2 refuses it
        client_type=client_type,
        key=payload.get("key"),
        password=text(payload.get("password"), 1024),
        desc=text(first(payload, "desc", "Desc", "description"), settings.max_desc_chars),
        html=text(first(payload, "clientHTML", "clienthtml", "html"), settings.max_html_chars),
        stream_mode=stream_mode if isinstance(stream_mode, str) and stream_mode in STREAM_MODES else "",
        incremental=payload.get("sync") == "incremental",
        capacity=_capacity(payload.get("capacity")),
        features=_features(payload.get("features")),
    )


def _capacity(value: object) -> int:
    """How many requests an extension takes at once; 0 when it says nothing sensible."""
    return value if type(value) is int and 1 <= value <= MAX_CAPACITY else 0


def _features(value: object) -> frozenset[str]:
    """What an extension says it can do; names that are too long or too many are not kept."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(name for name in value[:MAX_FEATURES] if isinstance(name, str) and len(name) <= MAX_FEATURE_CHARS)


def connect_handler(
    auth: AuthService,
    sessions: SessionService,
    *,
    gate: frozenset[Kind] = ANYBODY,
    link_for: Callable[[ISocket, Caller], IExtensionLink | None] | None = None,
    after: Callable[[ISocket, Caller], Any] | None = None,
    quota: AddressQuotas | None = None,
) -> ConnectHandler:
    """A namespace's connect handler.

    :param gate: the kinds it is for: ``ANYBODY``, ``STAFF``, ``EXTENSIONS``.
    :param link_for: makes the link of an extension's socket; None for what is no extension.
    :param after: called with an admitted socket right after its CONNECT reply; must not raise.
    :param quota: how many refusals are logged; for who makes a handler for each connect.
    """
    told = quota or connect_quota()

    async def connect(socket: ISocket, payload: Any) -> Callable[[], Any] | None:
        try:
            request = parse_handshake(payload, auth.settings)
            caller = await auth.admit(request, sid=socket.sid, namespace=socket.namespace, peer=socket.peer, gate=gate)
            if not socket.connected:  # it went while its key was being checked
                return None
            if not caller.bootstrap:  # without a key it is nobody yet
                sessions.attach(caller, link_for(socket, caller) if link_for is not None else None)
        except Exception as error:  # as_known logs what it does not know and re-raises cancellation
            known = as_known(error, "CONNECT")
            _log_refusal(told, socket, payload, known)
            return _refusal(socket, known)
        if not caller.bootstrap:
            _log_claim(told, socket, caller)
        socket.caller = caller
        return None if after is None else lambda: after(socket, caller)

    return connect


def connect_quota(now: Callable[[], float] = monotonic) -> AddressQuotas:
    """How much of what happens at a namespace's CONNECT is logged.

    :param now: a clock in seconds.
    """
    return AddressQuotas(LOGGED_REFUSALS_PER_SECOND, now)


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
        unsaid=f" ({unsaid} more were not logged)" if unsaid else "",
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
        unsaid=f" ({unsaid} refusals before were not logged)" if unsaid else "",
        error_code=error.error_code,
        tag="CLIENT_AUTH_FAILED",
        log_audit=facts,
    )


def _refusal(socket: ISocket, error: NewAgeError) -> Callable[[], None]:
    def refuse() -> None:
        socket.emit("ERROR", error_event(error))
        socket.disconnect()

    return refuse


def disconnected(sessions: SessionService) -> Callable[[ISocket, str], None]:
    """A namespace's disconnect callback: the session loses this socket."""

    def gone(socket: ISocket, reason: str) -> None:
        sessions.detach(socket.sid)

    return gone


def add_client_disconnected(namespace: Namespace) -> Namespace:
    """CLIENT_DISCONNECTED with any payload takes the socket out of this namespace (contract 2.11)."""

    def leave(socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        socket.disconnect()

    namespace.on("CLIENT_DISCONNECTED", leave)
    return namespace


__all__ = [
    "ANYBODY",
    "EXTENSIONS",
    "STAFF",
    "add_client_disconnected",
    "connect_handler",
    "connect_quota",
    "disconnected",
    "parse_handshake",
]
