"""Sockets that follow an output, and those that do not (contract 5.7.7, A21)."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from hubkit import Kit, shown_output
from newage.domain.character import Character
from newage.domain.model import Role
from newage.domain.shown import ShownOutput
from newage.services.streams.followers import Followers
from newage.services.streams.form import Form
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind

REASONING = TextKind.REASONING


def about(kit: Kit, **more: Any) -> ShownOutput:
    return shown_output(kit, identity="X-1", question_id="q1", requester="web1", **more)


def begun(kit: Kit, **more: Any) -> OutputText:
    output = OutputText()
    kit.downstream.show(output, about(kit, **more))
    return output


def events(kit: Kit, sid: str) -> list[tuple[str, Any]]:
    """What came of outputs, shortly."""
    found: list[tuple[str, Any]] = []
    for sent in kit.outbox.got(sid):
        body = sent.body
        match sent.event:
            case "SERVER_STREAM_START":
                found.append(("start", (body["at"], body["rev"])))
            case "SERVER_STREAM_DATA":
                found.append((body["kind"], (body["at"], body["data"])))
            case "SERVER_STREAM_RESET":
                found.append(("reset", (body["kind"], body["at"], body["rev"])))
            case "SERVER_STREAM_END":
                found.append(("end", body["data"]))
            case other:
                assert not other.startswith(("stream", "$stream")), other
    return found


@pytest.fixture(params=["websocket", "polling"])
def sid(kit: Kit, request: pytest.FixtureRequest) -> str:
    return kit.connect("web1", transport=request.param, outputs=True)


def test_it_is_a_reader(kit: Kit) -> None:
    assert verifyObject(IOutputReader, Followers(Form(OutputText(), about(kit)), kit.outbox, "epoch"))


def test_it_begins_grows_is_cut_and_ends(kit: Kit, sid: str) -> None:
    output = begun(kit)
    output.push("one \U0001f600")
    output.push("hm", REASONING)
    output.push("two")
    output.push("!", REASONING)
    output.reset(7)
    output.push("\U0001f600!")
    output.reset(0, REASONING)
    output.end(stored=True, message_id="m1")
    assert events(kit, sid) == [
        ("start", (0, 0)),
        ("text", (0, "one \U0001f600")),
        ("reasoning", (0, "hm")),
        ("text", (6, "two")),
        ("reasoning", (2, "!")),
        ("reset", ("text", 7, 1)),
        ("text", (7, "\U0001f600!")),
        ("reset", ("reasoning", 0, 2)),
        ("end", "one \U0001f600t\U0001f600!"),
    ]


def test_the_bodies_are_those_of_the_contract(kit: Kit, sid: str) -> None:
    output = begun(kit, action="regenerate", character=Character("c1", "Seraphina"))
    output.push("one")
    output.push("hm", REASONING)
    output.reset(2)
    output.end(stored=True, message_id="m1")
    head = {
        "streamId": "s1",
        "outputId": "o1",
        "requestId": "r1",
        "source": "server",
        "roomName": "web1",
        "identity": "X-1",
    }
    character = {"id": "c1", "name": "Seraphina"}
    (start,) = kit.outbox.bodies(sid, "SERVER_STREAM_START")
    assert start == {
        "type": 1,
        "outputId": "o1",
        "requestId": "r1",
        "questionId": "q1",
        "requester": "web1",
        "roomName": "web1",
        "roomId": kit.room_id("web1"),
        "identity": "X-1",
        "clientId": "X",
        "source": "server",
        "action": "regenerate",
        "character": character,
        "at": 0,
        "rev": 0,
        "epoch": kit.downstream.epoch,
    }
    assert kit.outbox.bodies(sid, "SERVER_STREAM_DATA") == [
        {"type": 2, **head, "kind": "text", "at": 0, "chunkIndex": 0, "data": "one"},
        {"type": 2, **head, "kind": "reasoning", "at": 0, "data": "hm"},
    ]
    assert kit.outbox.bodies(sid, "SERVER_STREAM_RESET") == [
        {"outputId": "o1", "requestId": "r1", "roomName": "web1", "kind": "text", "at": 2, "rev": 1}
    ]
    assert kit.outbox.bodies(sid, "SERVER_STREAM_END") == [
        {
            "type": 3,
            **head,
            "chunks": 1,
            "data": "on",
            "failed": False,
            "stored": True,
            "reasoning": "hm",
            "character": character,
            "messageId": "m1",
        }
    ]


def test_others_are_told_as_ever(kit: Kit, sid: str) -> None:
    """Plain listeners, undeclared ones and readers of the library: no start, position, kind or reasoning."""
    plain = [kit.connect("web1", stream_mode="plain", transport=how) for how in ("websocket", "polling")]
    published = kit.connect("web1")
    library = kit.connect("web1", stream_mode="ss")
    kit.clock.advance(1)
    first = begun(kit)
    kit.clock.advance(1)
    first.push("one")
    first.push("hm", REASONING)
    kit.downstream.read(library, kit.outbox.got(library, "$stream")[0].args[1]["$stream"])
    first.reset(2)
    first.push("ce")
    first.push("hm", REASONING)
    first.end(stored=True, message_id="m1")
    names = {"type", "streamId", "outputId", "requestId", "source", "roomName", "identity"}
    for other in (*plain, published):
        (data,) = kit.outbox.bodies(other, "SERVER_STREAM_DATA")
        assert (data.keys(), data["data"]) == (names | {"chunkIndex", "data"}, "one")
        (end,) = kit.outbox.bodies(other, "SERVER_STREAM_END")
        assert (end.keys(), end["data"]) == (names | {"chunks", "data", "failed", "stored"}, "once")
    assert [body["data"] for body in kit.outbox.bodies(published, "streamed_data")] == ["one"]
    assert [sent.args[1] for sent in kit.outbox.got(library, "$stream-write")] == [b"one"]
    for other in (*plain, published, library):
        assert not kit.outbox.got(other, "SERVER_STREAM_START", "SERVER_STREAM_RESET")
    assert len(kit.outbox.bodies(sid, "SERVER_STREAM_DATA")) == 4
    kit.outbox.acknowledge(sid=library)


@pytest.mark.parametrize("mode", ["ss", "plain"])
def test_who_follows_gets_no_other_form_whatever_else_it_declared(kit: Kit, mode: str) -> None:
    sid = kit.connect("web1", outputs=True, stream_mode=mode)
    begun(kit).push("x")
    assert events(kit, sid) == [("start", (0, 0)), ("text", (0, "x"))]


def test_who_comes_in_the_middle_is_told_where_it_is(kit: Kit) -> None:
    kit.connect("web1", outputs=True)
    output = begun(kit)
    output.push("one")
    output.push("hm", REASONING)
    output.reset(2)
    for how in ("websocket", "polling"):
        late = kit.connect("web1", transport=how, outputs=True)
        output.push("!")
        (start, data) = events(kit, late)
        assert start == ("start", (output.text.units - 1, 1))
        assert data == ("text", (output.text.units - 1, "!"))
        assert kit.outbox.bodies(late, "SERVER_STREAM_START")[0]["reasoningAt"] == 2


def test_who_joins_the_room_follows_and_who_leaves_does_not(kit: Kit) -> None:
    kit.connect("other", outputs=True)
    sid = kit.connect("web1", outputs=True)
    output = begun(kit)
    output.push("one")
    room = kit.rooms.require("web1")
    late = kit.sessions.sids("other", "/llm")[0]
    kit.downstream.member_joined(room, "other", Role.GUEST)
    output.push("two")
    kit.downstream.member_left(room, "other", "leave")
    output.push("three")
    output.end()
    assert events(kit, late) == [("start", (3, 0)), ("text", (3, "two"))]
    assert events(kit, sid)[-1] == ("end", "onetwothree")


def test_nobody_follows_and_it_costs_no_reading(kit: Kit) -> None:
    sid = kit.connect("web1", outputs=True)
    output = begun(kit)
    kit.disconnect(sid)
    output.push("one")
    output.reset(1)
    sid = kit.connect("web1", outputs=True)
    output.push("!")
    assert events(kit, sid) == [("start", (1, 1)), ("text", (1, "!"))]


def test_a_cancelled_one_has_not_failed(kit: Kit, sid: str) -> None:
    plain = kit.connect("web1", stream_mode="plain")
    library = kit.connect("web1", stream_mode="ss")
    output = begun(kit)
    kit.downstream.read(library, kit.outbox.got(library, "$stream")[0].args[1]["$stream"])
    output.push("one")
    kit.outbox.acknowledge(sid=library)
    kit.downstream.read(library, kit.outbox.got(library, "$stream")[0].args[1]["$stream"])
    output.end(stored=True, message_id="m1", cancelled=True)
    for each in (sid, plain):
        (end,) = kit.outbox.bodies(each, "SERVER_STREAM_END")
        assert (end["failed"], end["cancelled"], end["partial"], end["data"]) == (False, True, True, "one")
    assert len(kit.outbox.got(library, "$stream-end")) == 1
    assert not kit.outbox.got(library, "$stream-error")
