"""Who comes and goes, as the audit log tells it."""

from __future__ import annotations

from logkit import Logged
from newage.domain.model import Caller, Peer, Session
from newage.services.sessions.session_audit import MAX_ADDRESSES, SessionAudit


def caller(address: str = "10.0.0.1", sid: str = "s1") -> Caller:
    session = Session(client_id="web1", identity="web1", client_type="web-app")
    return Caller(sid=sid, namespace="/rooms", session=session, peer=Peer(address))


def test_a_session_comes_once_from_each_address_and_goes_once(logged: Logged) -> None:
    audit = SessionAudit()
    here, elsewhere = caller(), caller("10.0.0.2", sid="s3")
    audit.session_appeared(here.session)
    audit.socket_attached(here)
    audit.socket_attached(caller(sid="s2"))
    audit.socket_attached(elsewhere)
    audit.socket_detached(here)
    audit.session_gone(here.session)
    assert [(fact["action"], fact["address"]) for fact in logged.audited()] == [
        ("connect", "10.0.0.1"),
        ("connect", "10.0.0.2"),
        ("disconnect", "10.0.0.2"),
    ]
    assert logged.tags() == ["CLIENT_CONNECTED", "CLIENT_CONNECTED", "CLIENT_DISCONNECTED"]
    audit.session_appeared(here.session)
    audit.socket_attached(here)
    assert logged.audited()[-1]["clientType"] == "web-app"


def test_extensions(logged: Logged) -> None:
    audit = SessionAudit()
    who = caller()
    audit.session_appeared(who.session)
    audit.socket_attached(who)
    audit.extension_available(who.session)
    audit.extension_lost(who.session)
    assert logged.tags()[1:] == ["EXTENSION_CONNECTED", "EXTENSION_DISCONNECTED"]
    assert {fact["namespace"] for fact in logged.audited()[1:]} == {"/llm"}


def test_addresses_of_a_session_are_bounded(logged: Logged) -> None:
    audit = SessionAudit()
    for number in range(MAX_ADDRESSES + 3):
        audit.socket_attached(caller(f"10.0.0.{number}"))
    assert len(logged.audited()) == MAX_ADDRESSES
