"""The demo extension: pace, order, bounds, and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hubkit import EPOCH
from newage.bridge.demo import BUSY, IDENTITY, DemoExtension, DemoSettings
from newage.bridge.demo_text import CONFESSION, answer_to, tokens_of
from newage.domain.details import Details
from newage.domain.forwarded import ForwardedRequest
from newage.domain.model import SPARE, Kind, RequestMode, Session
from newage.ports import IExtensionHost, IExtensionLink, IUpstream, Said


@implementer(IUpstream, IExtensionHost)
@define(eq=False)
class Hub:
    """Both sides an extension sees of a hub; records what it is told."""

    told: list[tuple[Any, ...]] = field(factory=list)
    attached: dict[str, Session] = field(factory=dict)
    capacity: int = 0
    on_event: Any = None

    def attach_extension(
        self,
        session: Session,
        link: IExtensionLink,
        capacity: int = 0,
        features: Sequence[str] = (),
        priority: int = 1,
    ) -> str:
        assert priority == SPARE, "asked only while there is no other"
        self.attached["sid-1"] = session
        self.capacity = capacity
        return "sid-1"

    def detach_extension(self, sid: str) -> None:
        del self.attached[sid]

    def stream_started(self, said: Said, details: Details | None = None) -> None:
        self._tell("started", *said)

    def stream_data(self, said: Said, chunk_index: int | None, text: str) -> None:
        self._tell("data", *said, chunk_index, text)

    def stream_reasoning(self, said: Said, chunk_index: int | None, text: str) -> None:
        self._tell("reasoning", *said, chunk_index, text)

    def stream_reset(self, said: Said, at: int, reasoning: bool) -> None:
        self._tell("reset", *said, at, reasoning)

    def stream_failed(self, said: Said) -> None:
        self._tell("stream_failed", *said)

    def stream_ended(self, said: Said, final: bool | None, details: Details | None = None) -> None:
        self._tell("ended", *said, final)

    def answered(self, said: Said, text: str, details: Details | None = None) -> None:
        self._tell("answered", said.extension, said.request, said.output, text)

    def failed(self, said: Said, message: str, error: object) -> None:
        self._tell("failed", said.extension, said.request, message, error)

    def _tell(self, *what: Any) -> None:
        self.told.append(what)
        if self.on_event is not None:
            self.on_event(what)

    def text(self, request_id: str | None) -> str:
        return "".join(t[7] for t in self.told if t[0] == "data" and t[4] == request_id)

    def names(self) -> list[str]:
        return [t[0] for t in self.told]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def demo(clock: Clock, hub: Hub) -> DemoExtension:
    ids = count(1)
    demo = DemoExtension(clock, lambda: EPOCH, hub, DemoSettings(max_answers=3), lambda: f"id-{next(ids)}")
    demo.attach(hub)
    return demo


def ask(request_id: str, text: str = "What is a token?", request_type: str = "newMessage") -> ForwardedRequest:
    return ForwardedRequest(
        request_id=request_id,
        target=IDENTITY,
        room="web1",
        mode=RequestMode.DEFAULT,
        text=text,
        request_type=request_type,
    )


def run_out(clock: Clock) -> None:
    clock.pump([0.3] + [0.04] * 1000)
    assert clock.getDelayedCalls() == []


def test_doubles_and_extension_keep_their_interfaces(demo: DemoExtension, hub: Hub) -> None:
    assert verifyObject(IExtensionLink, demo)
    assert verifyObject(IUpstream, hub)
    assert verifyObject(IExtensionHost, hub)


def test_attaches_as_an_extension_of_its_own_name(demo: DemoExtension, hub: Hub) -> None:
    session = hub.attached["sid-1"]
    assert (session.client_id, session.identity, session.client_type) == (IDENTITY, IDENTITY, "SillyTavern")
    assert session.kind is Kind.EXTENSION
    assert "demo" in session.desc.lower()
    assert hub.capacity == 3, "it takes as many at once as it answers"


def test_attaching_twice_registers_once(demo: DemoExtension, hub: Hub) -> None:
    hub.attached.clear()
    demo.attach(hub)
    assert hub.attached == {}


def test_answers_in_one_stream_token_by_token(demo: DemoExtension, clock: Clock, hub: Hub) -> None:
    demo.forward(ask("r1", "Tell me about <b>bold</b> things"))
    assert hub.told == []  # never within the hub's own call
    clock.advance(0.29)
    assert hub.told == []
    clock.advance(0.02)
    assert hub.names() == ["started", "data"]
    clock.advance(0.04)
    assert hub.names() == ["started", "data", "data"]
    run_out(clock)
    assert hub.told[0] == ("started", IDENTITY, "id-1", "id-2", "r1", "")
    assert hub.told[-1] == ("ended", IDENTITY, "id-1", "id-2", "r1", "", True)
    data = [t for t in hub.told if t[0] == "data"]
    assert {t[1:5] for t in data} == {(IDENTITY, "id-1", "id-2", "r1")}
    assert [t[6] for t in data] == list(range(len(data)))
    assert all(t[7] for t in data)
    assert hub.text("r1") == answer_to("Tell me about <b>bold</b> things", again=False, quote_chars=160)
    assert demo.answering == 0


def test_regenerating_asks_for_another_text(demo: DemoExtension, clock: Clock, hub: Hub) -> None:
    demo.forward(ask("r1"))
    demo.forward(ask("r2", request_type="regenerateMessage"))
    run_out(clock)
    assert hub.text("r1") != hub.text("r2")
    assert CONFESSION in hub.text("r2")


def test_answers_run_beside_each_other_up_to_the_bound(demo: DemoExtension, clock: Clock, hub: Hub) -> None:
    for number in range(4):
        demo.forward(ask(f"r{number}"))
    assert hub.told == [("failed", IDENTITY, "r3", BUSY, BUSY)]
    assert demo.answering == 3
    run_out(clock)
    assert hub.names().count("ended") == 3
    demo.forward(ask("r4"))
    run_out(clock)
    assert hub.text("r4")


def test_a_request_delivered_twice_is_answered_once(demo: DemoExtension, clock: Clock, hub: Hub) -> None:
    demo.forward(ask("r1"))
    demo.forward(ask("r1"))
    run_out(clock)
    assert hub.names().count("started") == hub.names().count("ended") == 1


def test_detaching_stops_every_answer_and_timer(demo: DemoExtension, clock: Clock, hub: Hub) -> None:
    demo.forward(ask("r1"))
    clock.advance(0.4)
    demo.forward(ask("r2"))
    before = list(hub.told)
    demo.detach()
    assert hub.attached == {}
    assert clock.getDelayedCalls() == []
    clock.advance(60)
    assert hub.told == before
    demo.forward(ask("r3"))
    assert demo.answering == 0
    demo.detach()  # a second time is nothing


@pytest.mark.parametrize("moment", ["started", "data", "ended"])
def test_being_detached_from_within_the_hub_is_fine(demo: DemoExtension, clock: Clock, hub: Hub, moment: str) -> None:
    hub.on_event = lambda what: demo.detach() if what[0] == moment else None
    demo.forward(ask("r1"))
    run_out(clock)
    assert hub.names()[-1] == moment
    assert hub.names().count(moment) == 1


@pytest.mark.parametrize("text", ["a", "\ud83d alone", "\0\n\t", ""])
def test_any_text_is_answered(demo: DemoExtension, clock: Clock, hub: Hub, text: str) -> None:
    demo.forward(ask("r", text))
    run_out(clock)
    assert hub.names()[-1] == "ended"
    said = "".join(t[7] for t in hub.told if t[0] == "data")
    assert CONFESSION in said
    said.encode("utf-8")


@pytest.mark.parametrize(
    "wrong", [{"token_interval_ms": 0}, {"first_token_ms": -1}, {"max_answers": 0}, {"quote_chars": 1}]
)
def test_settings_refuse_what_cannot_work(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DemoSettings(**wrong)


def test_ids_are_unique_without_a_source_of_their_own(clock: Clock, hub: Hub) -> None:
    demo = DemoExtension(clock, lambda: EPOCH, hub)
    demo.attach(hub)
    demo.forward(ask("r1"))
    demo.forward(ask("r2"))
    clock.advance(1)
    assert len({t[2] for t in hub.told if t[0] == "started"} | {t[3] for t in hub.told if t[0] == "started"}) == 4
    assert "".join(tokens_of("a b")) == "a b"


def test_it_stops_when_it_is_told_to(demo: DemoExtension, clock: Clock, hub: Hub) -> None:
    demo.forward(ask("r1"))
    assert demo.answering == 1
    for _ in range(2):
        assert demo.stop("r1", (), "cancelled").called
    assert (demo.answering, clock.getDelayedCalls()) == (0, [])
