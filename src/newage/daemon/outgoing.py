"""The one way by which the hub asks anybody over HTTP: model servers, receivers of webhooks, itself."""

from __future__ import annotations

from typing import Any

from twisted.web.client import Agent, HTTPConnectionPool, _HTTP11ClientFactory


class _QuietFactory(_HTTP11ClientFactory):
    noisy = False


class _QuietPool(HTTPConnectionPool):
    """Its connections begin and end without two lines in the log."""

    _factory = _QuietFactory


def outgoing(reactor: Any, seconds: float) -> Agent:
    """Follows no redirects, keeps no connection: one may have been closed by the server just when it is used again.

    :param seconds: until a connection is there.
    """
    return Agent(reactor, connectTimeout=seconds, pool=_QuietPool(reactor, persistent=False))
