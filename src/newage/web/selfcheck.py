"""Asks the hub once, through ``server_address``, how a stranger looks to it (contract B1).

A proxy that neither adds a header nor speaks HTTP/1.0 and writes a loopback name into ``Host`` cannot be told from a
program on this machine. But the hub can send itself a request by the address that people use: if that looks local,
everybody does.
"""

from __future__ import annotations

import secrets
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TooLate
from twisted.logger import Logger
from twisted.web.iweb import IAgent, IResponse

from newage.gateway.engineio.engines import EngineServer
from newage.web.gate import PROBE, Gate
from newage.web.peer import is_loopback, split_host
from newage.web.settings import WebSettings

_log = Logger()

SECONDS: Final = 10.0  # for the whole question


class SelfCheck(Service):
    """Runs beside the hub after its ports are open; whatever comes of it, the hub serves.

    :param clock: ends a question that nobody answers.
    :param agent: asks; a ``twisted.web.client.Agent``.
    """

    def __init__(self, clock: Any, agent: IAgent, settings: WebSettings, gate: Gate, engines: EngineServer) -> None:
        self._clock = clock
        self._agent = agent
        self._gate = gate
        self._engines = engines
        self.url = question(settings)
        self._asking: Deferred[Any] | None = None

    def startService(self) -> None:
        super().startService()
        if self.url:
            nonce = secrets.token_urlsafe(16)
            self._gate.expect(nonce, self._recognised)
            self._asking = self._agent.request(b"GET", f"{self.url}?{PROBE}={nonce}".encode())
            self._asking.addTimeout(SECONDS, self._clock)
            self._asking.addCallbacks(self._answered, self._failed)
            self._asking.addErrback(lambda failed: _log.failure("the self-check failed", failed))

    def stopService(self) -> None:
        super().stopService()
        self._gate.expect_nothing()
        if self._asking is not None:
            self._asking.cancel()

    def _recognised(self, proxied_as_local: bool) -> None:
        """Our own question arrived."""
        if not proxied_as_local:
            _log.info("{url} was asked: who comes that way counts as remote", url=self.url)
            return
        self._gate.act_behind_proxy()
        self._engines.cut_local("transport close")
        _log.warn(
            "whoever comes by {url} looks like a program on this machine, so nobody is local from now on: behind_proxy "
            "is assumed. Let the proxy send X-Forwarded-For and name it in trusted_proxies (docs/security.md)",
            url=self.url,
        )

    def _answered(self, response: IResponse) -> None:
        if self._gate.expect_nothing():
            self._unknown(f"{response.code} came back, and not from this hub")

    def _failed(self, failure: Any) -> None:
        if self._gate.expect_nothing():
            self._unknown("no answer" if failure.check(TooLate) else failure.getErrorMessage()[:200])

    def _unknown(self, why: str) -> None:
        if self.running:
            _log.info(
                "whether who comes by {url} looks local could not be tried: {why}; if a proxy is there, see "
                "behind_proxy (docs/security.md)",
                url=self.url,
                why=why,
            )


def question(settings: WebSettings) -> str:
    """The URL to ask, without its query; nothing where ``server_address`` is this machine or no address at all."""
    address = settings.server_address.strip()
    parts = urlsplit(address if "//" in address else f"http://{address}")
    host = split_host(parts.netloc)
    if parts.scheme not in ("http", "https") or host is None or is_loopback(host):
        return ""
    return f"{parts.scheme}://{parts.netloc}/{settings.socket_io_path.strip('/')}/"
