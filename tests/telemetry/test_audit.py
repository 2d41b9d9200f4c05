"""The audit log: one line per fact, bounded by address, without secrets and without what people say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import ILogObserver, Logger, LogLevel
from zope.interface.verify import verifyObject

from authkit import FakeSocket, Gatehouse
from logkit import Logged
from newage.daemon.home import Home
from newage.daemon.workers import InlineWorkers
from newage.domain.model import Caller, ConnectionPolicy, Peer, RequestMode, Role, Session
from newage.domain.status import HubStatus
from newage.errors import AuthenticationFailed, BadKey, NewAgeError, NotAuthorised, RoomMissing
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.debug import DebugEvents
from newage.services.home.diagnostics import Diagnostics
from newage.services.home.log_reader import LogReader, LogReaderSettings
from newage.settings import Live
from newage.telemetry.audit import (
    AUDIT_FILE,
    FAILED,
    LINES_PER_SECOND,
    MAX_ITEMS,
    MAX_TEXT,
    AuditLog,
    Recorder,
    emit,
    outcome_of,
    plain,
)
from newage.telemetry.logs import LogSettings
from newage.telemetry.metrics import Counters


def caller(address: str = "10.0.0.1", identity: str = "web1", sid: str = "s1") -> Caller:
    session = Session(client_id="web1", identity=identity, client_type="web-app")
    return Caller(sid=sid, namespace="/rooms", session=session, peer=Peer(address))


class Subject:
    room = "lobby"
    who = "web2"
    role = Role.MANAGER
    duration = None
    text = "what was said"


class TestRecorder:
    def test_who_what_from_where_with_what_outcome(self, logged: Logged) -> None:
        Recorder("member.role", "MEMBER_ROLE_CHANGED", room="room", member="who", role="role").done(caller(), Subject())
        assert logged.audited() == [
            {
                "action": "member.role",
                "outcome": "ok",
                "identity": "web1",
                "clientId": "web1",
                "kind": "client",
                "address": "10.0.0.1",
                "namespace": "/rooms",
                "room": "lobby",
                "member": "web2",
                "role": "manager",
            }
        ]
        assert logged() == ["web1 at 10.0.0.1: member.role room=lobby member=web2 role=manager ok"]
        assert logged.tags() == ["MEMBER_ROLE_CHANGED"]

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (NotAuthorised("Unauthorized"), "refused"),
            (BadKey("Invalid key."), "refused"),
            (AuthenticationFailed("no"), "refused"),
            (RoomMissing("Room not found"), "failed"),
        ],
    )
    def test_what_was_not_done(self, logged: Logged, error: NewAgeError, outcome: str) -> None:
        Recorder("room.delete", "ROOM_DELETED", "ROOM_ERROR", room="").failed(caller(), "lobby", error)
        [fact] = logged.audited()
        assert (fact["outcome"], fact["errorCode"], fact["reason"]) == (outcome, error.error_code, str(error))
        assert logged.tags() == ["ROOM_ERROR"]
        assert logged.events[0]["log_level"] is LogLevel.warn
        assert logged() == [f"web1 at 10.0.0.1: room.delete room=lobby - {outcome}: {error}"]
        assert outcome_of(error) == outcome

    def test_done_to_no_avail(self, logged: Logged) -> None:
        Recorder("function.call", "FUNCTION_CALL_RESPONSE", "FUNCTION_CALL_ERROR").done(caller(), outcome=FAILED)
        assert (logged.tags(), logged.audited()[0]["outcome"]) == (["FUNCTION_CALL_ERROR"], "failed")
        assert logged.events[0]["log_level"] is LogLevel.info

    def test_what_is_missing_is_left_out_and_what_is_no_fact_is_only_logged(self, logged: Logged) -> None:
        Recorder("member.mute", "MEMBER_MUTED", seconds="duration").done(caller(), Subject())
        assert "seconds" not in logged.audited()[0]
        Recorder("llm.request", "LLM_REQUEST_RECEIVED", audited=False).done(caller())
        assert len(logged.audited()) == 1
        assert logged.tags()[-1] == "LLM_REQUEST_RECEIVED"

    def test_an_address_may_cause_so_many_lines(self, logged: Logged) -> None:
        now = [0.0]
        recorder = Recorder("connect", "CLIENT_CONNECTED", now=lambda: now[0])
        for _ in range(LINES_PER_SECOND + 5):
            recorder.done(caller())
        recorder.done(caller("10.0.0.2"))
        assert len(logged.audited()) == LINES_PER_SECOND + 1
        now[0] = 1
        recorder.done(caller())
        assert logged.audited()[-1]["unsaid"] == 5

    def test_the_operator_has_no_address(self, logged: Logged) -> None:
        emit("config.reload", "CONFIG_LOADED", "ok", {}, {"changed": "nothing"})
        assert logged() == ["the operator at this machine: config.reload changed=nothing ok"]


class TestValues:
    def test_enums_by_their_wire_names(self) -> None:
        assert plain([Role.MASTER, RequestMode.MASTER_ONLY, ConnectionPolicy.FREE]) == ["master", "MasterOnly", "Free"]

    def test_bounds(self) -> None:
        assert plain("x" * (MAX_TEXT + 1)) == "x" * MAX_TEXT + "…"
        assert plain("x" * MAX_TEXT) == "x" * MAX_TEXT
        assert plain(range(3)) == "range(0, 3)"
        assert plain(tuple(range(MAX_ITEMS + 2))) == [*range(MAX_ITEMS), "… 2 more"]
        assert plain({"a": "x" * 1000})[-1] == "…"
        assert (plain(None), plain(True), plain(1.5)) == (None, True, 1.5)


class TestFile:
    def observe(self, folder: Path, **settings: int) -> tuple[AuditLog, Logger]:
        log = AuditLog(folder, LogSettings(**settings), Counters())
        assert verifyObject(ILogObserver, log)
        return log, Logger(namespace="newage.telemetry.audit", observer=log)

    def lines(self, folder: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (folder / AUDIT_FILE).read_text("utf-8").splitlines()]

    def test_facts_only_and_a_restart_goes_on(self, tmp_path: Path) -> None:
        for number in range(2):
            log, logger = self.observe(tmp_path)
            logger.info("no fact")
            logger.info("a fact", log_audit={"action": "connect", "outcome": "ok", "number": number})
            log.close()
        lines = self.lines(tmp_path)
        assert [line["number"] for line in lines] == [0, 1]
        assert all(line["at"].endswith("Z") and len(line["at"]) == 24 for line in lines)

    def test_nothing_forges_a_line(self, tmp_path: Path) -> None:
        log, logger = self.observe(tmp_path)
        evil = 'x"}\n{"action": "forged\u2028\x85\x1b[2J\udc80'
        logger.info("x", log_audit={"action": "connect", "clientId": evil})
        log.close()
        [line] = self.lines(tmp_path)
        assert line["clientId"] == evil
        raw = (tmp_path / AUDIT_FILE).read_text("utf-8")
        assert not set(raw) & {"\u2028", "\x85", "\x1b"}

    def test_secrets_by_name_are_not_written(self, tmp_path: Path) -> None:
        log, logger = self.observe(tmp_path)
        logger.info("x", log_audit={"action": "x", "key": "s3cret", "Password": "s3cret"})
        log.close()
        assert "s3cret" not in (tmp_path / AUDIT_FILE).read_text("utf-8")

    def test_a_line_that_is_too_long_is_shortened_to_who_and_what(self, tmp_path: Path) -> None:
        log, logger = self.observe(tmp_path, entry_bytes=256)
        logger.info("x", log_audit={"action": "message.delete", "outcome": "ok", "messages": ["x" * 100] * 10})
        log.close()
        [line] = self.lines(tmp_path)
        del line["at"]
        assert line == {"action": "message.delete", "outcome": "ok", "cut": True}

    def test_full_files_are_set_aside(self, tmp_path: Path) -> None:
        log, logger = self.observe(tmp_path, rotate_bytes=1024, kept_files=1, entry_bytes=512)
        for number in range(50):
            logger.info("x", log_audit={"action": "connect", "number": number})
        log.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == [AUDIT_FILE, f"{AUDIT_FILE}.1"]
        assert all(path.stat().st_size <= 1024 for path in tmp_path.iterdir())
        assert self.lines(tmp_path)[-1]["number"] == 49

    def test_home_keeps_it_while_it_runs(self, tmp_path: Path) -> None:
        home = Home(tmp_path, LogSettings(), Counters(), debug=False, warnings=())
        home.startService()
        emit("room.create", "ROOM_CREATED", "ok", {"identity": "web1"}, {"room": "lobby"})
        home.stopService()
        emit("room.create", "ROOM_CREATED", "ok", {}, {"room": "too late"})
        folder = tmp_path / "logs"
        assert [line["action"] for line in self.lines(folder)] == ["server.start", "room.create", "server.stop"]
        text = (folder / "combined.log").read_text("utf-8")
        for label in ("[SERVER_START]: newage", "[ROOM_CREATED]: web1", "[SERVER_STOP]: newage stopped"):
            assert label in text


def test_a_refused_handshake_is_a_fact_without_its_key(tmp_path: Path, logged: Logged) -> None:
    house = Gatehouse(tmp_path)
    FakeSocket(house, house.door.open("/llm"), Peer("203.0.113.9")).connect(
        {"clientId": "phone", "key": "s3cret", "password": "p4ss"}
    )
    [fact] = logged.audited()
    assert (fact["action"], fact["outcome"], fact["clientId"]) == ("connect", "refused", "phone")
    assert (fact["address"], fact["namespace"]) == ("203.0.113.9", "/llm")
    assert logged.tags() == ["CLIENT_AUTH_FAILED"]
    assert "s3cret" not in repr(logged.events)
    assert "p4ss" not in repr(logged.events)


def test_debug_mode_is_a_fact(tmp_path: Path, logged: Logged) -> None:
    house = Gatehouse(tmp_path)
    switched: list[bool] = []

    def nothing(actor: Caller) -> HubStatus:
        raise AssertionError("nobody asks")

    logs = LogReader(None, InlineWorkers(), Live(LogReaderSettings()))
    diagnostics = Diagnostics(outbox=house.outbox, status=nothing, logs=logs, set_debug=switched.append)
    namespace = Namespace("/debug", connect=lambda socket, auth: None, disconnected=lambda socket, reason: None)
    namespace.add(DebugEvents(diagnostics=diagnostics).handlers())
    socket = FakeSocket(house, namespace)
    monitor = Session(client_id="monitor", identity="monitor", client_type="monitor")
    socket.caller = Caller(sid="s", namespace="/debug", session=monitor, peer=Peer("::1"), sensitive=True)
    assert socket.ask("TOGGLE_DEBUG_MODE")["debugMode"] is True
    diagnostics.operator_switches(False)
    assert switched == [True, False]
    assert logged.tags() == ["DEBUG_MODE_ENABLED", "DEBUG_MODE_DISABLED"]
    assert [fact.get("identity") for fact in logged.audited()] == ["monitor", None]
