"""A model server as an extension: what it is asked, what the hub is told, waits, ceilings, and that nothing is left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hubkit import EPOCH
from modelkit import URL, ModelServer
from newage.bridge.cards import Cards
from newage.bridge.upstream_llm import FULL, NOTHING_ASKED, NOTHING_SAID, SHOWN_CHARS, UpstreamExtension
from newage.bridge.upstream_settings import NO_KEY, Upstream, UpstreamSettings
from newage.domain.chat import Characters, Offered
from newage.domain.completions import Fault
from newage.domain.details import Details
from newage.domain.forwarded import ForwardedRequest, Question
from newage.domain.model import Kind, Message, RequestMode, Role, Session
from newage.domain.secret import Secret
from newage.ports import ICharacters, IExtensionHost, IExtensionLink, IUpstream, Said


@implementer(IUpstream, IExtensionHost)
@define(eq=False)
class Hub:
    """Both sides an extension sees of a hub; records what it is told."""

    told: list[tuple[Any, ...]] = field(factory=list)
    attached: list[tuple[Session, int, tuple[str, ...], int]] = field(factory=list)
    on_data: Any = None

    def attach_extension(
        self,
        session: Session,
        link: IExtensionLink,
        capacity: int = 0,
        features: Sequence[str] = (),
        priority: int = 1,
    ) -> str:
        self.attached.append((session, capacity, tuple(features), priority))
        return "sid-1"

    def detach_extension(self, sid: str) -> None:
        self.attached.clear()

    def stream_started(self, said: Said, details: Details | None = None) -> None:
        character = details.character if details is not None else None
        self.told.append(("started", said.request, *(() if character is None else (character.name,))))

    def stream_data(self, said: Said, chunk_index: int | None, text: str) -> None:
        self.told.append(("data", said.request, chunk_index, text))
        if self.on_data is not None:
            self.on_data()

    def stream_reasoning(self, said: Said, chunk_index: int | None, text: str) -> None:
        self.told.append(("reasoning", said.request, chunk_index, text))

    def stream_reset(self, said: Said, at: int, reasoning: bool) -> None:
        raise AssertionError

    def stream_failed(self, said: Said) -> None:
        raise AssertionError

    def stream_ended(self, said: Said, final: bool | None, details: Details | None = None) -> None:
        assert final
        assert details is not None
        self.told.append(("ended", said.request, dict(details.extra)))

    def answered(self, said: Said, text: str, details: Details | None = None) -> None:
        raise AssertionError

    def failed(self, said: Said, message: str, error: object) -> None:
        self.told.append(("failed", said.request, message, error))

    def of(self, request_id: str) -> list[str]:
        return [each[0] for each in self.told if each[1] == request_id]

    @property
    def failure(self) -> tuple[Any, ...]:
        return next(each for each in self.told if each[0] == "failed")


def question(request_id: str, text: str = "Well?", client: str = "ann", *, room: str = "lobby") -> ForwardedRequest:
    said = Message(
        message_id=f"m-{request_id}",
        room=room,
        seq=1,
        identity=client,
        client_id=client,
        text=text,
        request_id=request_id,
    )
    return ForwardedRequest(
        request_id=request_id,
        target="llm-x",
        room=room,
        mode=RequestMode.DEFAULT,
        text=text,
        context=(said,),
        question=Question(
            request_id=request_id, identity=client, client_id=client, role=Role.MASTER, said=said, targets=("llm-x",)
        ),
    )


@define(eq=False)
class Played:
    clock: Clock = field(factory=Clock)
    hub: Hub = field(factory=Hub)
    elsewhere: bool = False
    cards: Cards = field(factory=lambda: Cards(Path("/nowhere")))
    server: ModelServer = field(init=False)
    extension: UpstreamExtension = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = ModelServer(self.clock)
        self.plug()

    def plug(self, key: Secret = NO_KEY, **settings: Any) -> None:
        ids = count(1)
        self.extension = UpstreamExtension(
            upstream=Upstream(name="x", settings=UpstreamSettings(url=URL, **settings), key=key),
            clock=self.clock,
            wall=lambda: EPOCH,
            http=self.server.http(),
            hub=self.hub,
            elsewhere=lambda request: self.elsewhere,
            cards=self.cards,
            new_id=lambda: f"id-{next(ids)}",
        )
        self.extension.attach(self.hub)

    def ask(self, request_id: str = "r1", text: str = "Well?", client: str = "ann") -> None:
        self.extension.forward(question(request_id, text, client))
        self.clock.advance(0)

    def answer(self, *tokens: str) -> None:
        self.server.line.begins()
        self.server.line.tokens(*tokens)
        self.server.line.done()


@pytest.fixture
def played() -> Iterator[Played]:
    played = Played()
    yield played
    played.extension.detach()
    assert played.clock.getDelayedCalls() == []
    assert not any(line.is_open for line in played.server.lines)


def test_it_keeps_its_interfaces(played: Played) -> None:
    assert verifyObject(IExtensionLink, played.extension)
    assert verifyObject(IUpstream, played.hub)
    assert verifyObject(IExtensionHost, played.hub)


def test_it_comes_as_an_extension_that_is_asked_late(played: Played) -> None:
    played.extension.attach(played.hub)
    ((session, capacity, features, priority),) = played.hub.attached
    assert (session.client_id, session.identity, session.kind) == ("llm-x", "llm-x", Kind.EXTENSION)
    assert (capacity, features, priority) == (4, ("cancel",), 1)


def test_an_answer(played: Played) -> None:
    played.plug(model="m", system_prompt="Be brief.", options={"top_k": 3}, max_tokens_member="max_completion_tokens")
    played.extension.forward(question("r1"))
    assert not played.server.lines, "never within the hub's own call"
    played.clock.advance(0)
    assert played.server.line.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Well?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 1024,
        "top_k": 3,
    }
    played.server.line.begins()
    assert not played.hub.told, "it begins with its first token"
    played.server.line.frames({"choices": [{"delta": {"reasoning": "hm"}}]})
    played.server.line.tokens("Yes", ".")
    played.server.line.done(12, 2)
    assert played.hub.told == [
        ("started", "r1"),
        ("reasoning", "r1", 0, "hm"),
        ("data", "r1", 0, "Yes"),
        ("data", "r1", 1, "."),
        ("ended", "r1", {"finishReason": "stop", "usage": {"prompt_tokens": 12, "completion_tokens": 2}}),
    ]
    assert played.extension.answering == 0


def test_a_request_delivered_twice_is_asked_once(played: Played) -> None:
    played.ask()
    played.ask()
    assert len(played.server.lines) == 1


def test_it_gives_a_sign_while_the_model_reads(played: Played) -> None:
    played.ask()
    played.clock.advance(20)
    assert played.hub.told == [("started", "r1")]
    played.answer("Yes")
    assert played.hub.of("r1") == ["started", "data", "ended"]


def test_more_than_it_takes_at_once(played: Played) -> None:
    played.plug(capacity=1)
    played.ask("r1")
    played.ask("r2")
    assert played.hub.told == [("failed", "r2", FULL, "busy")]


def test_an_empty_question_and_an_empty_answer(played: Played) -> None:
    played.extension.forward(evolve(question("r1", ""), context=(), text=""))
    played.clock.advance(0)
    assert played.hub.failure[2] == NOTHING_ASKED
    played.hub.told.clear()
    played.ask("r2")
    played.answer()
    assert played.hub.told == [("failed", "r2", NOTHING_SAID, "empty")]


def test_stopped(played: Played) -> None:
    played.ask()
    played.server.line.begins()
    played.server.line.tokens("Half")
    assert played.extension.stop("r1", ["id-2"], "cancelled").called
    assert not played.server.line.is_open
    assert played.extension.stop("r1", [], "cancelled").called
    assert played.hub.of("r1") == ["started", "data"]


def test_stopped_by_what_its_own_token_leads_to(played: Played) -> None:
    played.hub.on_data = lambda: played.extension.stop("r1", [], "cancelled")
    played.ask()
    played.server.line.begins()
    played.server.line.says(b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    assert played.hub.of("r1") == ["started", "data"]


def test_stopped_before_it_is_asked_and_detached(played: Played) -> None:
    played.extension.forward(question("r1"))
    played.extension.stop("r1", [], "cancelled")
    played.extension.forward(question("r2"))
    played.extension.detach()
    played.clock.advance(1)
    played.ask("r3")
    assert not played.server.lines
    assert not played.hub.attached


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        ("401 No", "The model server refuses the hub's key.", "key"),
        ("503 Busy", "The model server is busy.", "busy"),
    ],
)
def test_a_fault_in_words(played: Played, status: str, words: str, code: str) -> None:
    played.ask()
    played.server.line.whole(status, {"error": {"message": "the body is not shown"}})
    assert played.hub.told == [("failed", "r1", words, code)]
    assert played.extension.faults == {Fault[code.upper()]: 1}


def test_where_it_is_not_running(played: Played) -> None:
    played.server.refuses = [ConnectionRefusedError()]
    played.ask()
    assert played.hub.failure[2] == "The model server is not running at http://model.test:1234."


def test_what_there_is_of_an_answer_fails_with_it(played: Played) -> None:
    played.ask()
    played.server.line.begins()
    played.server.line.tokens("Half")
    played.server.line.hangs_up()
    assert played.hub.of("r1") == ["started", "data", "failed"]


def test_the_operator_hears_of_faults_as_often_as_the_quota_allows(played: Played) -> None:
    with capturedLogs() as heard:
        for number in range(20):
            played.ask(f"r{number}")
            played.server.line.whole("400 No", {"error": {"message": "no", "code": "c"}})
    lines = [event for event in heard if event.get("upstream") == "x"]
    assert len(lines) == 3
    assert lines[0]["told"] == " It says: c no"


def test_nor_is_half_of_a_key_told_to_him(played: Played) -> None:
    key = Secret("sk-0123456789")
    played.plug(key)
    played.ask()
    with capturedLogs() as heard:
        said = {"message": "x" * (SHOWN_CHARS - 5) + key.reveal(), "code": key.reveal()}
        played.server.line.whole("400 No", {"error": said})
    (told,) = [event["told"] for event in heard if event.get("upstream") == "x"]
    assert "sk-" not in told


def test_a_busy_server_is_asked_once_more(played: Played) -> None:
    played.ask()
    played.server.line.whole("429 Slow", {}, Retry_After="3")
    assert not played.hub.told
    played.clock.advance(2.9)
    assert len(played.server.lines) == 1
    played.clock.advance(0.2)
    played.answer("Yes")
    assert played.hub.of("r1") == ["started", "data", "ended"]


def test_but_not_twice_nor_for_long(played: Played) -> None:
    played.ask()
    for _ in range(2):
        played.server.line.whole("429 Slow", {}, Retry_After="3")
        played.clock.advance(3)
    assert played.hub.told == [("failed", "r1", "The model server is busy. Ask again in 3 s.", "busy")]
    played.hub.told.clear()
    played.ask("r2")
    played.server.line.whole("503 Slow", {}, Retry_After="60")
    assert played.hub.failure[2] == "The model server is busy. Ask again in 60 s."
    played.ask("r3")
    assert len(played.server.lines) == 3, "until then it is not asked at all"
    assert played.hub.of("r3") == ["failed"]


def test_nobody_is_busy_for_ever(played: Played) -> None:
    played.ask("r1")
    played.server.line.whole("503 Slow", {}, Retry_After="99999999")
    played.clock.advance(580)
    played.ask("r2")
    assert len(played.server.lines) == 1
    played.clock.advance(20)
    played.ask("r3")
    assert len(played.server.lines) == 2


def test_half_of_the_context_is_for_the_prompt_at_least(played: Played) -> None:
    played.plug(context_tokens=1000, max_tokens=4000)
    played.ask()
    assert played.server.line.body["max_tokens"] == 500


def test_others_wait_as_well_while_it_is_busy(played: Played) -> None:
    played.ask("r1")
    played.server.line.whole("429 Slow", {}, Retry_After="3")
    played.ask("r2", client="bob")
    assert len(played.server.lines) == 1
    played.clock.advance(3)
    assert len(played.server.lines) == 3


def test_where_another_may_be_asked_it_does_not_wait(played: Played) -> None:
    played.elsewhere = True
    played.ask()
    played.server.line.whole("429 Slow", {}, Retry_After="3")
    assert played.hub.of("r1") == ["failed"]


def test_zero_seconds_to_wait(played: Played) -> None:
    played.ask()
    played.server.line.whole("429 Slow", {}, Retry_After="0")
    assert played.hub.of("r1") == ["failed"]


def test_a_conversation_that_is_too_long_is_halved_once(played: Played) -> None:
    asked = question("r1")
    said = [evolve(asked.context[0], message_id=f"m{n}", text=f"{n}" * 40, request_id=None) for n in range(8)]
    answers = [evolve(each, role="assistant") if n % 2 else each for n, each in enumerate(said)]
    played.extension.forward(evolve(asked, context=(*answers, *asked.context)))
    played.clock.advance(0)
    assert len(played.server.line.body["messages"]) == 9
    too_long = {"error": {"message": "x", "code": "context_length_exceeded"}}
    played.server.line.whole("400 No", too_long)
    assert [each["content"][:1] for each in played.server.line.body["messages"]] == ["4", "5", "6", "7", "W"]
    played.server.line.whole("400 No", too_long)
    assert played.hub.told == [("failed", "r1", "The conversation is too long for the model.", "too_long")]


def test_what_a_prompt_costs_is_learned_from_the_server(played: Played) -> None:
    played.plug(context_tokens=300, max_tokens=100)
    asked = question("r1")
    said = [evolve(asked.context[0], message_id=f"m{n}", text="x" * 30, request_id=None) for n in range(30)]
    answers = [evolve(each, role="assistant") if n % 2 else each for n, each in enumerate(said)]
    sizes = []
    for number in range(2):
        request = evolve(asked, request_id=f"r{number}", context=(*answers, *asked.context))
        played.extension.forward(request)
        played.clock.advance(0)
        sizes.append(len(played.server.line.body["messages"]))
        played.server.line.begins()
        played.server.line.tokens("x")
        played.server.line.done(prompt=250)
    assert sizes[1] < sizes[0]


def test_ceilings(played: Played) -> None:
    played.plug(requests_per_day_each=1, tokens_per_day=50)
    played.ask("r1")
    played.answer("Yes")
    played.ask("r2")
    assert "You have used up today's questions" in played.hub.failure[2]
    played.ask("r3", client="bob")
    played.server.line.begins()
    played.server.line.tokens("x" * 200)
    played.server.line.hangs_up()
    played.ask("r4", client="carl")
    assert "Everybody together has used up today's tokens" in played.hub.told[-1][2], "also where it did not count them"
    assert len(played.server.lines) == 2
    played.clock.advance(86_400)
    played.ask("r5")
    assert len(played.server.lines) == 3


@pytest.mark.parametrize("by_the_end_of_the_hub", [False, True])
def test_what_is_broken_off_counts(played: Played, by_the_end_of_the_hub: bool) -> None:
    played.plug(tokens_per_day=60)
    played.extension.forward(question("r0"))
    played.extension.stop("r0", [], "cancelled")  # never asked: it costs nothing
    played.ask("r1")
    played.server.line.begins()
    played.server.line.tokens("x" * 200)
    if by_the_end_of_the_hub:
        played.extension.detach()
    else:
        played.extension.stop("r1", [], "cancelled")
    (all_, ann) = (each.tokens for each in reversed(played.extension.ceilings.changed()))
    assert all_ == ann > 60
    assert 0 < played.extension.prompt_tokens < ann
    played.extension.attach(played.hub)
    played.ask("r2")
    assert "used up today's tokens" in played.hub.failure[2]


def test_as_a_character(played: Played, tmp_path: Path) -> None:
    book = {"entries": [{"keys": ["sea"], "content": "The sea is cold."}]}
    card: dict[str, Any] = {
        "name": "Ann",
        "description": "Knows {{user}}.",
        "post_history_instructions": "Stay.",
        "character_book": book,
    }
    (tmp_path / "ann.json").write_text(json.dumps({"data": card}))
    (tmp_path / "bea.json").write_text(json.dumps({"name": "Bea", "description": "Bea."}))
    played.cards = Cards(tmp_path)
    played.cards.load(())
    played.plug(character="ann", system_prompt="Be brief.")
    assert played.hub.attached[-1][2] == ("cancel", "characters")
    assert verifyObject(ICharacters, played.extension)
    assert played.extension.characters() == Characters((Offered("ann", "Ann"), Offered("bea", "Bea")), "ann")
    played.ask("r1", "To the sea!")
    assert [each["content"] for each in played.server.line.body["messages"]] == [
        "Be brief.\n\nThe sea is cold.\n\nKnows ann.",
        "To the sea!",
        "Stay.",
    ]
    played.answer("Yes")
    assert played.hub.told[0] == ("started", "r1", "Ann")
    for request_id, wish, name in (("r2", "bea", "Bea"), ("r3", "somebody of a desk", "Ann")):
        played.extension.forward(evolve(question(request_id), character=wish))
        played.clock.advance(0)
        played.answer("Yes")
        assert ("started", request_id, name) in played.hub.told
