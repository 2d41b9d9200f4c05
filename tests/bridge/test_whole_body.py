"""The body of a request that the hub sends."""

from __future__ import annotations

from twisted.internet.testing import StringTransport
from twisted.web.iweb import IBodyProducer
from zope.interface.verify import verifyObject

from deferreds import value
from newage.bridge.whole_body import WholeBody


def test_it_is_written_at_once() -> None:
    body, to = WholeBody(b"all of it"), StringTransport()
    assert verifyObject(IBodyProducer, body)
    assert (body.length, value(body.startProducing(to)), to.value()) == (9, None, b"all of it")
    body.pauseProducing()
    body.resumeProducing()
    body.stopProducing()
