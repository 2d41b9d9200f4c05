"""The doubles are what they stand for."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from gateway_doubles import FakePollingSink, FakeSink
from newage.ports import IFrameSink, IPollingSink


def test_the_sinks_are_sinks() -> None:
    assert verifyObject(IFrameSink, FakeSink())
    assert verifyObject(IPollingSink, FakePollingSink())
