"""``/auth``: logging in, one's own key, which extensions are there (contract 3.2, 2.8.5, 2.8.6)."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from newage.dialect import Body, clients
from newage.domain.model import Caller
from newage.errors import AuthenticationFailed, BadKey, ClientMissing, InvalidRequest, NewAgeError
from newage.namespaces import wire
from newage.ports import ISocket
from newage.services.accounts.auth import AuthService, HandshakeRequest
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.sessions.admissions import Admissions
from newage.services.sessions.sessions import SessionService
from newage.telemetry.audit import Recorder

_log = Logger()


def parse_client_id(payload: Any, *names: str) -> str | None:
    """The clientId under the leftmost of these names; None when there is none and so the caller is meant.

    :raises InvalidRequest: what is there is no id.
    """
    value = wire.first(wire.members(payload), *names)
    client_id = wire.identifier(value)
    if client_id is None and value is not None:
        raise InvalidRequest(wire.INVALID)
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
        client_id = wire.identifier(payload.get("clientId"))
        return cls(client_id, payload.get("password"))


@frozen(kw_only=True)
class AuthEvents:
    auth: AuthService
    administration: KeyAdministration
    sessions: SessionService
    admissions: Admissions
    _issued: Recorder = field(factory=lambda: Recorder("key.generate", "CLIENT_KEY_ASSIGNED"), init=False)
    _logins: Recorder = field(
        factory=lambda: Recorder("password.login", "CLIENT_AUTHENTICATED", "CLIENT_AUTH_FAILED", client="client_id"),
        init=False,
    )

    def entered(self, socket: ISocket, caller: Caller, request: HandshakeRequest) -> None:
        """Called after CONNECT; see ``Door.open``."""
        if request.wants_key or request.password:
            _detached(self.welcome(socket, caller, request))

    async def deliver(self, socket: ISocket, caller: Caller) -> None:
        """Issue a key and send it under both event names (contract 2.8.5), or say why not. Never raises."""
        try:
            key = await self.administration.assign(caller)
        except Exception as error:  # as_known logs what it does not know and re-raises cancellation
            known = wire.as_known(error, clients.GET_KEY)
            self._issued.failed(caller, None, known)
            wire.tell(socket, clients.not_assigned(known))
            return
        self._issued.done(caller)
        wire.tell(socket, *clients.assigned(caller.client_id, key))

    async def welcome(self, socket: ISocket, caller: Caller, request: HandshakeRequest) -> None:
        """What follows CONNECT for those who asked for a key, by ``getKey`` or by a password."""
        asks_login = not request.wants_key or self.auth.has_password(request.client_id)
        if request.password and asks_login and not caller.credential:
            # Nothing was asked of this peer, so its password has not been looked at yet.
            try:
                caller = await self.auth.log_in(caller, request.client_id, request.password)
            except NewAgeError as error:
                self._logins.failed(caller, request, error)
                wire.tell(socket, clients.not_assigned(error))
                return
        if not request.wants_key:
            self._logins.done(caller, request)
        await self.deliver(socket, caller)

    def key_hash(self, caller: Caller, wanted: str | None) -> Body:
        client_id, found = self.administration.newest_hash(caller, wanted)
        if found is None:
            raise BadKey("Client key not found.")
        return clients.key_ack(client_id, found)

    def extensions(self, caller: Caller, _: None) -> Body:
        available = clients.extensions_ack(extensions := self.sessions.available_extensions())
        if not extensions:
            raise ClientMissing("No connected SillyTavern extensions.", **available)
        return available

    async def log_in(self, socket: ISocket, login: Login) -> None:
        """LOGIN: from here on the socket counts as authenticated, and a key follows."""
        before: Caller = socket.caller
        try:
            after = await self.auth.log_in(before, login.client_id, login.password)
        except NewAgeError as error:
            self._logins.failed(before, login, error)
            raise
        except Exception as error:
            wire.as_known(error, "LOGIN")
            raise NewAgeError("Server error during login.") from error
        if before.bootstrap and socket.connected:
            self.sessions.attach(after)
        socket.caller = after
        if socket.connected:
            self.admissions.entered(after)
        self._logins.done(before, login)
        _detached(self.deliver(socket, after))

    def login(self, socket: ISocket, args: list[Any], wants_ack: bool) -> Any:
        """Made anew for each event, because this one changes the caller of its socket."""
        handler = wire.answer(Login.parse, lambda caller, login: self.log_in(socket, login), bootstrap=True)
        return handler(socket, args, wants_ack)

    def handlers(self) -> wire.Handlers:
        return {
            "GET_CLIENT_KEY": wire.answer(parse_own_id, self.key_hash, query=True),
            "GET_SILLYTAVERN_EXTENSION": wire.answer(wire.nothing, self.extensions, query=True, bootstrap=True),
            "LOGIN": self.login,
        }


def _detached(work: Any) -> None:
    """Let a coroutine run beside the ack that it must not delay."""
    Deferred.fromCoroutine(work).addErrback(lambda failed: _log.failure("a key could not be delivered", failed))
