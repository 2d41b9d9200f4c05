"""``/auth``: logging in, one's own key, which extensions are there (contract 3.2, 2.8.5, 2.8.6)."""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from newage.domain.model import Caller
from newage.errors import AuthenticationFailed, BadKey, ClientMissing, InvalidRequest, NewAgeError
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.handshake import (
    add_client_disconnected,
    connect_handler,
    connect_quota,
    disconnected,
    parse_handshake,
)
from newage.namespaces.wire import INVALID, answer, as_known, failure, first, identifier, members, nothing, ok
from newage.ports import ISocket
from newage.services.accounts.auth import AuthService, HandshakeRequest
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.keys import KeyService
from newage.services.sessions.sessions import SessionService
from newage.telemetry.audit import Recorder

_log = Logger()


def parse_client_id(payload: Any, *names: str) -> str | None:
    """The clientId under the leftmost of these names; None when there is none and so the caller is meant.

    :raises InvalidRequest: what is there is no id.
    """
    value = first(members(payload), *names)
    client_id = identifier(value)
    if client_id is None and value is not None:
        raise InvalidRequest(INVALID)
    return client_id


def parse_own_id(payload: Any) -> str | None:
    return parse_client_id(payload, "clientId")


@frozen
class Login:
    """A LOGIN as it came; both members are the service's to judge."""

    client_id: object
    password: object = field(repr=False)

    @classmethod
    def parse(cls, payload: Any) -> Login:
        if not isinstance(payload, dict):
            raise AuthenticationFailed("Invalid login data.")
        client_id = identifier(payload.get("clientId"))
        return cls(client_id, payload.get("password"))


@define(eq=False)
class _Auth:
    auth: AuthService
    keys: KeyService
    administration: KeyAdministration
    sessions: SessionService
    _issued: Recorder = field(factory=lambda: Recorder("key.generate", "CLIENT_KEY_ASSIGNED"))
    _logins: Recorder = field(
        factory=lambda: Recorder("password.login", "CLIENT_AUTHENTICATED", "CLIENT_AUTH_FAILED", client="client_id")
    )

    async def deliver(self, socket: ISocket, caller: Caller) -> None:
        """Issue a key and send it under both event names (contract 2.8.5), or say why not. Never raises."""
        try:
            key = await self.administration.assign(caller)
        except Exception as error:  # as_known logs what it does not know and re-raises cancellation
            known = as_known(error, "getKey")
            self._issued.failed(caller, None, known)
            socket.emit("CLIENT_KEY_ASSIGNED", failure(known))
            return
        self._issued.done(caller)
        body = ok(clientId=caller.client_id, key=key, Key=key, message="")
        socket.emit("CLIENT_KEY_ASSIGNED", body)
        socket.emit("GET_CLIENT_KEY", body)

    async def welcome(self, socket: ISocket, caller: Caller, request: HandshakeRequest) -> None:
        """What follows CONNECT for those who asked for a key, by ``getKey`` or by a password."""
        asks_login = not request.wants_key or self.auth.has_password(request.client_id)
        if request.password and asks_login and not caller.credential:
            # Nothing was asked of this peer, so its password has not been looked at yet.
            try:
                caller = await self.auth.log_in(caller, request.client_id, request.password)
            except NewAgeError as error:
                self._logins.failed(caller, request, error)
                socket.emit("CLIENT_KEY_ASSIGNED", failure(error))
                return
        if not request.wants_key:
            self._logins.done(caller, request)
        await self.deliver(socket, caller)

    def key_hash(self, caller: Caller, wanted: str | None) -> dict[str, Any]:
        client_id = self.administration.readable_id(caller, wanted)
        found = self.keys.newest_hash(client_id)
        if found is None:
            raise BadKey("Client key not found.")
        return {"key": found, "clientId": client_id}

    def extensions(self, caller: Caller, _: None) -> dict[str, Any]:
        available = self.sessions.available_extensions()
        identities = [session.identity for session in available]
        if not identities:
            raise ClientMissing("No connected SillyTavern extensions.", extensions=[], allTheSTSocket=[], details=[])
        return {
            "extensions": identities,
            "allTheSTSocket": identities,
            "details": [{"identity": s.identity, "clientId": s.client_id, "desc": s.desc} for s in available],
        }

    async def log_in(self, socket: ISocket, login: Login) -> None:
        """LOGIN: from here on the socket counts as authenticated, and a key follows."""
        before: Caller = socket.caller
        try:
            after = await self.auth.log_in(before, login.client_id, login.password)
        except NewAgeError as error:
            self._logins.failed(before, login, error)
            raise
        except Exception as error:
            as_known(error, "LOGIN")
            raise NewAgeError("Server error during login.") from error
        if before.bootstrap and socket.connected:
            self.sessions.attach(after)
        socket.caller = after
        self._logins.done(before, login)
        _detached(self.deliver(socket, after))


def _detached(work: Any) -> None:
    """Let a coroutine run beside the ack that it must not delay."""
    Deferred.fromCoroutine(work).addErrback(lambda failed: _log.failure("a key could not be delivered", failed))


def make_auth_namespace(
    auth: AuthService, keys: KeyService, administration: KeyAdministration, sessions: SessionService
) -> Namespace:
    """The namespace."""
    service = _Auth(auth, keys, administration, sessions)
    quota = connect_quota()  # one for all connects

    def connect(socket: ISocket, payload: Any) -> Any:
        def after(joined: ISocket, caller: Caller) -> None:
            request = parse_handshake(payload, auth.settings)
            if request.wants_key or request.password:
                _detached(service.welcome(joined, caller, request))

        return connect_handler(auth, sessions, after=after, quota=quota)(socket, payload)

    def login(socket: ISocket, args: list[Any], wants_ack: bool) -> Any:
        # Made per event because it changes the socket's caller, which no other handler does.
        return answer(Login.parse, lambda _, request: service.log_in(socket, request), bootstrap=True)(
            socket, args, wants_ack
        )

    namespace = Namespace("/auth", connect=connect, disconnected=disconnected(sessions))
    namespace.on("GET_CLIENT_KEY", answer(parse_own_id, service.key_hash, query=True))
    namespace.on("GET_SILLYTAVERN_EXTENSION", answer(nothing, service.extensions, query=True, bootstrap=True))
    namespace.on("LOGIN", login)
    return add_client_disconnected(namespace)
