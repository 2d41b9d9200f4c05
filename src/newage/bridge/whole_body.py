"""The body of a request that the hub sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer


@implementer(IBodyProducer)
@frozen
class WholeBody:
    """It is written at once: the transport buffers it, and it is bounded."""

    body: bytes

    @property
    def length(self) -> int:
        return len(self.body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self.body)
        return succeed(None)

    def stopProducing(self) -> None:
        """Nothing is left to be produced."""

    def pauseProducing(self) -> None:
        """Likewise."""

    def resumeProducing(self) -> None:
        """Likewise."""
