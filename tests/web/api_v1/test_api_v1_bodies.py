"""What is said of the hub's own values."""

from __future__ import annotations

from newage.domain.character import Character
from newage.domain.chat import Characters, Offered
from newage.domain.model import Message
from newage.web.api_v1 import bodies
from newage.web.api_v1.typed import write


def test_an_answer_says_what_only_answers_have() -> None:
    answer = Message(
        message_id="m2",
        room="den",
        seq=2,
        identity="X",
        role="assistant",
        text="me",
        timestamp="2026-01-01T00:00:00.000Z",
        request_id="r",
        question_id="m1",
        response_id="a",
        output_id="o",
        partial=True,
        reasoning="hm",
        character=Character(id="c", name="Anna"),
    )
    assert write(bodies.Message.of(answer)) == {
        "messageId": "m2",
        "seq": 2,
        "role": "assistant",
        "identity": "X",
        "clientId": "",
        "text": "me",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "requestId": "r",
        "questionId": "m1",
        "responseId": "a",
        "outputId": "o",
        "partial": True,
        "reasoning": "hm",
        "character": "Anna",
    }


def test_characters() -> None:
    found = Characters((Offered("1", "Anna", "ab", ("nice",)), Offered("2", "Bob")), "1", truncated=True)
    assert write(bodies.CharacterList.of("X", found)) == {
        "extension": "X",
        "current": "1",
        "characters": [{"id": "1", "name": "Anna", "tags": ["nice"]}, {"id": "2", "name": "Bob", "tags": []}],
        "truncated": True,
    }
