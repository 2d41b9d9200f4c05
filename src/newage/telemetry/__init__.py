"""What the hub says about itself: log files, audit, counters."""

from newage.telemetry.audit import AuditLog
from newage.telemetry.logs import LogFiles, LogSettings
from newage.telemetry.metrics import Counters
from newage.telemetry.quota import LogQuota

__all__ = ["AuditLog", "Counters", "LogFiles", "LogQuota", "LogSettings"]
