"""``/sillytavern``: an extension says which one it is and gets a key (contract 3.7)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson
from attrs import define, field, frozen

from newage.domain.model import EXTENSION_PREFIX, Caller
from newage.errors import BadParameter, InvalidRequest, NotAuthorised
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.handshake import EXTENSIONS, add_client_disconnected, connect_handler, disconnected
from newage.namespaces.wire import INVALID, Warned, answer, without_hostile_keys
from newage.services.accounts.auth import AuthService
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.trust import TrustService
from newage.services.sessions.sessions import SessionService
from newage.settings import limit
from newage.telemetry.audit import Recorder


@frozen(kw_only=True)
class SillyTavernSettings:
    """Limits of ``/sillytavern``."""

    max_client_settings_bytes: int = limit(65_536, "bytes of the settings that an extension leaves in memory")
    max_client_settings_entries: int = limit(256, "extensions whose settings are kept in memory")


def parse_identify(payload: Any) -> object:
    """The id that the extension says it has, whatever its type; the payload may be the bare id."""
    return payload.get("clientId") if isinstance(payload, dict) else payload


def parse_settings(payload: Any) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise InvalidRequest(INVALID)
    clean: dict[str, Any] = without_hostile_keys(payload)
    return clean


@define(eq=False)
class ExtensionSettings:
    """What extensions sent as CLIENT_SETTINGS, by identity; the longest unused goes first."""

    _settings: SillyTavernSettings
    _kept: OrderedDict[str, dict[str, Any]] = field(factory=OrderedDict, init=False)

    def keep(self, identity: str, content: dict[str, Any]) -> None:
        """:raises BadParameter: too large."""
        if len(orjson.dumps(content)) > self._settings.max_client_settings_bytes:
            raise BadParameter("The settings are too large.")
        self._kept[identity] = content
        self._kept.move_to_end(identity)
        while len(self._kept) > self._settings.max_client_settings_entries:
            self._kept.popitem(last=False)

    def of(self, identity: str) -> dict[str, Any]:
        return self._kept.get(identity, {})


def make_sillytavern_namespace(
    auth: AuthService,
    administration: KeyAdministration,
    trust: TrustService,
    sessions: SessionService,
    kept: ExtensionSettings,
) -> Namespace:
    """The namespace; leaving it changes nothing about the extension."""

    async def identify(caller: Caller, claimed: object) -> Any:
        client_id = caller.client_id
        if claimed not in (None, client_id) or not client_id.startswith(EXTENSION_PREFIX):
            raise NotAuthorised("Unauthorized")
        # A second tab shares the clientId of the first, whose key stays valid (contract 2.8.2).
        connected = any(session.client_id == client_id for session in sessions.available_extensions())
        key = await administration.identify(caller)
        was_trusted = trust.knows(client_id, network_safe=True)
        if auth.is_open_to(caller.peer) and trust.trust_itself(client_id) and not was_trusted:
            trusted.done(caller, client=client_id, until="the next start")
        if connected:
            return Warned("SillyTavern already connected.", {"key": key, "clientId": client_id})
        return {"key": key, "clientId": client_id}

    def client_settings(caller: Caller, content: dict[str, Any]) -> None:
        kept.keep(caller.identity, content)

    namespace = Namespace(
        "/sillytavern",
        connect=connect_handler(auth, sessions, gate=EXTENSIONS),
        disconnected=disconnected(sessions),
    )
    identified = Recorder("extension.identify", "EXTENSION_IDENTIFIED", "CLIENT_AUTH_FAILED")
    trusted = Recorder("client.trust", "CLIENT_ADDED")
    received = Recorder("extension.settings", "CLIENT_SETTINGS_RECEIVED", audited=False)
    namespace.on("IDENTIFY_SILLYTAVERN", answer(parse_identify, identify, bootstrap=True, audit=identified))
    namespace.on("CLIENT_SETTINGS", answer(parse_settings, client_settings, audit=received))
    return add_client_disconnected(namespace)
