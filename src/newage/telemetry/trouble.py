"""What goes wrong where nobody waits for it: a line where it was to be expected, a traceback where it was not."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from attrs import Factory, field
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.errors import NewAgeError
from newage.telemetry.quota import LogQuota

LINES_PER_SECOND = 5


class Trouble:
    """Of one service.

    :param log: the service's.
    :param now: a clock in seconds.
    """

    __slots__ = ("_log", "_quota")

    def __init__(self, log: Logger, now: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._quota = LogQuota(LINES_PER_SECOND, now)

    def say(self, text: str, failure: Failure | Exception, **fields: Any) -> None:
        """
        :param text: a format of ``fields``; the reason is added to it.
        :param failure: or the exception that is being handled.
        """
        error = failure.value if isinstance(failure, Failure) else failure
        if not isinstance(error, NewAgeError):
            self._log.failure(text, failure if isinstance(failure, Failure) else None, **fields)
            return
        unsaid = self._quota.take()
        if unsaid is not None:
            more = {"unsaid": unsaid} if unsaid else {}
            self._log.error(text + ": {reason}", reason=str(error), error_code=error.error_code, **fields, **more)


def trouble() -> Any:
    """A field of an attrs class that has a logger, ``_log``."""
    return field(init=False, default=Factory(lambda service: Trouble(service._log), takes_self=True))
