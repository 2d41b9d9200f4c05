"""One output to every kind of receiver: complete in one form or absent (contract 5.7.6 with A9 and A13; 47-51)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from zope.interface.verify import verifyObject

from hubkit import Kit, result_of, shown_output
from newage.domain.model import Role
from newage.ports import IChannel, IRoomListener, ISessionListener
from newage.services.streams.library_reader import CANONICAL, MAX_WRITE
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import OutputText

ALIAS = "streamed_data"
META = {
    "streamId": "s1",
    "outputId": "o1",
    "requestId": "r1",
    "source": "server",
    "roomName": "web1",
    "clientId": "X",
    "identity": "X",
}


class Reader:
    """What one client does: a library that listens to these stream names, or a plain listener when there are none."""

    def __init__(self, kit: Kit, sid: str, *names: str) -> None:
        self.kit = kit
        self.sid = sid
        self.names = names
        self.texts: dict[str, bytes] = {}  # stream id -> what was written
        self.name_of: dict[str, str] = {}
        self.over: dict[str, str] = {}  # stream id -> 'end', or the words of the error
        self.wants: list[str] = []  # streams to read from
        self.unread: set[str] = set()  # opened, nobody here listens
        self._seen = 0

    def look(self) -> None:
        """Take notice of what came; a write is acked and asks for the next read."""
        events = self.kit.outbox.got(self.sid)
        for sent in events[self._seen :]:
            if sent.event == "$stream":
                name, stream_id = sent.args[0], sent.args[1]["$stream"]
                assert stream_id not in self.name_of, "an id was used twice"
                assert sent.args[1] == {"$stream": stream_id}
                self.name_of[stream_id] = name
                if name in self.names:
                    self.texts[stream_id] = b""
                    self.wants.append(stream_id)
                else:
                    self.unread.add(stream_id)
            elif sent.event == "$stream-write":
                self._written(sent.args)
            elif sent.event in ("$stream-end", "$stream-error"):
                assert sent.args[0] not in self.over, "ended twice"
                self.over[sent.args[0]] = "end" if sent.event == "$stream-end" else sent.args[1]
        self._seen = len(events)

    def _written(self, args: tuple[Any, ...]) -> None:
        stream_id, chunk, encoding = args
        raw = chunk if encoding == "buffer" else chunk.encode()
        assert isinstance(chunk, bytes if encoding == "buffer" else str)
        assert stream_id in self.texts, "written to a stream nobody read"
        assert stream_id not in self.wants, "written without a read"
        assert stream_id not in self.over
        assert 0 < len(raw) <= MAX_WRITE
        raw.decode()
        self.texts[stream_id] += raw
        self.kit.outbox.acknowledge(sid=self.sid)
        self.wants.append(stream_id)

    def read(self) -> bool:
        """Read once from each stream that may be read; was there one?"""
        self.look()
        wanted, self.wants = [s for s in self.wants if s not in self.over], []
        for stream_id in wanted:
            self.kit.downstream.read(self.sid, stream_id)
        self.look()
        return bool(wanted)

    def read_all(self) -> None:
        for _ in range(1000):
            before = sum(map(len, self.texts.values()))
            if not self.read() or (sum(map(len, self.texts.values())) == before and not self.wants):
                return

    @property
    def plain(self) -> list[Any]:
        return self.kit.outbox.bodies(self.sid, CANONICAL)

    @property
    def plain_text(self) -> str:
        return "".join(body["data"] for body in self.plain)

    @property
    def stream_texts(self) -> list[str]:
        return [text.decode() for text in self.texts.values()]

    @property
    def ends(self) -> list[Any]:
        return self.kit.outbox.bodies(self.sid, "SERVER_STREAM_END")

    def opened(self) -> list[str]:
        self.look()
        return list(self.name_of.values())


def reader(kit: Kit, *names: str, room: str = "web1", **declared: Any) -> Reader:
    return Reader(kit, kit.connect(room, **declared), *names)


def begin(kit: Kit, room: str = "web1", output_id: str = "o1") -> OutputText:
    return shown(kit, kit.room_id(room), room, output_id)


def shown(kit: Kit, room_id: str, room: str = "web1", output_id: str = "o1") -> OutputText:
    output = OutputText()
    about = shown_output(kit, room, output_id=output_id, room_id=room_id)
    kit.downstream.show(output, about)
    return output


def pushed(feed: OutputText, *texts: str) -> str:
    for text in texts:
        feed.push(text)
    return "".join(texts)


def form_timers(kit: Kit) -> list[str]:
    return [str(call) for call in kit.clock.getDelayedCalls() if "Receivers." in str(call)]


def nothing_left(kit: Kit) -> None:
    kit.clock.advance(0.4)  # the probes that run
    assert kit.downstream.open_forms == 0
    assert form_timers(kit) == []


def test_it_listens(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.downstream)
    assert verifyObject(IRoomListener, kit.downstream)
    assert verifyObject(IChannel, kit.outbox.channel([]))


# ------------------------------------------------------------------------------------------------------ declared forms


def test_declared_plain_gets_exactly_plain_events(kit: Kit) -> None:
    web = reader(kit, stream_mode="plain")
    feed = begin(kit)
    pushed(feed, "a", "b")
    feed.end()
    assert kit.outbox.names(web.sid) == [CANONICAL, CANONICAL, "SERVER_STREAM_END"]
    head = {
        "streamId": "s1",
        "outputId": "o1",
        "requestId": "r1",
        "source": "server",
        "roomName": "web1",
        "identity": "X",
    }
    assert web.plain == [
        {"type": 2, **head, "chunkIndex": 0, "data": "a"},
        {"type": 2, **head, "chunkIndex": 1, "data": "b"},
    ]
    assert web.ends == [{"type": 3, **head, "chunks": 2, "data": "ab", "failed": False, "stored": False}]
    nothing_left(kit)


def test_declared_library_gets_exactly_a_stream(kit: Kit) -> None:
    web = reader(kit, CANONICAL, stream_mode="ss")
    feed = begin(kit)
    assert web.opened() == [CANONICAL]
    web.read()
    text = pushed(feed, "a", "b")
    web.read_all()
    feed.end()
    web.look()
    assert web.stream_texts == [text]
    assert list(web.over.values()) == ["end"]
    assert set(kit.outbox.names(web.sid)) == {"$stream", "$stream-write", "$stream-end"}
    nothing_left(kit)


def test_the_open_says_what_the_stream_is(kit: Kit) -> None:
    web = reader(kit, CANONICAL, stream_mode="ss")
    begin(kit)
    name, placeholder, meta = kit.outbox.got(web.sid, "$stream")[0].args
    assert (name, len(placeholder["$stream"]), meta) == (CANONICAL, 36, META)


def test_a_declared_library_that_reads_late_reads_everything(kit: Kit) -> None:
    web = reader(kit, CANONICAL, stream_mode="ss")
    feed = begin(kit)
    text = pushed(feed, "a", "b", "c")
    feed.end()
    kit.clock.advance(60)
    web.read_all()
    assert web.stream_texts == [text]
    assert list(web.over.values()) == ["end"]
    nothing_left(kit)


def test_a_stream_nobody_finishes_is_given_up(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_drain_seconds=10))
    web = reader(kit, CANONICAL, stream_mode="ss")
    feed = begin(kit)
    feed.push("a")
    feed.end()
    kit.clock.advance(9)
    web.look()
    assert web.over == {}
    kit.clock.advance(1)
    web.look()
    assert list(web.over.values()) == ["Stream timed out."]
    nothing_left(kit)


# ------------------------------------------------------------------------------------------------- undeclared: probing


def test_the_unknown_are_offered_both_names_and_nothing_else_yet(kit: Kit) -> None:
    web = reader(kit)
    feed = begin(kit)
    pushed(feed, "a", "b")
    kit.clock.advance(0.39)
    assert web.opened() == [CANONICAL, ALIAS]
    assert kit.outbox.names(web.sid) == ["$stream", "$stream"]
    feed.end()


@pytest.mark.parametrize("names", [(CANONICAL,), (ALIAS,), (CANONICAL, ALIAS)])
def test_whoever_reads_gets_the_whole_text_in_every_stream_he_reads(kit: Kit, names: tuple[str, ...]) -> None:
    web = reader(kit, *names)
    feed = begin(kit)
    first = pushed(feed, "one ", "two ")
    kit.clock.advance(0.3)
    web.read_all()
    text = first + pushed(feed, "three")
    web.read_all()
    feed.end()
    assert [end["data"] for end in web.ends] == [text]
    nothing_left(kit)
    web.look()
    assert web.stream_texts == [text] * len(names)
    assert set(web.over.values()) == {"end"}
    assert len(web.over) == 2  # the one nobody read, too
    assert web.plain == []
    assert len(web.ends) == 1


def test_whoever_does_not_read_gets_plain_events_from_the_start(kit: Kit) -> None:
    web = reader(kit)
    feed = begin(kit)
    pushed(feed, "one ", "two ")
    kit.clock.advance(0.4)
    assert [(b["chunkIndex"], b["data"]) for b in web.plain] == [(0, "one "), (1, "two ")]
    pushed(feed, "three")
    feed.end()
    assert [(b["chunkIndex"], b["data"]) for b in web.plain][2:] == [(2, "three")]
    assert kit.outbox.bodies(web.sid, ALIAS) == web.plain
    assert [end["data"] for end in web.ends] == ["one two three"]
    assert kit.outbox.bodies(web.sid, "streamed_end") == web.ends
    web.look()
    assert sorted(web.over.values()) == ["end", "end"]  # the streams nobody read
    nothing_left(kit)


def test_aliases_can_be_switched_off(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(alias_events=False))
    web = reader(kit)
    feed = begin(kit)
    feed.push("a")
    kit.clock.advance(0.4)
    feed.end()
    assert set(kit.outbox.names(web.sid)) == {"$stream", CANONICAL, "$stream-end", "SERVER_STREAM_END"}


def test_an_output_that_is_over_before_the_probe_is_told_then(kit: Kit) -> None:
    web = reader(kit)
    feed = begin(kit)
    pushed(feed, "one ", "two")
    feed.end()
    assert (web.plain, web.ends) == ([], [])
    kit.clock.advance(0.4)
    assert web.plain_text == "one two"
    assert len(web.ends) == 1
    nothing_left(kit)


def test_a_first_read_after_the_end_and_within_the_probe(kit: Kit) -> None:
    web = reader(kit, ALIAS)
    feed = begin(kit)
    text = pushed(feed, "one ", "two")
    feed.end()
    kit.clock.advance(0.3)
    web.read_all()
    assert web.stream_texts == [text]
    assert len(web.ends) == 1
    nothing_left(kit)
    web.look()
    assert sorted(web.over.values()) == ["end", "end"]


def test_who_reads_both_has_time_to_ask_for_the_second(kit: Kit) -> None:
    web = reader(kit, CANONICAL, ALIAS)
    feed = begin(kit)
    text = pushed(feed, "one ", "two")
    web.look()
    kit.downstream.read(web.sid, web.wants.pop(0))
    feed.end()
    web.read_all()
    assert web.stream_texts == [text, text]
    assert len(web.ends) == 1
    nothing_left(kit)


def test_the_probe_time_is_a_setting(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_probe_ms=50))
    web = reader(kit)
    feed = begin(kit)
    feed.push("a")
    kit.clock.advance(0.05)
    assert web.plain_text == "a"
    feed.end()


def test_who_is_probed_after_another_went_gets_the_whole_text(kit: Kit) -> None:
    gone = reader(kit)
    feed = begin(kit)
    feed.push("one ")
    kit.disconnect(gone.sid)
    feed.push("two ")
    web = reader(kit)
    feed.push("three")
    kit.clock.advance(0.4)
    feed.push("!")
    assert [(b["chunkIndex"], b["data"]) for b in web.plain] == [(2, "one two three"), (3, "!")]
    feed.end()
    nothing_left(kit)


def test_a_known_plain_listener_waits_no_more(kit: Kit) -> None:
    web = reader(kit)
    begin(kit).end()
    kit.clock.advance(0.4)
    kit.outbox.clear()
    feed = begin(kit)
    feed.push("now")
    assert kit.outbox.names(web.sid) == ["$stream", CANONICAL, ALIAS]
    feed.end()
    nothing_left(kit)


@pytest.mark.parametrize("names", [(CANONICAL,), (ALIAS,), (CANONICAL, ALIAS)])
def test_a_known_library_gets_only_the_names_it_reads(kit: Kit, names: tuple[str, ...]) -> None:
    web = reader(kit, *names)
    feed = begin(kit)
    web.read()
    feed.end()
    kit.clock.advance(0.4)
    kit.outbox.clear()
    again = Reader(kit, web.sid, *names)
    feed = begin(kit)
    text = pushed(feed, "now")
    assert sorted(again.opened()) == sorted(names)
    again.read_all()
    feed.end()
    again.look()
    assert again.stream_texts == [text] * len(names)
    assert again.plain == []
    nothing_left(kit)


def test_a_known_library_that_is_slow_to_read_is_waited_for(kit: Kit) -> None:
    web = reader(kit, CANONICAL)
    feed = begin(kit)
    web.read()
    feed.end()
    kit.clock.advance(0.4)
    feed = begin(kit)
    text = pushed(feed, "second")
    feed.end()
    web.look()
    assert len(web.over) == 2
    kit.clock.advance(1)
    web.read_all()
    assert web.stream_texts == ["", text]
    nothing_left(kit)


def test_a_late_first_read_moves_the_socket_to_the_library(kit: Kit) -> None:
    web = reader(kit, CANONICAL)
    feed = begin(kit)
    text = pushed(feed, "one ", "two ")
    kit.clock.advance(0.4)
    web.read_all()
    text += pushed(feed, "three")
    web.read_all()
    feed.end()
    web.look()
    assert web.stream_texts == [text]
    assert web.plain_text == text  # each form it gets is complete in itself
    assert len(web.ends) == 1
    kit.outbox.clear()
    begin(kit).end()
    assert Reader(kit, web.sid).opened() == [CANONICAL]
    kit.downstream.close()


def test_a_known_plain_listener_may_still_turn_out_a_library(kit: Kit) -> None:
    web = reader(kit, CANONICAL)
    begin(kit).end()
    kit.clock.advance(0.4)
    web.look()
    web.wants.clear()
    feed = begin(kit)
    text = pushed(feed, "x")
    web.read_all()
    feed.end()
    web.look()
    assert web.stream_texts == ["", text]
    assert web.plain_text == text
    nothing_left(kit)


def test_what_a_socket_reads_is_forgotten_with_it(kit: Kit) -> None:
    web = reader(kit)
    begin(kit).end()
    kit.clock.advance(0.4)
    assert kit.downstream.known_names(web.sid) == frozenset()
    kit.disconnect(web.sid)
    assert kit.downstream.known_names(web.sid) is None


# -------------------------------------------------------------------------------------------------------- many at once


def test_every_form_in_one_room_gets_the_same_text(kit: Kit) -> None:
    readers = [
        reader(kit, stream_mode="plain"),
        reader(kit, CANONICAL, stream_mode="ss"),
        reader(kit, CANONICAL),
        reader(kit, ALIAS),
        reader(kit),
    ]
    feed = begin(kit)
    text = pushed(feed, *"abc")
    for web in readers:
        web.read_all()
    kit.clock.advance(0.4)
    text += pushed(feed, *"def")
    feed.end()
    for web in readers:
        web.read_all()
    assert [web.stream_texts or [web.plain_text] for web in readers] == [[text]] * 5
    nothing_left(kit)


def test_two_outputs_at_once_do_not_mix(kit: Kit) -> None:
    web = reader(kit, CANONICAL, stream_mode="ss")
    first, second = begin(kit), begin(kit, output_id="o2")
    first.push("a")
    second.push("b")
    web.read_all()
    first.push("A")
    second.push("B")
    web.read_all()
    first.end()
    second.end()
    web.look()
    assert web.stream_texts == ["aA", "bB"]
    nothing_left(kit)


def test_a_room_without_listeners_costs_nothing_later(kit: Kit) -> None:
    kit.connect("web1", "/rooms")
    feed = begin(kit)
    feed.push("to nobody")
    feed.end()
    nothing_left(kit)
    shown(kit, "nowhere").end()
    nothing_left(kit)


# ---------------------------------------------------------------------------------------------------- coming and going


@pytest.mark.parametrize(
    ("names", "declared"),
    [
        ((), {"stream_mode": "plain"}),
        ((CANONICAL,), {"stream_mode": "ss"}),
        ((CANONICAL,), {}),
        ((ALIAS,), {}),
        ((), {}),
    ],
)
@pytest.mark.parametrize("more", [True, False])
def test_who_attaches_in_the_middle_gets_the_text_from_its_start(
    kit: Kit, names: tuple[str, ...], declared: dict[str, str], more: bool
) -> None:
    reader(kit, stream_mode="plain")
    feed = begin(kit)
    text = pushed(feed, "one ", "two ")
    kit.clock.advance(1)
    web = reader(kit, *names, **declared)
    web.read_all()
    kit.clock.advance(0.4)
    text += pushed(feed, "three") if more else ""
    feed.end()
    web.read_all()
    assert (web.stream_texts or [web.plain_text]) == [text]
    indexes = [body["chunkIndex"] for body in web.plain]
    assert indexes == sorted(set(indexes))
    nothing_left(kit)


def test_who_attaches_before_the_first_chunk_misses_nothing(kit: Kit) -> None:
    feed = begin(kit) if kit.connect("web1", "/rooms") else None
    assert feed is not None
    web = reader(kit, stream_mode="plain")
    text = pushed(feed, "a")
    feed.end()
    assert web.plain_text == text


def test_only_llm_sockets_of_members_are_receivers(kit: Kit) -> None:
    kit.connect("web1")
    feed = begin(kit)
    stranger, rooms = kit.connect("stranger", stream_mode="plain"), kit.connect("web1", "/rooms")
    feed.push("a")
    feed.end()
    assert kit.outbox.names(stranger) == kit.outbox.names(rooms) == []


def test_who_attaches_after_the_end_gets_nothing(kit: Kit) -> None:
    slow = reader(kit, CANONICAL, stream_mode="ss")
    feed = begin(kit)
    feed.push("a")
    feed.end()
    late = reader(kit, stream_mode="plain")
    assert kit.outbox.names(late.sid) == []
    slow.read_all()
    nothing_left(kit)


def test_a_socket_that_goes_in_the_middle_is_no_receiver_any_more(kit: Kit) -> None:
    readers = [
        reader(kit, stream_mode="plain"),
        reader(kit, CANONICAL, stream_mode="ss"),
        reader(kit, CANONICAL),
        reader(kit),
    ]
    stays = reader(kit, stream_mode="plain")
    feed = begin(kit)
    feed.push("a")
    for web in readers:
        web.read()
        kit.disconnect(web.sid)
    feed.push("b")
    feed.end()
    assert stays.plain_text == "ab"
    nothing_left(kit)


def test_a_member_that_joins_in_the_middle_gets_everything(kit: Kit) -> None:
    kit.connect("ann")
    bob = Reader(kit, kit.connect("bob", stream_mode="plain"))
    kit.group("lounge", "ann")
    feed = begin(kit, "lounge")
    text = pushed(feed, "one ")
    result_of(kit.rooms.add("lounge", "bob"))
    text += pushed(feed, "two")
    feed.end()
    assert bob.plain_text == text
    kit.downstream.close()


@pytest.mark.parametrize(("names", "mode"), [((), "plain"), ((CANONICAL,), "ss"), ((CANONICAL,), ""), ((), "")])
def test_a_member_that_leaves_in_the_middle_gets_no_more(kit: Kit, names: tuple[str, ...], mode: str) -> None:
    kit.connect("ann", "/rooms")
    bob = Reader(kit, kit.connect("bob", stream_mode=mode), *names)
    kit.group("lounge", "ann", bob=Role.GUEST)
    feed = begin(kit, "lounge")
    feed.push("one")
    bob.read_all()
    result_of(kit.rooms.remove("lounge", "bob", "kick"))
    feed.push("two")
    kit.clock.advance(1)
    bob.read_all()
    assert (bob.stream_texts or [bob.plain_text])[0] in ("one", "")
    assert set(bob.over) == set(bob.name_of)  # its reader does not wait for ever
    feed.end()
    nothing_left(kit)


def test_a_deleted_room_ends_the_forms_it_opened(kit: Kit) -> None:
    ann = Reader(kit, kit.connect("ann", stream_mode="ss"), CANONICAL)
    bob = Reader(kit, kit.connect("bob", stream_mode="plain"))
    kit.group("lounge", "ann", bob=Role.GUEST)
    feed = begin(kit, "lounge")
    feed.push("half")
    ann.read_all()
    result_of(kit.rooms.delete("lounge"))
    ann.read_all()
    assert list(ann.over.values()) == ["Room deleted."]
    assert [(end["data"], end["failed"]) for end in bob.ends] == [("half", True)]
    nothing_left(kit)


# ------------------------------------------------------------------------------------------------------------ failures


def test_a_failure_reaches_every_form(kit: Kit) -> None:
    library = reader(kit, CANONICAL, stream_mode="ss")
    sleeper = reader(kit, CANONICAL, stream_mode="ss")
    plain = reader(kit, stream_mode="plain")
    feed = begin(kit)
    feed.push("half")
    library.read_all()
    feed.end("CUDA out of memory")
    library.look()
    assert list(library.over.values()) == ["CUDA out of memory"]
    assert [(end["data"], end["failed"]) for end in plain.ends] == [("half", True)]
    sleeper.read_all()
    assert list(sleeper.over.values()) == ["CUDA out of memory"]
    nothing_left(kit)


def test_a_failure_within_the_probe_reaches_the_unknown(kit: Kit) -> None:
    library, plain = reader(kit, CANONICAL), reader(kit)
    feed = begin(kit)
    feed.push("half")
    feed.end("no")
    library.read_all()
    kit.clock.advance(0.4)
    assert "no" in library.over.values()
    assert [(end["data"], end["failed"]) for end in plain.ends] == [("half", True)]
    nothing_left(kit)


def test_closing_leaves_no_timer(kit: Kit) -> None:
    reader(kit)
    reader(kit, CANONICAL, stream_mode="ss")
    begin(kit)
    begin(kit).end()
    assert form_timers(kit) != []
    kit.downstream.close()
    assert form_timers(kit) == []


def test_unknown_streams_and_sockets_are_ignored(kit: Kit) -> None:
    kit.downstream.read("nobody", "nothing")
    kit.downstream.stopped("nobody", "nothing")
    web = reader(kit)
    kit.downstream.read(web.sid, "nothing")
    kit.downstream.stopped(web.sid, "nothing")


def test_a_stream_of_another_socket_cannot_be_read(kit: Kit) -> None:
    web, thief = reader(kit, CANONICAL, stream_mode="ss"), reader(kit, stream_mode="plain", room="thief")
    feed = begin(kit)
    feed.push("secret")
    web.look()
    kit.downstream.read(thief.sid, web.wants[0])
    assert kit.outbox.names(thief.sid) == []
    feed.end()
    kit.downstream.close()


# ------------------------------------------------------------------------------------------------------------- polling


def poller(kit: Kit, **declared: Any) -> Reader:
    return reader(kit, transport="polling", **(declared or {"stream_mode": "plain"}))


def indexed(web: Reader) -> list[tuple[int, str]]:
    return [(body["chunkIndex"], body["data"]) for body in web.plain]


def test_who_polls_and_keeps_up_gets_what_all_get(kit: Kit) -> None:
    socket, web = reader(kit, stream_mode="plain"), poller(kit)
    feed = begin(kit)
    pushed(feed, "one ", "two")
    feed.end()
    assert (web.plain, web.ends) == (socket.plain, socket.ends)
    assert indexed(web) == [(0, "one "), (1, "two")]
    nothing_left(kit)


def test_text_for_one_who_is_away_is_merged_in_order_and_numbered_as_it_gets_it(kit: Kit) -> None:
    socket, web = reader(kit, stream_mode="plain"), poller(kit)
    feed = begin(kit)
    feed.push("one ")
    kit.outbox.away(web.sid)
    pushed(feed, "two ", "three ")
    kit.outbox.emit(web.sid, "NEWS")
    feed.push("four ")
    kit.outbox.fetch(web.sid)
    feed.push("five")
    feed.end()
    assert indexed(web) == [(0, "one "), (1, "two three four "), (2, "five")]
    assert [(end["chunks"], end["data"]) for end in web.ends] == [(3, "one two three four five")]
    assert kit.outbox.names(web.sid) == [CANONICAL, CANONICAL, "NEWS", CANONICAL, "SERVER_STREAM_END"]
    assert len(indexed(socket)) == 5
    assert [end["chunks"] for end in socket.ends] == [5]
    nothing_left(kit)


def test_an_output_that_ends_while_its_reader_is_away(kit: Kit) -> None:
    web = poller(kit)
    feed = begin(kit)
    kit.outbox.away(web.sid)
    text = pushed(feed, "one ", "two ", "three")
    feed.end()
    nothing_left(kit)
    kit.outbox.fetch(web.sid)
    assert indexed(web) == [(0, text)]
    assert [(end["chunks"], end["data"]) for end in web.ends] == [(1, text)]


def test_the_undeclared_that_are_away_are_told_under_both_names(kit: Kit) -> None:
    web = poller(kit, stream_mode="")
    feed = begin(kit)
    pushed(feed, "one ", "two ")
    kit.outbox.away(web.sid)
    kit.clock.advance(0.4)
    feed.push("three")
    kit.outbox.fetch(web.sid)
    feed.end()
    assert indexed(web) == [(0, "one two three")]
    assert kit.outbox.bodies(web.sid, ALIAS) == web.plain
    assert kit.outbox.bodies(web.sid, "streamed_end") == web.ends
    assert [end["chunks"] for end in web.ends] == [1]
    nothing_left(kit)


def test_who_leaves_while_away_gets_nothing_of_what_came_after(kit: Kit) -> None:
    kit.connect("ann", "/rooms")
    bob = Reader(kit, kit.connect("bob", stream_mode="plain", transport="polling"))
    kit.group("lounge", "ann", bob=Role.GUEST)
    feed = begin(kit, "lounge")
    kit.outbox.away(bob.sid)
    feed.push("before")
    result_of(kit.rooms.remove("lounge", "bob", "kick"))
    pushed(feed, "after")
    feed.end()
    kit.outbox.fetch(bob.sid)
    assert (indexed(bob), bob.ends) == ([(0, "before")], [])
    nothing_left(kit)


def test_two_outputs_for_one_who_is_away_do_not_mix(kit: Kit) -> None:
    web = poller(kit)
    first, second = begin(kit), begin(kit, output_id="o2")
    kit.outbox.away(web.sid)
    for text in "abc":
        first.push(text)
        second.push(text.upper())
    kit.outbox.fetch(web.sid)
    assert [(body["outputId"], body["chunkIndex"], body["data"]) for body in web.plain] == [
        ("o1", 0, "abc"),
        ("o2", 0, "ABC"),
    ]
    first.end()
    second.end()
    nothing_left(kit)


def test_who_comes_in_the_middle_and_polls_gets_what_he_missed_under_the_last_index(kit: Kit) -> None:
    socket = reader(kit, stream_mode="plain")
    feed = begin(kit)
    pushed(feed, "one ", "two ")
    web = poller(kit)
    feed.push("three")
    feed.end()
    assert indexed(web) == [(1, "one two "), (2, "three")]
    assert web.ends == socket.ends
    nothing_left(kit)


# --------------------------------------------------------------------------------------------------------------- model


class FeedMachine(RuleBasedStateMachine):
    """Any interleaving of chunks, reads, attaches, detaches, time and the end: every receiver has the whole text.

    Nothing is left behind, nothing is written without a read, and nothing is empty or cut inside a character.
    """

    KINDS: ClassVar[tuple[tuple[tuple[str, ...], dict[str, str]], ...]] = (
        ((), {"stream_mode": "plain"}),
        ((CANONICAL,), {"stream_mode": "ss"}),
        ((CANONICAL,), {}),
        ((ALIAS,), {}),
        ((CANONICAL, ALIAS), {}),
        ((), {}),
    )

    def __init__(self) -> None:
        super().__init__()
        self.kit = Kit(downstream=DownstreamSettings(stream_drain_seconds=10_000))
        self.kit.connect("web1", "/rooms")
        self.readers: list[Reader] = []
        self.feed = begin(self.kit)
        self.text = ""
        self.over = False

    @precondition(lambda self: not self.over)
    @rule(kind=st.sampled_from(KINDS), transport=st.sampled_from(["websocket", "polling"]))
    def attach(self, kind: tuple[tuple[str, ...], dict[str, str]], transport: str) -> None:
        names, declared = kind
        self.readers.append(reader(self.kit, *names, transport=transport, **declared))

    @precondition(lambda self: not self.over)
    @rule(text=st.text("aä\u20ac\U0001f600", min_size=1, max_size=5), times=st.sampled_from([1, 1, 1, 8000]))
    def push(self, text: str, times: int) -> None:
        self.feed.push(text * times)
        self.text += text * times

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.readers)).read()

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def go_away(self, data: st.DataObject) -> None:
        web = data.draw(st.sampled_from(self.readers))
        if self.kit.outbox.transport(web.sid) == "polling":
            self.kit.outbox.away(web.sid)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        self.kit.outbox.fetch(data.draw(st.sampled_from(self.readers)).sid)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(self.readers))
        self.readers.remove(gone)
        self.kit.disconnect(gone.sid)

    @rule(seconds=st.sampled_from([0.1, 0.2, 0.4]))
    def wait(self, seconds: float) -> None:
        self.kit.clock.advance(seconds)

    @precondition(lambda self: not self.over and len(self.readers) > 2)
    @rule()
    def end(self) -> None:
        self.feed.end()
        self.over = True

    @invariant()
    def what_came_so_far_is_a_beginning_of_the_text(self) -> None:
        for web in self.readers:
            web.look()
            for text in (*web.stream_texts, web.plain_text):
                assert self.text.startswith(text)

    def teardown(self) -> None:
        if not self.over:
            self.feed.end()
        for _ in range(3):
            for web in self.readers:
                self.kit.outbox.fetch(web.sid)
                web.read_all()
            self.kit.clock.advance(0.4)
        for web in self.readers:
            declared = self.kit.caller(web.sid).stream_mode
            # Who had not read when the probe and the output were over finds his streams empty, and has plain events.
            allowed = {self.text, ""} if web.plain_text == self.text else {self.text}
            assert set(web.stream_texts) <= allowed, "a stream is not the whole text"
            assert len(web.ends) == (0 if declared == "ss" else 1)
            assert all(end["data"] == self.text for end in web.ends)
            if web.plain and web.ends:
                assert web.ends[0]["chunks"] == web.plain[-1]["chunkIndex"] + 1
            assert web.plain_text in (self.text, "")
            assert web.plain_text or web.names or not self.text
            assert set(web.over) == set(web.name_of)
            assert set(web.over.values()) <= {"end"}
            indexes = [body["chunkIndex"] for body in web.plain]
            assert indexes == sorted(set(indexes))
        nothing_left(self.kit)
        self.kit.close()


FeedMachine.TestCase.settings = hypothesis_settings(max_examples=80, stateful_step_count=25, deadline=None)
TestFeedMachine = FeedMachine.TestCase
