"""The way down to a connected extension."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from hubkit import Kit, failure_of, result_of
from newage.dialect import requests
from newage.domain.forwarded import ForwardedRequest
from newage.domain.model import RequestMode
from newage.errors import TimedOut
from newage.namespaces.links import SocketLink
from newage.ports import IExtensionLink


def test_only_extensions_have_a_link(kit: Kit) -> None:
    sid = kit.connect("web1")
    assert SocketLink.of(kit.outbox, kit.caller(sid)) is None


def test_a_request_is_one_event_to_its_socket(kit: Kit) -> None:
    first, second = (kit.connect("SillyTavern-1", client_type="SillyTavern") for _ in range(2))
    link = SocketLink.of(kit.outbox, kit.caller(first))
    assert link is not None and verifyObject(IExtensionLink, link)
    request = ForwardedRequest(
        request_id="x1", target="SillyTavern-1", room="web1", mode=RequestMode.CONVERSATIONAL, text="Say something."
    )
    link.forward(request)
    (sent,) = kit.outbox.got(first, "LLM_REQUEST")
    assert sent.body == requests.forwarded(request).body
    assert kit.outbox.got(second, "LLM_REQUEST") == []


def test_it_is_told_to_stop_and_says_that_it_has(kit: Kit) -> None:
    sid = kit.connect("SillyTavern-1", client_type="SillyTavern")
    link = SocketLink.of(kit.outbox, kit.caller(sid))
    assert link is not None
    stopped = link.stop("r1", ("o1",), "cancelled")
    assert kit.outbox.bodies(sid, "CANCEL_REQUEST") == [{"requestId": "r1", "outputIds": ["o1"], "reason": "cancelled"}]
    kit.outbox.acknowledge({"state": "stopped"})
    assert result_of(stopped) is None
    late = link.stop("r1", (), "timeout")
    kit.clock.advance(5)
    assert isinstance(failure_of(late), TimedOut)
