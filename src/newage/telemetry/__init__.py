"""What the hub says about itself: log files, audit, counters."""

from newage.telemetry.logs import AuditLog, Counters, LogFiles, LogQuota, LogSettings

__all__ = ["AuditLog", "Counters", "LogFiles", "LogQuota", "LogSettings"]
