"""Where a WebSocket is put, so that it gets what its transport receives."""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from web_doubles import MemoryTransport, open_socket

from newage.web.transports.handover import put_in_place


def test_in_the_transport_itself() -> None:
    sink = open_socket().sink
    transport = MemoryTransport()
    put_in_place(transport, sink)
    assert transport.protocol is sink


def test_in_a_wrapper_that_is_the_transport() -> None:
    """TLS from the first byte."""
    sink = open_socket().sink
    wrapper = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
    put_in_place(wrapper, sink)
    fed: object = wrapper.wrappedProtocol
    assert fed is sink


def test_in_a_wrapper_that_the_transport_feeds() -> None:
    """TLS that was begun later: HTTP still has the TCP transport."""
    sink = open_socket().sink
    transport = MemoryTransport()
    transport.protocol = wrapper = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
    put_in_place(transport, sink)
    fed: object = wrapper.wrappedProtocol
    assert (transport.protocol, fed) == (wrapper, sink)
