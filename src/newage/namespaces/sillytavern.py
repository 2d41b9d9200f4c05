"""``/sillytavern``: an extension says which one it is and gets a key (contract 3.7)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson
from attrs import define, field, frozen

from newage.dialect import Body, clients
from newage.domain.foreign_json import without_hostile_keys
from newage.domain.model import Caller, Scope
from newage.errors import BadParameter, InvalidRequest, NotAuthorised
from newage.namespaces import wire
from newage.services.accounts.auth import AuthService
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.pairing import PairingService
from newage.services.accounts.trust import TrustService
from newage.services.sessions.admissions import Admissions
from newage.services.sessions.sessions import SessionService
from newage.settings import limit
from newage.telemetry.audit import Recorder


@frozen(kw_only=True)
class SillyTavernSettings:
    """Limits of ``/sillytavern``."""

    max_client_settings_bytes: int = limit(65_536, "bytes of the settings that an extension leaves in memory")
    max_client_settings_entries: int = limit(256, "extensions whose settings are kept in memory")


@frozen
class Identity:
    """The id that the extension says it has, whatever its type, and whether its key shall be for nothing else."""

    client_id: object
    scoped: bool = False


def parse_identify(payload: Any) -> Identity:
    """IDENTIFY_SILLYTAVERN; the payload may be the bare id."""
    if not isinstance(payload, dict):
        return Identity(payload)
    return Identity(payload.get("clientId"), payload.get("scope") == Scope.EXTENSION.value)


def parse_settings(payload: Any) -> Body:
    if not isinstance(payload, dict) or wire.holds_bytes(payload):
        raise InvalidRequest(wire.INVALID)
    clean: Body = without_hostile_keys(payload)
    return clean


@define(eq=False)
class ExtensionSettings:
    """What extensions sent as CLIENT_SETTINGS, by identity; the longest unused goes first."""

    _settings: SillyTavernSettings
    _kept: OrderedDict[str, Body] = field(factory=OrderedDict, init=False)

    def keep(self, identity: str, content: Body) -> None:
        """:raises BadParameter: too large."""
        if len(orjson.dumps(content)) > self._settings.max_client_settings_bytes:
            raise BadParameter("The settings are too large.")
        self._kept[identity] = content
        self._kept.move_to_end(identity)
        while len(self._kept) > self._settings.max_client_settings_entries:
            self._kept.popitem(last=False)

    def of(self, identity: str) -> Body:
        return self._kept.get(identity, {})


@frozen(kw_only=True)
class SillyTavernEvents:
    """The handlers; leaving the namespace changes nothing about the extension."""

    auth: AuthService
    administration: KeyAdministration
    trust: TrustService
    sessions: SessionService
    kept: ExtensionSettings
    admissions: Admissions
    pairing: PairingService
    _trusted: Recorder = field(factory=lambda: Recorder("client.trust", "CLIENT_ADDED"), init=False)

    async def identify(self, caller: Caller, claimed: Identity) -> Body | wire.Warned:
        client_id = caller.client_id
        if caller.pairing:
            return await self.pair(caller, claimed)
        # A second tab shares the clientId of the first, whose key stays valid (contract 2.8.2).
        connected = any(session.client_id == client_id for session in self.sessions.available_extensions())
        key = await self.administration.identify(caller, claimed.client_id, scoped=claimed.scoped)
        was_trusted = self.trust.knows(client_id, network_safe=True)
        if self.auth.is_open_to(caller.peer) and self.trust.trust_itself(client_id) and not was_trusted:
            self._trusted.done(caller, client=client_id, until="the next start")
        body = clients.extension_key_ack(client_id, key) if claimed.scoped else clients.key_ack(client_id, key)
        return wire.Warned("SillyTavern already connected.", body) if connected else body

    async def pair(self, caller: Caller, claimed: Identity) -> Body:
        """A key for who came by a pairing code, as soon as the operator says yes (B13)."""
        client_id = caller.client_id
        if claimed.client_id not in (None, client_id):
            raise NotAuthorised("Unauthorized")
        key = await self.pairing.wait(
            caller, lambda: any(each.sid == caller.sid for each in self.admissions.of(client_id))
        )
        return clients.extension_key_ack(client_id, key)

    def client_settings(self, caller: Caller, content: Body) -> None:
        self.kept.keep(caller.identity, content)

    def handlers(self) -> wire.Handlers:
        identified = Recorder("extension.identify", "EXTENSION_IDENTIFIED", "CLIENT_AUTH_FAILED")
        received = Recorder("extension.settings", "CLIENT_SETTINGS_RECEIVED", audited=False)
        return {
            "IDENTIFY_SILLYTAVERN": wire.answer(parse_identify, self.identify, bootstrap=True, audit=identified),
            "CLIENT_SETTINGS": wire.answer(parse_settings, self.client_settings, audit=received),
        }
