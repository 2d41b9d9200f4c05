"""Work off the reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class IWorkers(Interface):
    """Threads for work that would block the reactor: SQL, hashes, files. The queue before them is bounded."""

    def run(work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Run ``work(*args)`` in a thread, first come first served.

        :return: fires in the reactor with the result or the failure of ``work``; fails with Unavailable when the
            queue is full or the threads are stopped.
        """

    def close() -> Deferred[None]:
        """Take nothing more; fires when what was taken is done and the threads have ended."""
