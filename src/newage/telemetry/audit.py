"""Who did what, from where, with what outcome: one fact is one labelled log entry and one line of ``audit.jsonl``.

A fact is an event of twisted.logger with a field ``log_audit``, which ``AuditLog`` writes. Nothing here is on
the token path. Names, ids, roles and modes are kept; keys, passwords and what people say to each other are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import Any

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel
from zope.interface import implementer

from newage.domain.model import Caller, Session
from newage.errors import AuthenticationFailed, BadKey, NewAgeError, NotAuthorised
from newage.telemetry.logs import SAFE_IN_JSON, SECRET_NAMES, LogFile, LogSettings
from newage.telemetry.metrics import Counters
from newage.telemetry.quota import AddressQuotas

_log = Logger(namespace="newage.audit")

AUDIT_FILE = "audit.jsonl"
OK, WARNING, REFUSED, FAILED = "ok", "warning", "refused", "failed"
LINES_PER_SECOND = 20  # of one kind of fact that one address may cause; the others are only counted
MAX_TEXT = 200  # characters of a text in a fact
MAX_ITEMS = 50  # of a list in a fact


class Recorder:
    """Records one kind of fact, so much of it as an address may cause.

    :param action: what is done, as it stands in the audit log: ``room.create``.
    :param tag: the label in the log files (contract 1.5).
    :param failed_tag: the label when it was not done.
    :param audited: False for what belongs into the log files alone.
    :param keep: name in the line -> attribute of the parsed request; the empty attribute is the request itself.
    """

    __slots__ = ("_failed_tag", "_keep", "_quotas", "_tag", "action", "audited")

    def __init__(
        self,
        action: str,
        tag: str,
        failed_tag: str = "WARNING",
        *,
        audited: bool = True,
        now: Callable[[], float] = monotonic,
        **keep: str,
    ) -> None:
        self.action = action
        self.audited = audited
        self._tag = tag
        self._failed_tag = failed_tag
        self._keep = keep
        self._quotas = AddressQuotas(LINES_PER_SECOND, now)

    def done(self, caller: Caller, request: Any = None, *, outcome: str = OK, **details: Any) -> None:
        """It was done.

        :param outcome: FAILED for what was done as asked, but to no avail.
        """
        tag = self._failed_tag if outcome == FAILED else self._tag
        self._record(tag, outcome, of_caller(caller), {**self._kept(request), **details})

    def failed(self, caller: Caller, request: Any, error: NewAgeError, **details: Any) -> None:
        """It was refused, or went wrong."""
        told = {**self._kept(request), **details}
        self._record(self._failed_tag, outcome_of(error), of_caller(caller), told, error)

    def _kept(self, request: Any) -> dict[str, Any]:
        if request is None:
            return {}
        kept = {name: getattr(request, source) if source else request for name, source in self._keep.items()}
        return {name: value for name, value in kept.items() if value is not None}

    def _record(
        self, tag: str, outcome: str, who: dict[str, Any], details: dict[str, Any], error: NewAgeError | None = None
    ) -> None:
        unsaid = self._quotas.take(str(who.get("address", "")))
        if unsaid is None:
            return
        if unsaid:
            details["unsaid"] = unsaid
        emit(self.action, tag, outcome, who, details, error, audited=self.audited)


def emit(
    action: str,
    tag: str,
    outcome: str,
    who: dict[str, Any],
    details: dict[str, Any],
    error: NewAgeError | None = None,
    *,
    audited: bool = True,
) -> None:
    """One fact, whatever the number of those before it: for what no peer can provoke.

    :param error: why it was not done.
    """
    if error is not None:
        details = {**details, "errorCode": error.error_code, "reason": str(error)}
    facts = {"action": action, "outcome": outcome, **{name: plain(v) for name, v in {**who, **details}.items()}}
    level = LogLevel.warn if outcome == REFUSED or "reason" in facts else LogLevel.info
    told = {"errorCode", "reason", "address", "clientId", "identity", "kind", "namespace", "action", "outcome"}
    shown = " ".join(f"{name}={value}" for name, value in facts.items() if name not in told)
    name = facts.get("identity", facts.get("clientId", "the operator"))
    _log.emit(
        level,
        "{who} at {address}: {what} {result}",
        who=name,
        address=facts.get("address", "this machine"),
        what=f"{action} {shown}".rstrip(),
        result=f"- {outcome}: {facts['reason']}" if "reason" in facts else outcome,
        tag=tag,
        error_code=facts.get("errorCode"),
        **({"log_audit": facts} if audited else {}),
    )


def of_caller(caller: Caller) -> dict[str, Any]:
    return {
        "identity": caller.identity,
        "clientId": caller.client_id,
        "kind": caller.kind.value,
        "address": caller.peer.address,
        "namespace": caller.namespace,
    }


def of_session(session: Session) -> dict[str, Any]:
    """What a session says of itself, beyond what ``of_caller`` tells."""
    return {"clientType": session.client_type}


def outcome_of(error: NewAgeError) -> str:
    return REFUSED if isinstance(error, NotAuthorised | AuthenticationFailed | BadKey) else FAILED


def plain(value: Any) -> Any:
    """A value as JSON of a bounded size."""
    if isinstance(value, Enum):
        wire = getattr(value, "wire", value.value)
        return plain(wire)
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(each) for each in list(value)[:MAX_ITEMS]]
        return [*items, f"… {len(value) - MAX_ITEMS} more"] if len(value) > MAX_ITEMS else items
    return plain(repr(value))


@implementer(ILogObserver)
class AuditLog:
    """Writes facts, one JSON object a line, into ``audit.jsonl``; it outlives a restart.

    :param folder: exists.
    :raises OSError: the file cannot be opened.
    """

    def __init__(self, folder: Path, settings: LogSettings, counters: Counters) -> None:
        self._counters = counters
        self._entry_bytes = settings.entry_bytes
        self._file = LogFile(folder / AUDIT_FILE, settings, counters, append=True)

    def __call__(self, event: LogEvent) -> None:
        facts = event.get("log_audit")
        if not isinstance(facts, dict):
            return
        self._counters.add("audit_lines")
        line = self._line(event, facts)
        if len(line) > self._entry_bytes:  # half an object would be no line at all
            short = {name: facts[name] for name in ("action", "outcome", "identity", "address") if name in facts}
            line = self._line(event, {**short, "cut": True})
        self._file.write(line)

    @staticmethod
    def _line(event: LogEvent, facts: dict[str, Any]) -> bytes:
        at = datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds")
        known = {name: "(not logged)" if name.lower() in SECRET_NAMES else value for name, value in facts.items()}
        text = json.dumps({"at": at.replace("+00:00", "Z"), **known}, ensure_ascii=False, default=repr)
        return (text.translate(SAFE_IN_JSON) + "\n").encode("utf-8", "backslashreplace")

    def close(self) -> None:
        self._file.close()
