"""A hub per test, and ``/llm`` over it; whatever a test did, nothing may be left behind when it is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from hubkit import HandSocket, Kit
from newage.domain.forwarded import ForwardedRequest
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.links import SocketLink
from newage.namespaces.llm import ActivityEvents, RequestEvents
from newage.namespaces.llm_requests import CourseEvents
from newage.namespaces.llm_streams import ReaderEvents, UpstreamEvents
from newage.ports import IExtensionLink

X = "SillyTavern-8000"


@pytest.fixture
def kit() -> Iterator[Kit]:
    kit = Kit()
    yield kit
    kit.close()


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


@pytest.fixture
def llm(kit: Kit) -> Namespace:
    namespace = Namespace("/llm", connect=refuse, disconnected=refuse)
    asking = RequestEvents(
        world=kit.world,
        outbox=kit.outbox,
        rooms=kit.rooms,
        requests=kit.requests,
        pages=kit.pages,
        missed=kit.missed,
        earlier=kit.earlier,
        selecting=kit.selecting,
    )
    activity = ActivityEvents(activity=kit.activity, processing=kit.talk.processing)
    upstream = UpstreamEvents(streams=kit.streams, new_id=kit.world.new_id)
    course = CourseEvents(
        rooms=kit.rooms,
        requests=kit.requests,
        lines=kit.talk.lines,
        cancelling=kit.cancelling,
        taking=kit.talk.taking,
    )
    for events in (asking, activity, upstream, course, ReaderEvents(downstream=kit.downstream)):
        namespace.add(events.handlers())
    return namespace


@implementer(IExtensionLink)
class NewestSocket:
    """The way down to the extension: what each socket's own link does, for the newest one."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def forward(self, request: ForwardedRequest) -> None:
        sid = self.kit.sessions.newest(X, "/llm")
        assert sid is not None
        link = SocketLink.of(self.kit.outbox, self.kit.caller(sid))
        assert link is not None
        link.forward(request)

    def stop(self, request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        return succeed(None)


@pytest.fixture
def make_extension(kit: Kit, llm: Namespace) -> Callable[..., HandSocket]:
    """An extension on ``/llm``; what it declares."""

    def make(**declared: Any) -> HandSocket:
        return HandSocket(kit, kit.connect(X, client_type="SillyTavern", link=NewestSocket(kit), **declared))

    return make


@pytest.fixture
def extension(make_extension: Callable[..., HandSocket]) -> HandSocket:
    return make_extension()


@pytest.fixture
def web(kit: Kit, llm: Namespace) -> HandSocket:
    return HandSocket(kit, kit.connect("web1", stream_mode="plain"))
