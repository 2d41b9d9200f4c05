"""A checker of histories: what clients sent, were acknowledged and received, against what the hub has in the end.

Pure: a test records as things happen, each with a ``key`` of its own (a requestId), and asks for ``violations``.
Clients may be cut off and come back at any time: who misses something live is no violation as long as the end is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Stored:
    """A message as the hub has it in the end: a question under its key, an answer under its own and its question's."""

    key: str
    text: str
    answers: str | None = None


@dataclass
class History:
    """What was seen; ``violations`` is empty when it could have been so.

    Ways of saying that something is wrong are full sentences, for the one who reads a failed test.
    """

    _sent: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # key: client, room, text
    _acked: list[str] = field(default_factory=list)
    _received: dict[tuple[str, str], list[tuple[str, int]]] = field(default_factory=dict)
    _answered: list[tuple[str, str, str, str]] = field(default_factory=list)

    def sent(self, client: str, room: str, key: str, text: str) -> None:
        """A client is about to send this; each key once."""
        assert key not in self._sent, f"{key} was sent before: the test's own mistake"
        self._sent[key] = (client, room, text)

    def acked(self, key: str) -> None:
        """The hub said that it has it."""
        assert key in self._sent, f"{key} was never sent: the test's own mistake"
        self._acked.append(key)

    def received(self, client: str, room: str, key: str, seq: int) -> None:
        """The client was given this message of the room, with the room's number for it."""
        self._received.setdefault((client, room), []).append((key, seq))

    def answered(self, client: str, room: str, question: str, text: str) -> None:
        """The client was given this whole answer to that question, in that room."""
        self._answered.append((client, room, question, text))

    def violations(self, final: Mapping[str, Sequence[Stored]]) -> list[str]:
        """:param final: each room's messages in their order."""
        return [
            *self._lost(final),
            *self._twice(final),
            *self._invented(final),
            *self._disordered(final),
            *self._astray(final),
        ]

    def _lost(self, final: Mapping[str, Sequence[Stored]]) -> Iterator[str]:
        for key in self._acked:
            client, room, text = self._sent[key]
            kept = [message for message in final.get(room, ()) if message.key == key]
            if not kept:
                yield f"lost: {client} was told that {room} has {key}, and it has not"
            elif kept[0].text != text:
                yield f"changed: {key} of {client} is not what was sent"

    def _twice(self, final: Mapping[str, Sequence[Stored]]) -> Iterator[str]:
        stored = Counter(message.key for messages in final.values() for message in messages)
        yield from (f"twice: {key} is stored {count} times" for key, count in stored.items() if count > 1)
        for (client, room), messages in self._received.items():
            counts = Counter(key for key, _ in messages)
            yield from (f"twice: {client} received {key} of {room} {n} times" for key, n in counts.items() if n > 1)
        answers = Counter((client, question) for client, _, question, _ in self._answered)
        yield from (f"twice: {client} was answered {key} {n} times" for (client, key), n in answers.items() if n > 1)

    def _invented(self, final: Mapping[str, Sequence[Stored]]) -> Iterator[str]:
        for room, messages in final.items():
            for message in messages:
                if message.answers is None and message.key not in self._sent:
                    yield f"invented: nobody sent {message.key}, which {room} has"
                elif message.answers is not None and message.answers not in self._sent:
                    yield f"invented: {message.key} of {room} answers {message.answers}, which nobody asked"

    def _disordered(self, final: Mapping[str, Sequence[Stored]]) -> Iterator[str]:
        for (client, room), messages in self._received.items():
            numbers = [seq for _, seq in messages]
            if any(later <= earlier for earlier, later in pairwise(numbers)):
                yield f"disordered: the numbers that {client} received in {room} do not rise: {numbers}"
            place = {message.key: number for number, message in enumerate(final.get(room, ()))}
            places = [place[key] for key, _ in messages if key in place]
            if places != sorted(places):
                yield f"disordered: {client} received the messages of {room} in another order than it has them"
        for room, kept in final.items():
            place = {message.key: number for number, message in enumerate(kept)}
            for client in {self._sent[key][0] for key in self._acked}:
                mine = [place[key] for key in self._acked if self._sent[key][:2] == (client, room) and key in place]
                if mine != sorted(mine):
                    yield f"disordered: {room} has what {client} was acknowledged in another order"

    def _astray(self, final: Mapping[str, Sequence[Stored]]) -> Iterator[str]:
        for room, messages in final.items():
            for message in messages:
                asked = self._sent.get(message.answers or message.key)
                if asked and asked[1] != room:
                    yield f"astray: {message.key} is in {room} and belongs to {asked[1]}"
        kept = {message.answers: message.text for messages in final.values() for message in messages if message.answers}
        for client, room, question, text in self._answered:
            asked = self._sent.get(question)
            if asked is None:
                yield f"invented: {client} was answered {question}, which nobody asked"
            elif asked[1] != room:
                yield f"astray: {client} was given the answer to {question} in {room}; it was asked in {asked[1]}"
            if question in kept and kept[question] != text:
                yield f"changed: {client} was given another answer to {question} than is stored"
