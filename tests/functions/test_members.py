"""Plug-ins in rooms: what they hear and say, what they may, and that they hurt nobody."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import formatEvent
from zope.interface import implementer

from deferreds import SteppedWorkers, outcome, value
from hubkit import Kit
from logkit import Logged
from newage.assembly.calls import make_plugins
from newage.domain.model import RequestMode, Role
from newage.errors import (
    BadParameter,
    CallFailed,
    ClientMissing,
    InvalidRequest,
    NotAuthorised,
    RoomDenied,
    TimedOut,
    Unavailable,
)
from newage.functions.door import function
from newage.functions.hub import Hub
from newage.functions.installed import FUNCTIONS, PLUGINS, Installed
from newage.functions.settings import PluginSettings
from newage.functions.values import Message, Room
from newage.ports import IRequestListener, IWorkers, Said
from newage.services.sessions.sessions import SessionSettings

BOT = "plugin/bot"
LIMITS = PluginSettings(
    says_per_minute=4,
    max_say_bytes=20,
    max_plugin_rooms=2,
    handlers_at_once=2,
    max_waiting_messages=3,
    handler_seconds=100,
)


class House:
    """A kit with plug-ins, a master "ann" and a guest "bob"."""

    def __init__(self, **settings: Any) -> None:
        self.kit = kit = Kit(plugins=LIMITS, **settings)
        self.workers: dict[str, SteppedWorkers] = {}
        self.plugins = make_plugins(kit.basis, kit.sessions, kit.names, kit.talk, self._workers)
        self.ann = self.kit.connect("ann")
        self.bob = self.kit.connect("bob")

    def _workers(self, name: str) -> IWorkers:
        self.workers[name] = workers = SteppedWorkers()
        return workers

    def start(self, setup: Callable[[Hub], Any], name: str = "bot") -> None:
        self.plugins.start([Installed(group=PLUGINS, name=name, value=f"{name}:setup", package="x 1.0", offered=setup)])

    def hub(self, name: str = "bot") -> Hub:
        """Of a plug-in that does nothing by itself."""
        found: list[Hub] = []
        self.start(found.append, name)
        return found[0]

    def table(self, mode: RequestMode = RequestMode.CONVERSATIONAL) -> None:
        self.kit.group("table", "ann", mode, bob=Role.GUEST)

    def says(self, sid: str, text: str, room: str = "table") -> None:
        """Somebody says something; the plug-ins hear it in the next turn."""
        self.kit.submit(sid, text, room=room)
        self.kit.settle()

    def heard_by(self, sid: str) -> list[str]:
        return [body["text"] for body in self.kit.outbox.bodies(sid, "NEW_MESSAGE") if body["role"] != "system"]

    def close(self) -> None:
        self.plugins.close()
        self.kit.close()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


class TestBeingThere:
    def test_it_is_a_client_like_any_other(self, house: House) -> None:
        house.hub()
        session = house.kit.sessions.by_identity(BOT)
        assert session is not None
        assert (session.client_id, session.client_type, session.kind.value) == (BOT, "plugin", "client")
        assert session.desc == "x 1.0, a plug-in of the hub"

    def test_it_joins_a_room_that_is_there(self, house: House) -> None:
        house.table()
        hub = house.hub()
        assert not hub.rooms
        assert value(hub.join("table")) is True
        assert value(hub.join("table")) is True
        members = {"ann": "master", "bob": "guest", BOT: "guest"}
        assert hub.rooms == (Room(name="table", mode="Conversational", members=members),)
        assert house.kit.stored("table")[-1].text == "[System] plugin/bot has joined the room as guest."

    def test_or_as_soon_as_there_is_one(self, house: House) -> None:
        hub = house.hub()
        assert value(hub.join("table")) is False
        house.table()
        assert BOT not in house.kit.rooms.require("table").members
        house.kit.settle()
        assert BOT in house.kit.rooms.require("table").members

    def test_unless_it_has_gone_meanwhile(self, house: House) -> None:
        assert value(house.hub().join("table")) is False
        house.table()
        house.plugins.close()
        house.kit.settle()
        assert BOT not in house.kit.rooms.require("table").members

    def test_it_does_not_wait_for_a_name_that_no_room_can_have(self, house: House) -> None:
        """Somebody's id, a reserved name, one that nobody sees: the wait would never end, and nobody would know."""
        hub = house.hub()
        house.kit.known_clients.add("away")
        house.kit.connect("web", identity="web-1")
        for name in ("away", "web", "System", "hall ", ""):
            with pytest.raises(RoomDenied, match=r"^No room can have this name\.$"):
                value(hub.join(name))

    def test_who_was_kicked_does_not_join_again(self, house: House) -> None:
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        ann = house.kit.sessions.all_callers("ann")[0]
        value(Deferred.fromCoroutine(house.kit.moderation.kick(ann, "table", BOT, -1)))
        with pytest.raises(RoomDenied, match="you were kicked, until that is lifted"):
            value(hub.join("table"))

    def test_it_waits_for_so_many_rooms(self, house: House) -> None:
        hub = house.hub()
        for name in ("a", "b", "a"):
            assert value(hub.join(name)) is False
        with pytest.raises(Unavailable, match="Too many rooms"):
            value(hub.join("c"))
        value(hub.leave("a"))
        assert value(hub.join("c")) is False

    def test_where_nobody_joins_by_himself_it_does_not(self, house: House) -> None:
        with pytest.raises(RoomDenied):
            value(house.hub().join("ann"))

    def test_too_many_joins_are_refused_as_anybodys(self, house: House) -> None:
        house.table()
        hub = house.hub()
        for _ in range(house.kit.live.rooms.value.joins_per_minute):
            value(hub.join("table"))
            value(hub.leave("table"))
        with pytest.raises(Unavailable):
            value(hub.join("table"))

    def test_it_leaves(self, house: House) -> None:
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        value(hub.leave("table"))
        value(hub.leave("table"))
        value(hub.leave("nowhere"))
        assert hub.rooms == ()

    def test_two_joins_at_once(self, house: House) -> None:
        house.table()
        hub = house.hub()
        house.kit.gate.shut = True
        both = [outcome(hub.join("table")), outcome(hub.join("table"))]
        house.kit.gate.open()
        assert both == [[True], [True]]


class TestSaying:
    def test_everybody_in_the_room_hears_it_as_a_members_message(self, house: House) -> None:
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        house.kit.outbox.clear()
        said: Message = value(hub.say("table", "Hello \ud83d\ude00"))
        (body,) = house.kit.outbox.bodies(house.bob, "NEW_MESSAGE")
        assert body == house.kit.outbox.bodies(house.ann, "NEW_MESSAGE")[0]
        assert body["message"]["requestId"] == body["requestId"]
        assert {key: body[key] for key in ("identity", "clientId", "role", "text", "fromClient", "fromLlm")} == {
            "identity": BOT,
            "clientId": BOT,
            "role": "guest",
            "text": "Hello 😀",
            "fromClient": True,
            "fromLlm": False,
        }
        assert (said.id, said.text, said.who.identity) == (body["messageId"], "Hello 😀", BOT)
        assert house.kit.stored("table")[-1].text == "Hello 😀"

    def test_no_member_and_no_room(self, house: House) -> None:
        house.table()
        hub = house.hub()
        for name in ("table", "nowhere", "ann"):
            with pytest.raises(RoomDenied):
                value(hub.say(name, "hi"))

    def test_who_is_muted_is_silent(self, house: House) -> None:
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        house.kit.mute("table", BOT, 60)
        for speaking in (hub.say, hub.ask):
            with pytest.raises(NotAuthorised):
                value(speaking("table", "hi"))

    @pytest.mark.parametrize("text", ["", "  \n", "é" * 11, None, 5, b"hi"])
    def test_what_is_no_text(self, house: House, text: Any) -> None:
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        with pytest.raises(BadParameter):
            value(hub.say("table", text))

    def test_so_much_in_a_minute(self, house: House, logged: Logged) -> None:
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        for _ in range(4):
            value(hub.say("table", "hi"))
        with pytest.raises(Unavailable, match="at most 4 messages in a minute"):
            value(hub.say("table", "hi"))
        assert "plug-in bot of bot:setup was to say more than 4 messages in a minute (says_per_minute)" in logged()
        house.kit.clock.advance(60)
        value(hub.say("table", "hi"))


class TestHearing:
    def test_it_hears_what_members_say(self, house: House) -> None:
        house.table()
        heard: list[Message] = []

        async def setup(hub: Hub) -> None:
            @hub.on_message
            async def hear(message: Message) -> None:
                heard.append(message)

            await hub.join("table")

        house.start(setup)
        house.says(house.bob, "hello")
        (message,) = heard
        assert (message.room, message.text, message.role, message.is_answer) == ("table", "hello", "guest", False)
        assert (message.who.identity, message.who.kind, message.who.may_administer) == ("bob", "client", False)
        assert message.at == house.kit.stored("table")[-1].timestamp

    def test_it_hears_an_administrator_for_what_he_is(self, house: House) -> None:
        house.table()
        heard: list[Message] = []
        hub = house.hub()
        hub.on_message(_async(heard.append))
        value(hub.join("table"))
        boss = house.kit.connect("boss", client_type="monitor")
        value(house.kit.rooms.add("table", "boss"))
        house.says(boss, "order!")
        assert (heard[0].who.kind, heard[0].who.may_administer) == ("admin", True)

    def test_what_it_returns_is_said_there(self, house: House) -> None:
        house.table()
        hub = house.hub()
        hub.on_message(_async(lambda message: f"{message.who.identity}: {message.text}"))
        value(hub.join("table"))
        house.says(house.bob, "hello")
        assert house.heard_by(house.ann) == ["hello", "bob: hello"]

    def test_a_def_is_run_in_a_thread(self, house: House) -> None:
        house.table()
        hub = house.hub()
        hub.on_message(lambda message: "done")
        value(hub.join("table"))
        house.says(house.bob, "hello")
        assert house.heard_by(house.ann) == ["hello"]
        house.workers["plug-in bot"].step()
        assert house.heard_by(house.ann) == ["hello", "done"]

    def test_nobody_hears_himself_nor_another_plugin_nor_the_system(self, house: House) -> None:
        house.table()
        for name in ("bot", "tob"):
            hub = house.hub(name)
            hub.on_message(_async(lambda message: "and you?"))
            value(hub.join("table"))
        house.says(house.bob, "hello")
        for _ in range(10):
            house.kit.settle()
        assert house.heard_by(house.ann) == ["hello", "and you?", "and you?"]

    def test_nor_what_is_said_where_it_is_not(self, house: House) -> None:
        house.table()
        heard: list[Message] = []
        house.hub().on_message(_async(heard.append))
        house.says(house.bob, "hello")
        assert heard == []

    def test_answers_to_others_are_heard(self, house: House) -> None:
        house.kit.extension()
        house.table(RequestMode.IMMEDIATE)
        heard: list[Message] = []
        hub = house.hub()
        hub.on_message(_async(heard.append))
        value(hub.join("table"))
        house.says(house.bob, "who are you?")
        house.kit.streams.answered(Said("SillyTavern-8000", output="o1"), "I am")
        house.kit.settle()
        assert [(each.text, each.who.kind, each.is_answer) for each in heard] == [
            ("who are you?", "client", False),
            ("I am", "extension", True),
        ]

    @pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(1), CancelledError()])
    def test_what_breaks_hurts_no_later_handler_and_no_later_message(
        self, house: House, logged: Logged, error: BaseException
    ) -> None:
        house.table()
        hub = house.hub()

        @hub.on_message
        async def broken(message: Message) -> None:
            raise error

        hub.on_message(_async(lambda message: "fine"))
        value(hub.join("table"))
        house.says(house.bob, "one")
        house.says(house.bob, "two")
        assert house.heard_by(house.ann) == ["one", "fine", "two", "fine"]
        assert logged().count("plug-in bot of bot:setup broke over a message") == 2

    def test_what_it_may_not_is_one_line(self, house: House, logged: Logged) -> None:
        house.table()
        hub = house.hub()
        hub.on_message(_async(lambda message: "x" * 21))
        value(hub.join("table"))
        house.says(house.bob, "hello")
        (line,) = [line for line in logged() if "did not get what it wanted" in line]
        assert line.endswith("A plug-in says at most 20 bytes at once (max_say_bytes).")

    @pytest.mark.parametrize("reply", [5, b"hi", ["hi"], object()])
    def test_what_it_returns_may_be_nonsense(self, house: House, logged: Logged, reply: object) -> None:
        house.table()
        hub = house.hub()
        hub.on_message(_async(lambda message: reply))
        value(hub.join("table"))
        house.says(house.bob, "hello")
        assert house.heard_by(house.ann) == ["hello"]
        kind = type(reply).__name__
        assert f"plug-in bot of bot:setup returned {kind} for a message; it may be a text or nothing" in logged()

    def test_slow_handlers_let_messages_wait_and_then_drop_the_oldest(self, house: House, logged: Logged) -> None:
        house.table()
        begun: list[str] = []
        turns: list[Deferred[None]] = []
        hub = house.hub()

        @hub.on_message
        async def slow(message: Message) -> None:
            begun.append(message.text)
            turns.append(Deferred())
            await turns[-1]

        value(hub.join("table"))
        for number in range(7):
            house.says(house.bob, str(number))
        assert begun == ["0", "1"]
        dropped = [line for line in logged() if "a message was dropped (max_waiting_messages)" in line]
        assert len(dropped) == 2
        turns[0].callback(None)
        house.kit.settle()
        assert begun == ["0", "1", "4"]
        while len(begun) < 5 or any(not turn.called for turn in turns):
            next(turn for turn in turns if not turn.called).callback(None)
            house.kit.settle()
        assert begun == ["0", "1", "4", "5", "6"]

    def test_a_handler_that_never_ends_makes_room_after_a_time(self, house: House, logged: Logged) -> None:
        house.table()
        begun: list[str] = []
        hub = house.hub()

        @hub.on_message
        async def stuck(message: Message) -> None:
            begun.append(message.text)
            await Deferred()

        value(hub.join("table"))
        for number in range(3):
            house.says(house.bob, str(number))
        assert begun == ["0", "1"]
        house.kit.clock.advance(100)
        house.kit.settle()
        assert begun == ["0", "1", "2"]


def _async(run: Callable[[Message], Any]) -> Callable[[Message], Any]:
    async def handler(message: Message) -> Any:
        return run(message)

    return handler


class TestAsking:
    def test_the_answer_comes_when_it_is_whole(self, house: House) -> None:
        link = house.kit.extension()
        house.table(RequestMode.IMMEDIATE)
        heard: list[Message] = []
        hub = house.hub()
        hub.on_message(_async(heard.append))
        value(hub.join("table"))
        done = outcome(hub.ask("table", "Who is there?"))
        (payload,) = link.forwarded
        assert (payload["message"], payload["requestingIdentity"]) == ("Who is there?", BOT)
        assert house.heard_by(house.bob) == ["Who is there?"]
        assert done == []
        house.kit.streams.answered(Said("SillyTavern-8000", output="o1", request=payload["requestId"]), "Nobody.")
        (answer,) = done
        assert (answer.text, answer.who.identity, answer.who.kind, answer.is_answer) == (
            "Nobody.",
            "SillyTavern-8000",
            "extension",
            True,
        )
        house.kit.settle()
        assert heard == [], "an answer to its own question is not heard twice"

    def test_in_a_conversation_it_names_who_serves_the_room(self, house: House) -> None:
        link = house.kit.extension()
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        outcome(hub.ask("table", "Who is there?"))
        assert len(link.forwarded) == 1

    def test_in_its_own_room_nobody_else_hears_it(self, house: House) -> None:
        link = house.kit.extension()
        hub = house.hub()
        done = outcome(hub.ask(hub.identity, "Who is there?"))
        house.kit.streams.answered(
            Said("SillyTavern-8000", output="o1", request=link.forwarded[0]["requestId"]), "Nobody."
        )
        assert done[0].text == "Nobody."
        assert house.heard_by(house.ann) == house.heard_by(house.bob) == []

    def test_a_certain_extension(self, house: House) -> None:
        house.kit.extension()
        other = house.kit.extension("SillyTavern-9000")
        house.table(RequestMode.IMMEDIATE)
        hub = house.hub()
        value(hub.join("table"))
        outcome(hub.ask("table", "Who?", target="SillyTavern-9000"))
        assert len(other.forwarded) == 1

    def test_what_waits_for_the_host_is_answered_with_his(self, house: House) -> None:
        link = house.kit.extension()
        house.table(RequestMode.DEFAULT)
        hub = house.hub()
        value(hub.join("table"))
        done = outcome(hub.ask("table", "Who is there?"))
        assert (link.forwarded, done) == ([], [])
        house.says(house.ann, "Tell us.")
        house.kit.streams.answered(
            Said("SillyTavern-8000", output="o1", request=link.forwarded[0]["requestId"]), "Nobody."
        )
        assert done[0].text == "Nobody."

    def test_nobody_is_there(self, house: House) -> None:
        house.table(RequestMode.IMMEDIATE)
        hub = house.hub()
        value(hub.join("table"))
        with pytest.raises(ClientMissing):
            value(hub.ask("table", "Who?"))
        house.kit.set_mode("table", RequestMode.CONVERSATIONAL)
        with pytest.raises(CallFailed, match=r"not passed on in this room \(mode Conversational\)"):
            value(hub.ask("table", "Who?"))

    def test_the_rules_are_those_for_everybody(self, house: House) -> None:
        house.table(RequestMode.MASTER_ONLY)
        house.kit.extension()
        hub = house.hub()
        value(hub.join("table"))
        with pytest.raises(CallFailed, match=r"not passed on in this room \(mode MasterOnly\)"):
            value(hub.ask("table", "Who?"))
        with pytest.raises(InvalidRequest):
            value(hub.ask("table", ""))
        with pytest.raises(RoomDenied):
            value(hub.ask("nowhere", "Who?"))

    def test_the_extension_fails(self, house: House) -> None:
        link = house.kit.extension()
        house.table(RequestMode.IMMEDIATE)
        hub = house.hub()
        value(hub.join("table"))
        done = outcome(hub.ask("table", "Who?"))
        house.kit.streams.failed(Said("SillyTavern-8000", request=link.forwarded[0]["requestId"]), "No model.", None)
        assert done[0].check(CallFailed)
        assert done[0].getErrorMessage() == "No model."

    def test_nobody_answers_in_time(self, house: House) -> None:
        house.kit.extension()
        house.table(RequestMode.DEFAULT)
        hub = house.hub()
        value(hub.join("table"))
        done = outcome(hub.ask("table", "Who?"))
        house.kit.clock.pump([5.0] * 730)  # it waits for the host: queue_ttl_seconds
        assert done[0].check(TimedOut)

    def test_the_room_goes(self, house: House) -> None:
        house.kit.extension()
        house.table(RequestMode.IMMEDIATE)
        hub = house.hub()
        value(hub.join("table"))
        done = outcome(hub.ask("table", "Who?"))
        value(house.kit.rooms.delete("table"))
        assert done[0].check(CallFailed)

    def test_the_answer_is_deleted_at_once(self, house: House) -> None:
        link = house.kit.extension()
        house.table(RequestMode.IMMEDIATE)

        @implementer(IRequestListener)
        class Deleting:
            def request_ended(self, request: Any, words: str | None) -> None:
                value(house.kit.history.clear(house.kit.rooms.require("table"), True, True))

        house.kit.talk.request_ends.add(Deleting())  # before the plug-in's
        hub = house.hub()
        value(hub.join("table"))
        done = outcome(hub.ask("table", "Who?"))
        house.kit.streams.answered(
            Said("SillyTavern-8000", output="o1", request=link.forwarded[0]["requestId"]), "Nobody."
        )
        assert done[0].getErrorMessage() == "The answer was deleted."


@pytest.fixture
def collected() -> None:
    """What other tests have left is no word of this one's."""
    gc.collect()


class TestLife:
    def test_a_setup_that_fails_is_logged_and_the_plugin_goes(self, house: House, logged: Logged) -> None:
        async def late(hub: Hub) -> None:
            await hub.pause(1)
            raise ZeroDivisionError

        def early(hub: Hub) -> None:
            raise SystemExit(1)

        house.start(late, "late")
        house.start(early, "early")
        assert "plug-in early of early:setup broke in its setup, and is left out" in logged()
        house.kit.clock.advance(1)
        assert "plug-in late of late:setup broke in its setup, and is left out" in logged()
        house.kit.clock.advance(2)
        assert house.kit.sessions.by_identity("plugin/late") is None
        assert house.kit.sessions.by_identity("plugin/early") is None

    def test_a_setup_may_go_on_for_ever(self, house: House) -> None:
        house.table()
        rounds: list[int] = []
        ended: list[str] = []

        async def setup(hub: Hub) -> None:
            try:
                while True:
                    await hub.pause(10)
                    rounds.append(1)
            except CancelledError:
                ended.append("cancelled")
                raise

        house.start(setup)
        for _ in range(3):
            house.kit.clock.advance(10)
        house.plugins.close()
        assert (len(rounds), ended) == (3, ["cancelled"])

    def test_too_many_sessions(self, logged: Logged) -> None:
        house = House(sessions=SessionSettings(max_sessions=2))
        house.start(lambda hub: pytest.fail("it was set up"))
        assert "plug-in bot of bot:setup cannot be let in: Too many sessions." in logged()
        house.close()

    def test_a_room_has_its_name(self, house: House, logged: Logged) -> None:
        house.kit.group(BOT, "ann")
        house.start(lambda hub: pytest.fail("it was set up"))
        assert "plug-in bot of bot:setup cannot be let in: room plugin/bot has its name." in logged()
        assert BOT not in house.kit.rooms.require(BOT).members

    def test_after_the_end_nothing_is_begun(self, house: House) -> None:
        house.table()
        hub = house.hub()
        value(hub.join("table"))
        house.plugins.close()
        for begin in (
            lambda: hub.say("table", "hi"),
            lambda: hub.ask("table", "hi"),
            lambda: hub.join("table"),
            lambda: hub.leave("table"),
            lambda: hub.pause(1),
        ):
            with pytest.raises(Unavailable):
                value(begin())
        house.says(house.bob, "hello")

    def test_what_is_on_its_way_ends_without_a_word(self, house: House, logged: Logged) -> None:
        house.kit.extension()
        house.table(RequestMode.IMMEDIATE)
        hub = house.hub()

        @hub.on_message
        async def asks(message: Message) -> None:
            await hub.ask(message.room, "Why?")

        value(hub.join("table"))
        house.says(house.bob, "hello")
        house.says(house.bob, "hello")
        house.says(house.bob, "hello")
        house.kit.submit(house.bob, "not heard any more", room="table")
        house.plugins.close()
        house.kit.settle()
        assert [line for line in logged() if "plug-in" in line] == []

    @pytest.mark.usefixtures("collected")
    def test_what_nobody_awaits_fails_in_words_and_within_a_quota(self, house: House, logged: Logged) -> None:
        hub = house.hub()
        for _ in range(10):
            hub.say("nowhere", "hi")
        gc.collect()
        lines = [formatEvent(event) for event in logged.events]
        said = "plug-in bot of bot:setup did not look what became of something that it began: RoomDenied("
        assert [line.startswith(said) for line in lines] == [True] * 2

    @pytest.mark.usefixtures("collected")
    def test_what_is_awaited_late_or_chained_fails_there(self, house: House, logged: Logged) -> None:
        hub = house.hub()
        failing = [hub.say("nowhere", "hi")]

        async def late() -> None:
            await hub.pause(1)
            await failing.pop()

        found = outcome(late())
        house.kit.clock.advance(1)
        assert found[0].check(RoomDenied)
        assert outcome(succeed(None).addCallback(lambda _: hub.say("nowhere", "hi")))[0].check(RoomDenied)
        found.clear()
        gc.collect()
        assert [formatEvent(event) for event in logged.events] == []

    @pytest.mark.usefixtures("collected")
    def test_nor_does_the_end_of_what_nobody_awaits_say_a_word(self, house: House, logged: Logged) -> None:
        house.kit.extension()
        house.table(RequestMode.IMMEDIATE)
        hub = house.hub()
        value(hub.join("table"))
        hub.pause(1)
        hub.ask("table", "Who?")
        house.plugins.close()
        gc.collect()
        assert [line for line in map(formatEvent, logged.events) if "plug-in" in line or "Unhandled" in line] == []

    def test_who_awaits_may_stop_waiting(self, house: House) -> None:
        pause = house.hub().pause(1)
        found = outcome(pause)
        pause.cancel()
        assert found[0].check(CancelledError)

    def test_what_waits_in_the_line_is_not_begun(self, house: House) -> None:
        house.table()
        heard: list[Message] = []
        hub = house.hub()
        hub.on_message(_async(heard.append))
        value(hub.join("table"))
        house.kit.submit(house.bob, "hello", room="table")
        house.plugins.close()
        house.kit.settle()
        assert heard == []

    def test_a_room_that_it_waits_for_may_not_take_it(self, house: House, logged: Logged) -> None:
        hub = house.hub()
        value(hub.join("table"))
        house.table()
        house.kit.gate.broken = True
        house.kit.settle()
        assert "plug-in bot of bot:setup broke joining room table" in logged()

    def test_a_function_has_threads_of_its_own_that_end_with_the_hub(self, house: House) -> None:
        each = Installed(group=FUNCTIONS, name="roll", value="dice:roll", offered=function(lambda: 5))
        ready = house.plugins.function(each)
        done = outcome(ready.run(house.kit.caller(house.ann), ready.parse([])))
        house.workers["function roll"].step()
        assert done == [5]
        house.plugins.close()
        assert house.workers["function roll"].closed

    def test_a_handler_that_heeds_no_end(self, house: House) -> None:
        house.table()
        hub = house.hub()
        last: Deferred[None] = Deferred()

        @hub.on_message
        async def stubborn(message: Message) -> None:
            try:
                await hub.pause(1000)
            except CancelledError:
                await last

        value(hub.join("table"))
        house.says(house.bob, "hello")
        house.plugins.close()
        last.callback(None)

    def test_it_is_used_in_the_hubs_thread_only(self, house: House) -> None:
        hub = house.hub()
        hub._thread += 1
        for use in (lambda: hub.rooms, lambda: hub.say("a", "b"), lambda: hub.on_message(print), lambda: hub.pause(1)):
            with pytest.raises(RuntimeError, match="the hub is used from async def functions"):
                use()
        assert hub.identity == BOT

    def test_nobody_else_can_have_its_name(self, house: House) -> None:
        from newage.domain.ids import is_valid_id

        assert not is_valid_id(house.hub().identity)
