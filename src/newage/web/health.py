"""Tells a supervisor whether the process turns, and whether it can serve: ``/healthz`` and ``/readyz`` (B4).

Neither asks who is there: a probe sends no ``Host`` of ours, or none. What they say is one word, and nothing of it is
logged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from newage.web.files import method_allowed
from newage.web.responses import TEXT, answer

if TYPE_CHECKING:
    from twisted.python.failure import Failure
    from twisted.web.http import Request

_log = Logger()

ALIVE: Final = b"/healthz"
READY: Final = b"/readyz"
PATHS: Final = frozenset({ALIVE, READY})

# Fires with what keeps the hub from serving, in one word; with nothing when it can serve.
Obstacle = Callable[[], "Deferred[str]"]


class HealthResource(Resource):
    """Both of them.

    :param obstacle: asked at each ``/readyz``; bounded in time, and cheap.
    """

    isLeaf = True

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__()
        self._obstacle = obstacle

    def render(self, request: Request) -> int:
        request.responseHeaders.setRawHeaders(b"Cache-Control", [b"no-store"])
        if not method_allowed(request):
            return NOT_DONE_YET
        if request.path == ALIVE:
            _tell(request, "")
        else:
            asked = self._obstacle()
            asked.addCallback(partial(_tell, request))
            asked.addErrback(self._failed, request)
        return NOT_DONE_YET

    def _failed(self, failure: Failure, request: Request) -> None:
        _log.failure("whether the hub can serve could not be found out", failure)
        _tell(request, "fault")


def _tell(request: Request, obstacle: str) -> None:
    answer(request, 503 if obstacle else 200, obstacle.encode() or b"ok", TEXT)
