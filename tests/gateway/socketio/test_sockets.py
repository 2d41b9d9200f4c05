"""One socket: order, acks both ways, what happens at its end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure

from deferreds import outcome
from gateway_doubles import FakePollingSink, FakeSink, Site
from logkit import Logged
from newage.errors import PeerGone, TimedOut, Unavailable
from newage.gateway.engineio.connection import Connection
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import ConnectRefused, Later
from newage.gateway.socketio.sockets import ServerSocket
from newage.ports import ISocket
from newage.telemetry.refusals import LINES

Joined = tuple[Connection, FakeSink, ServerSocket]


def error_of(deferred: Deferred[list[Any]]) -> BaseException | None:
    """What it failed with, and the failure is taken care of."""
    found = outcome(deferred)
    return found[0].value if found and isinstance(found[0], Failure) else None


FAULT = b'431[{"message":"Internal error"}]'  # an ack where something of ours broke


class TestHandlers:
    def test_a_handler_gets_the_arguments_and_its_list_is_the_ack(self, site: Site) -> None:
        seen: list[Any] = []

        def handler(socket: ISocket, args: list[Any], wanted: bool) -> list[Any]:
            seen.append((socket, args, wanted))
            return [len(args), "x"]

        site.namespace().on("x", handler)
        connection, sink = site.joined()
        connection.text_received(b'42["x"]')
        connection.text_received(b'42007["x",1,{"a":null}]')
        assert seen == [(site.sockets[0], [], False), (site.sockets[0], [1, {"a": None}], True)]
        assert sink.take() == [b'43007[2,"x"]']

    def test_no_ack_without_a_result(self, site: Site) -> None:
        site.namespace().on("x", lambda socket, args, wanted: None)
        connection, sink = site.joined()
        connection.text_received(b'421["x"]')
        assert sink.take() == []

    def test_bytes_in_an_ack(self, site: Site) -> None:
        site.namespace().on("x", lambda socket, args, wanted: [b"data", "\ud83d"])
        connection, sink = site.joined()
        connection.text_received(b'421["x"]')
        assert sink.take() == ['461-1[{"_placeholder":true,"num":0},"\ufffd"]'.encode(), b"B:data"]

    def test_unknown_events_are_ignored_or_handled_by_one(self, site: Site) -> None:
        seen: list[Any] = []
        site.namespace()
        site.namespace("/u", unknown=lambda socket, event, args, wanted: seen.append((event, args, wanted)))
        connection, sink = site.joined()
        connection.text_received(b'421["x",1]')
        connection.text_received(b"40/u")
        sink.take()
        connection.text_received(b'42/u,1["x",1]')
        connection.text_received(b'42/u,["connect"]')
        assert seen == [("x", [1], True)]
        assert (sink.take(), sink.ended) == ([], None)

    @pytest.mark.parametrize("args", [b"[]", b"[null,{}]", b"[1]", b'["disconnect"]', b'["connect",{}]'])
    def test_odd_events_close_nothing(self, site: Site, args: bytes) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.text_received(b"42" + args)
        connection.text_received(b"427" + args)
        assert (sink.take(), sink.ended) == ([], None)

    def test_a_fault_is_logged_and_answered_and_closes_nothing(self, site: Site, failures: list[Any]) -> None:
        namespace = site.namespace()
        namespace.on("x", lambda socket, args, wanted: 1 / 0)
        namespace.on("y", lambda socket, args, wanted: fail(KeyError()))
        namespace.on("z", lambda socket, args, wanted: Later(fail(ValueError())))
        namespace.on("cancelled", lambda socket, args, wanted: fail(CancelledError()))
        namespace.on("ok", lambda socket, args, wanted: ["fine"])
        connection, sink = site.joined()
        for event in (b"x", b"y", b"z", b"cancelled", b"ok"):
            connection.text_received(b'421["%b"]' % event)
        assert (sink.take(), sink.ended) == ([FAULT] * 3 + [b'431["fine"]'], None)
        assert failures == [ZeroDivisionError, KeyError, ValueError]
        failures.clear()

    @pytest.mark.parametrize("result", ["text", {"a": 1}, 5, ("x",)])
    def test_instead_of_a_result_of_a_wrong_kind_a_fault_is_sent(self, site: Site, result: object) -> None:
        namespace = site.namespace()
        namespace.on("now", lambda socket, args, wanted: result)
        namespace.on("soon", lambda socket, args, wanted: succeed(result))
        connection, sink = site.joined()
        connection.text_received(b'421["now"]')
        connection.text_received(b'421["soon"]')
        assert (sink.take(), sink.ended) == ([FAULT] * 2, None)

    def test_instead_of_an_ack_that_cannot_be_encoded_a_fault_is_sent(self, site: Site, failures: list[Any]) -> None:
        site.namespace().on("x", lambda socket, args, wanted: [object()])
        connection, sink = site.joined()
        connection.text_received(b'421["x"]')
        assert (sink.take(), sink.ended) == ([FAULT], None)
        assert failures == [TypeError]
        failures.clear()

    def test_without_a_caller_nothing_is_handled(self, site: Site) -> None:
        seen: list[Any] = []
        namespace = site.namespace(connect=lambda socket, auth: None)
        namespace.on("x", lambda socket, args, wanted: seen.append(args))
        connection, sink = site.joined()
        connection.text_received(b'42["x"]')
        connection.sink_closed(sink, "transport close")
        assert (seen, site.gone) == ([], [])


class TestOrder:
    def test_events_wait_for_the_connect_handler(self, site: Site) -> None:
        admitted: Deferred[None] = Deferred()

        async def connect(socket: ISocket, auth: Any) -> Callable[[], None]:
            await admitted
            socket.caller = "me"
            return lambda: socket.emit("hello")

        site.namespace(connect=connect).on("x", lambda socket, args, wanted: args)
        connection, sink = site.open()
        connection.text_received(b"40")
        connection.text_received(b'421["x",1]')
        connection.text_received(b'422["x",2]')
        assert sink.take() == []
        admitted.callback(None)
        assert sink.take() == [b'40{"sid":"s2"}', b'42["hello"]', b"431[1]", b"432[2]"]

    def test_events_wait_for_a_handler_and_stay_in_order(self, site: Site) -> None:
        waiting: list[Deferred[None]] = []
        seen: list[int] = []

        async def slow(socket: ISocket, args: list[Any], wanted: bool) -> list[Any]:
            waiting.append(Deferred())
            await waiting[-1]
            seen.append(args[0])
            return args

        namespace = site.namespace()
        namespace.on("slow", slow)
        namespace.on("fast", lambda socket, args, wanted: seen.append(args[0]))
        connection, sink = site.joined()
        for packet in (b'421["slow",1]', b'42["fast",2]', b'423["slow",3]', b'42["fast",4]'):
            connection.text_received(packet)
        assert seen == []
        waiting[0].callback(None)
        assert seen == [1, 2]
        waiting[1].callback(None)
        assert seen == [1, 2, 3, 4]
        assert sink.take() == [b"431[1]", b"433[3]"]

    def test_sockets_of_one_connection_do_not_wait_for_each_other(self, site: Site) -> None:
        seen: list[Any] = []
        site.namespace("/a").on("x", lambda socket, args, wanted: Deferred())
        site.namespace("/b").on("x", lambda socket, args, wanted: seen.append(1))
        connection, _ = site.joined("/a")
        connection.text_received(b"40/b")
        connection.text_received(b'42/a,["x"]')
        connection.text_received(b'42/b,["x"]')
        assert seen == [1]

    def test_later_answers_do_not_hold_up_what_follows(self, site: Site) -> None:
        answer: Deferred[list[Any] | None] = Deferred()
        namespace = site.namespace()
        namespace.on("ask", lambda socket, args, wanted: Later(answer))
        namespace.on("x", lambda socket, args, wanted: ["x"])
        connection, sink = site.joined()
        connection.text_received(b'421["ask"]')
        connection.text_received(b'422["x"]')
        answer.callback(["late"])
        assert sink.take() == [b'432["x"]', b'431["late"]']

    def test_a_long_backlog_of_handlers_that_do_not_really_wait(self) -> None:
        site = Site(settings=GatewaySettings(max_event_backlog=10_000))
        seen: list[int] = []
        first: Deferred[None] = Deferred()

        async def quick(socket: ISocket, args: list[Any], wanted: bool) -> None:
            seen.append(args[0])
            if args[0] == 0:
                await first

        site.namespace().on("x", quick)
        connection, _ = site.joined()
        for number in range(5_000):
            connection.text_received(b'42["x",%d]' % number)
        first.callback(None)
        assert seen == list(range(5_000))

    def test_a_full_backlog_pauses_the_transport_until_it_is_worked_off(self) -> None:
        site = Site(settings=GatewaySettings(max_event_backlog=3))
        seen: list[Any] = []
        wait: Deferred[None] = Deferred()
        namespace = site.namespace()
        namespace.on("wait", lambda socket, args, wanted: wait)
        namespace.on("x", lambda socket, args, wanted: seen.append(args[0]))
        connection, sink = site.joined()
        connection.text_received(b'42["wait"]')
        connection.text_received(b'42["x",0]')
        connection.text_received(b'42["x",1]')
        assert not sink.paused
        for number in range(2, 9):
            connection.text_received(b'42["x",%d]' % number)
        assert (sink.paused, seen) == (True, [])
        wait.callback(None)
        assert (sink.paused, seen) == (False, list(range(9)))

    def test_a_coroutine_that_is_not_one_of_ours_is_awaited_too(self, site: Site) -> None:
        class Thing:
            def __await__(self) -> Generator[Any, None, list[str]]:
                yield from ()
                return ["thing"]

        site.namespace().on("x", lambda socket, args, wanted: Thing())
        connection, sink = site.joined()
        connection.text_received(b'421["x"]')
        assert sink.take() == [b'431["thing"]']


class TestJoining:
    def test_what_is_emitted_meanwhile_waits_for_the_reply(self, site: Site) -> None:
        def connect(socket: ISocket, auth: Any) -> Callable[[], None]:
            socket.caller = "me"
            socket.emit("early", b"data")
            site.hub.emit(socket.sid, "also")
            return lambda: socket.emit("after")

        site.namespace(connect=connect)
        connection, sink = site.open()
        connection.text_received(b"40")
        assert sink.take() == [
            b'40{"sid":"s2"}',
            b'451-["early",{"_placeholder":true,"num":0}]',
            b"B:data",
            b'42["also"]',
            b'42["after"]',
        ]

    def test_what_is_offered_comes_too(self, site: Site) -> None:
        def connect(socket: ServerSocket, auth: Any) -> None:
            socket.offer(lambda: [("offered", 1)])
            site.admit(socket, auth)

        site.namespace(connect=connect)
        connection, sink = site.open()
        connection.text_received(b"40")
        assert sink.take() == [b'40{"sid":"s2"}', b'42["offered",1]']

    def test_it_is_bounded(self, logged: Logged) -> None:
        site = Site(settings=GatewaySettings(max_held_packets=2))

        def connect(socket: ISocket, auth: Any) -> None:
            socket.caller = "me"
            for number in range(9):
                socket.emit("e", number)

        site.namespace(connect=connect)
        connection, sink = site.open()
        connection.text_received(b"40")
        assert sink.take() == [b'40{"sid":"s2"}', b'42["e",0]', b'42["e",1]']
        lost = "a socket that still joins / was sent more than max_held_packets in [gateway]: the rest is lost"
        assert logged() == [lost] * LINES

    def test_who_is_not_admitted_gets_nothing_but_what_follows(self, site: Site) -> None:
        def connect(socket: ISocket, auth: Any) -> Callable[[], None]:
            socket.emit("secret")

            def refuse() -> None:
                socket.emit("ERROR", {"message": "Invalid key."})
                socket.disconnect()

            return refuse

        site.namespace(connect=connect)
        connection, sink = site.open()
        connection.text_received(b"40")
        connection.text_received(b'42["too late"]')
        assert sink.take() == [b'40{"sid":"s2"}', b'42["ERROR",{"message":"Invalid key."}]', b"41"]
        site.clock.advance(1)
        assert sink.ended == ("close", "connect timeout")
        assert site.gone == []

    def test_a_fault_in_what_follows_is_logged(self, site: Site, failures: list[Any]) -> None:
        def connect(socket: ISocket, auth: Any) -> Callable[[], float]:
            socket.caller = "me"
            return lambda: 1 / 0

        site.namespace(connect=connect)
        _, sink = site.joined()
        assert sink.ended is None
        assert failures == [ZeroDivisionError]
        failures.clear()

    @pytest.mark.parametrize("error", [ConnectRefused("no"), KeyError("x"), CancelledError()])
    def test_an_asynchronous_refusal(self, site: Site, failures: list[Any], error: Exception) -> None:
        answer: Deferred[None] = Deferred()
        site.namespace(connect=lambda socket, auth: answer)
        connection, sink = site.open()
        connection.text_received(b"40")
        connection.text_received(b'42["x"]')
        answer.errback(error)
        expected = b"no" if isinstance(error, ConnectRefused) else b"Internal error"
        assert sink.take() == [b'44{"message":"%b"}' % expected]
        assert failures == ([KeyError] if isinstance(error, KeyError) else [])
        failures.clear()

    def test_a_socket_that_goes_while_it_joins_is_told_about_when_it_has_joined(self, site: Site) -> None:
        answer: Deferred[None] = Deferred()

        async def connect(socket: ServerSocket, auth: Any) -> None:
            site.sockets.append(socket)
            await answer
            socket.caller = "me"

        site.namespace(connect=connect)
        connection, sink = site.open()
        connection.text_received(b"40")
        assert site.sockets[0].connected
        connection.sink_closed(sink, "transport close")
        assert not site.sockets[0].connected
        assert site.gone == []
        answer.callback(None)
        assert site.gone == [(site.sockets[0], "transport close")]
        assert sink.take() == []

    def test_or_not_when_it_was_refused(self, site: Site) -> None:
        answer: Deferred[None] = Deferred()
        site.namespace(connect=lambda socket, auth: answer)
        connection, sink = site.open()
        connection.text_received(b"40")
        connection.text_received(b"41")
        answer.errback(ConnectRefused("no"))
        assert (site.gone, sink.take()) == ([], [])

    def test_disconnecting_a_socket_that_joins(self, site: Site) -> None:
        answer: Deferred[None] = Deferred()

        async def connect(socket: ServerSocket, auth: Any) -> Callable[[], None]:
            socket.caller = "me"
            site.sockets.append(socket)
            await answer
            return lambda: socket.emit("too late")

        site.namespace(connect=connect)
        connection, sink = site.open()
        connection.text_received(b"40")
        site.sockets[0].disconnect()
        assert sink.take() == [b'40{"sid":"s2"}', b"41"]
        answer.callback(None)
        assert site.gone == [(site.sockets[0], "io server disconnect")]
        assert sink.take() == []


class TestCalls:
    @pytest.fixture
    def joined(self, site: Site) -> Joined:
        site.namespace()
        connection, sink = site.joined()
        return connection, sink, site.sockets[0]

    def test_the_answer_is_what_the_peer_acks(self, joined: Joined) -> None:
        connection, sink, socket = joined
        first, second = socket.call("a", [1, b"x"], 5.0), socket.call("b", (), 5.0)
        assert sink.take() == [b'451-0["a",1,{"_placeholder":true,"num":0}]', b"B:x", b'421["b"]']
        connection.text_received(b'431["two"]')
        connection.text_received(b'430["one"]')
        connection.text_received(b'430["again"]')
        assert (first.result, second.result) == (["one"], ["two"])

    def test_acks_that_nobody_awaits_are_ignored(self, joined: Joined) -> None:
        connection, sink, _socket = joined
        for packet in (b"430[]", b"43[]", b"43999999999999999[]"[:17] + b"[]"):
            connection.text_received(packet)
        assert sink.ended is None

    def test_an_answer_that_does_not_come(self, site: Site, joined: Joined) -> None:
        connection, sink, socket = joined
        answer = socket.call("a", [], 5.0)
        site.clock.advance(4.9)
        assert not answer.called
        site.clock.advance(0.1)
        assert isinstance(error_of(answer), TimedOut)
        connection.text_received(b"430[]")
        assert sink.ended is None

    def test_a_socket_that_goes(self, joined: Joined) -> None:
        connection, sink, socket = joined
        answer = socket.call("a", [], 5.0)
        connection.sink_closed(sink, "transport close")
        assert isinstance(error_of(answer), PeerGone)
        assert isinstance(error_of(socket.call("a", [], 5.0)), PeerGone)

    def test_open_acks_are_limited_and_freed(self, site: Site) -> None:
        site = Site(settings=GatewaySettings(max_open_acks=3))
        site.namespace()
        connection, _sink = site.joined()
        socket = site.sockets[0]
        answers = [socket.call("a", [], 5.0) for _ in range(3)]
        assert isinstance(error_of(socket.call("a", [], 5.0)), Unavailable)
        answers[0].cancel()
        assert isinstance(error_of(answers[0]), CancelledError)
        fourth = socket.call("a", [], 5.0)
        connection.text_received(b"433[]")
        assert fourth.result == []
        site.clock.advance(5)
        assert all(isinstance(error_of(answer), TimedOut) for answer in answers[1:])
        assert socket._acks is not None
        assert len(socket._acks) == 0

    def test_a_hundred_thousand_unanswered_calls_leave_nothing(self, site: Site, joined: Joined) -> None:
        connection, sink, socket = joined
        for _ in range(100):
            for _ in range(1_000):
                socket.call("a", [], 1.0).addErrback(lambda failure: None)
            assert isinstance(error_of(socket.call("a", [], 1.0)), Unavailable)
            sink.take()
            site.clock.advance(1.0)
            connection.text_received(b"3")
        assert socket._acks is not None
        assert len(socket._acks) == 0


class TestEnd:
    def test_disconnect_tells_the_peer_now_and_the_handler_later(self, site: Site) -> None:
        def handler(socket: ISocket, args: list[Any], wanted: bool) -> list[str]:
            socket.disconnect()
            assert not socket.connected
            assert site.gone == []
            socket.emit("too late")
            return ["too late"]

        site.namespace().on("bye", handler)
        connection, sink = site.joined()
        connection.text_received(b'421["bye"]')
        assert sink.take() == [b"41"]
        site.clock.advance(0)
        assert site.gone == [(site.sockets[0], "io server disconnect")]
        site.sockets[0].disconnect()
        assert sink.take() == []

    def test_events_that_arrived_before_the_end_are_handled_first(self, site: Site) -> None:
        wait: Deferred[None] = Deferred()
        seen: list[Any] = []
        namespace = site.namespace()
        namespace.on("wait", lambda socket, args, wanted: wait)
        namespace.on("x", lambda socket, args, wanted: seen.append(socket.connected))
        connection, _sink = site.joined()
        for packet in (b'42["wait"]', b'42["x"]', b'42["x"]', b"41"):
            connection.text_received(packet)
        assert (seen, site.gone) == ([], [])
        wait.callback(None)
        assert seen == [False, False]
        assert [reason for _, reason in site.gone] == ["io client disconnect"]
        site.clock.advance(10)
        assert len(site.gone) == 1

    def test_but_not_for_ever(self, site: Site) -> None:
        wait: Deferred[None] = Deferred()
        seen: list[Any] = []
        namespace = site.namespace()
        namespace.on("wait", lambda socket, args, wanted: wait)
        namespace.on("x", lambda socket, args, wanted: seen.append(1))
        connection, sink = site.joined()
        connection.text_received(b'42["wait"]')
        connection.text_received(b'42["x"]')
        connection.sink_closed(sink, "transport close")
        site.clock.advance(5)
        assert [reason for _, reason in site.gone] == ["transport close"]
        wait.callback(None)
        assert (seen, len(site.gone)) == ([], 1)
        assert site.clock.getDelayedCalls() == []

    def test_a_handler_that_is_awaited_does_not_delay_the_news(self, site: Site) -> None:
        wait: Deferred[list[str]] = Deferred()
        site.namespace().on("wait", lambda socket, args, wanted: wait)
        connection, sink = site.joined()
        connection.text_received(b'421["wait"]')
        connection.sink_closed(sink, "transport close")
        assert [reason for _, reason in site.gone] == ["transport close"]
        wait.callback(["nobody is there"])
        assert sink.take() == []

    def test_what_we_end_drops_its_backlog(self, site: Site) -> None:
        wait: Deferred[None] = Deferred()
        seen: list[Any] = []
        namespace = site.namespace()
        namespace.on("wait", lambda socket, args, wanted: wait)
        namespace.on("x", lambda socket, args, wanted: seen.append(1))
        connection, _ = site.joined()
        connection.text_received(b'42["wait"]')
        connection.text_received(b'42["x"]')
        site.sockets[0].disconnect()
        site.clock.advance(0)
        assert len(site.gone) == 1
        wait.callback(None)
        assert (seen, len(site.gone)) == ([], 1)

    def test_a_fault_of_the_disconnect_handler_is_logged(self, site: Site, failures: list[Any]) -> None:
        namespace = site.namespace()

        def broken(socket: ISocket, reason: str) -> None:
            raise ZeroDivisionError

        namespace.disconnected = broken
        site.namespace("/b")
        connection, sink = site.joined()
        connection.text_received(b"40/b")
        connection.sink_closed(sink, "transport close")
        assert [socket.namespace for socket, _ in site.gone] == ["/b"]
        assert failures == [ZeroDivisionError]
        failures.clear()

    def test_the_end_of_a_paused_socket_lets_the_others_go_on(self) -> None:
        site = Site(settings=GatewaySettings(max_event_backlog=1))
        wait: Deferred[None] = Deferred()
        seen: list[Any] = []
        site.namespace("/a").on("wait", lambda socket, args, wanted: wait)
        site.namespace("/b").on("x", lambda socket, args, wanted: seen.append(1))
        connection, sink = site.joined("/a")
        connection.text_received(b"40/b")
        connection.text_received(b'42/a,["wait"]')
        connection.text_received(b'42/a,["wait"]')
        connection.text_received(b'42/b,["x"]')
        assert (sink.paused, seen) == (True, [])
        site.sockets[0].disconnect()
        assert (sink.paused, seen) == (False, [1])

    def test_the_end_of_a_paused_socket_that_is_still_joining_lets_the_others_go_on(self) -> None:
        site = Site(settings=GatewaySettings(max_event_backlog=1))
        joining: list[ServerSocket] = []
        verdict: Deferred[None] = Deferred()
        seen: list[int] = []

        def connect(socket: ServerSocket, auth: Any) -> Deferred[None]:
            joining.append(socket)
            return verdict

        site.namespace("/a", connect=connect).on("x", lambda socket, args, wanted: seen.append(0))
        site.namespace("/b").on("x", lambda socket, args, wanted: seen.append(1))
        connection, sink = site.joined("/b")
        connection.text_received(b"40/a")
        connection.text_received(b'42/a,["x"]')
        connection.text_received(b'42/b,["x"]')
        assert (sink.paused, seen) == (True, [])
        joining[0].disconnect()
        assert (sink.paused, seen) == (False, [1])
        verdict.callback(None)
        assert (sink.paused, seen, sink.ended) == (False, [1], None)


class TestEmit:
    def test_what_cannot_be_encoded_is_logged(self, site: Site, failures: list[Any]) -> None:
        site.namespace()
        _, sink = site.joined()
        site.sockets[0].emit("x", {1, 2})
        assert sink.take() == []
        assert failures == [TypeError]
        failures.clear()

    def test_half_an_emoji(self, site: Site) -> None:
        site.namespace()
        _, sink = site.joined()
        site.sockets[0].emit("x", "\ud83d\ude00", "\ud83d")
        assert sink.take() == ['42["x","\U0001f600","\ufffd"]'.encode()]


class TestOffer:
    """What grows is drawn when a polling client that is behind comes for it."""

    def test_a_client_that_is_behind_gets_it_as_it_is_then(self, site: Site) -> None:
        site.namespace("/llm")
        sink = FakePollingSink()
        site.joined("/llm", sink)
        sink.behind = True
        text = ["a"]
        site.sockets[0].offer(lambda: [("TEXT", "".join(text)), ("ALIAS", "".join(text))])
        site.sockets[0].emit("NEWS")
        text.append("\ud83d")
        text.append("b")
        assert sink.take() == [
            '42/llm,["TEXT","a\ufffdb"]'.encode(),
            '42/llm,["ALIAS","a\ufffdb"]'.encode(),
            b'42/llm,["NEWS"]',
        ]

    def test_a_socket_that_went_meanwhile_gets_nothing(self, site: Site) -> None:
        site.namespace("/llm")
        sink = FakePollingSink()
        connection, _ = site.joined("/llm", sink)
        sink.behind = True
        site.sockets[0].offer(lambda: [("TEXT", "a")])
        connection.text_received(b"41/llm,")
        assert sink.take() == []
