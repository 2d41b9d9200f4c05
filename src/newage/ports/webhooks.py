"""How receivers outside are told what happens (``bridge``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from newage.domain.webhooks import Said


class IPoster(Interface):
    """Tells one receiver one thing."""

    def post(url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Deferred[Said]:
        """Follows no redirects, verifies TLS, reads a bounded part of the answer.

        :param seconds: until it has answered. :return: fires with what came of it; fails only by being cancelled.
        """
