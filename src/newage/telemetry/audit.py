"""Who did what, from where, with what outcome: one fact is one labelled log entry and one line of ``audit.jsonl``.

A fact is an event of twisted.logger with a field ``log_audit``, which ``telemetry.AuditLog`` writes. Nothing here is on
the token path. Names, ids, roles and modes are kept; keys, passwords and what people say to each other are not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import Any

from twisted.logger import Logger, LogLevel

from newage.domain.model import Caller, Session
from newage.errors import AuthenticationFailed, BadKey, NewAgeError, NotAuthorised
from newage.telemetry.logs import LogQuota

_log = Logger(namespace="newage.audit")

OK, WARNING, REFUSED, FAILED = "ok", "warning", "refused", "failed"
LINES_PER_SECOND = 20  # of one kind of fact that one address may cause; the others are only counted
MAX_ADDRESSES = 256  # of one kind of fact; beyond, the address that was quiet longest starts anew
MAX_TEXT = 200  # characters of a text in a fact
MAX_ITEMS = 50  # of a list in a fact


class AddressQuotas:
    """One quota of log lines for each address.

    :param now: a clock in seconds.
    """

    __slots__ = ("_now", "_per_second", "_quotas")

    def __init__(self, per_second: int, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._quotas: OrderedDict[str, LogQuota] = OrderedDict()

    def take(self, address: str) -> int | None:
        """As ``LogQuota.take``."""
        quota = self._quotas.get(address)
        if quota is None:
            if len(self._quotas) >= MAX_ADDRESSES:
                self._quotas.popitem(last=False)
            quota = self._quotas[address] = LogQuota(self._per_second, self._now)
        else:
            self._quotas.move_to_end(address)
        return quota.take()


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
        if error is not None:
            details |= {"errorCode": error.error_code, "reason": str(error)}
        if unsaid:
            details["unsaid"] = unsaid
        emit(self.action, tag, outcome, who, details, audited=self.audited)


def emit(
    action: str, tag: str, outcome: str, who: dict[str, Any], details: dict[str, Any], *, audited: bool = True
) -> None:
    """One fact, whatever the number of those before it: for what no peer can provoke."""
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
