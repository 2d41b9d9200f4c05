"""What becomes of one question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakSet

from newage_client._bell import Bell
from newage_client._emitter import Emitter
from newage_client._failure import Failure
from newage_client._output import KINDS, Output
from newage_client._types import Stopped, WaitsFor


class Reader:
    """The tokens of an answer from its beginning on; nothing is kept for it, so leaving it needs nothing."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._cursors: dict[Output, int] = {}

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> str:
        answer = self._answer
        while True:
            for output in answer.outputs:
                read, text = self._cursors.get(output, 0), output.text
                if len(text) > read:
                    self._cursors[output] = len(text)
                    return text[read:]
            if answer.failure is not None:
                raise answer.failure.again()
            if answer.over:
                raise StopAsyncIteration
            await answer._bell.wait()

    def _back(self, output: Output, at: int) -> None:
        self._cursors[output] = min(self._cursors.get(output, 0), at)


class Answer(Emitter):
    """An asynchronous iterable of tokens: each loop over it reads all of it, from its beginning. Leaving the loop stops
    the reading alone; `stop` stops the model.

    Tells ``text`` (piece, output), ``reasoning`` (piece, output), ``reset`` (kind, at, output), ``output`` (output),
    ``status`` (said), ``end`` ().

    :ivar room: its name; empty where it is one's own.
    :ivar state: the last status of the request; ``asking`` before the hub has it.
    :ivar waits_for: whom or what it waits for: ``host``, ``turn``, ``extension``; ``position`` 1 is next.
    :ivar outputs: its parts, where several extensions or characters speak.
    :ivar failure: why it failed, once it has.
    """

    def __init__(self, request_id: str, room: str, stop: Callable[[Answer], Awaitable[Stopped]]) -> None:
        super().__init__()
        self.request_id = request_id
        self.room = room
        self.question_id = ""
        self.state = "asking"
        self.waits_for: WaitsFor = ""
        self.position = 0
        self.over = False
        self.failure: Failure | None = None
        self.outputs: list[Output] = []
        self._stop = stop
        self._void: set[Output] = set()  # of which nothing was shown, and nothing will be
        self._readers: WeakSet[Reader] = WeakSet()
        self._bell = Bell()

    @property
    def text(self) -> str:
        """What is there now."""
        return "\n\n".join(output.text for output in self.outputs if output.text)

    @property
    def reasoning(self) -> str:
        return "\n\n".join(output.reasoning for output in self.outputs if output.reasoning)

    @property
    def message_ids(self) -> list[str]:
        """The messages that were stored of it."""
        return [output.message_id for output in self.outputs if output.message_id]

    @property
    def finish_reason(self) -> str:
        """Why the last part of it ended, in the extension's word; empty where it says none."""
        return next((output.finish_reason for output in reversed(self.outputs) if output.finish_reason), "")

    def __aiter__(self) -> Reader:
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    async def done(self) -> Answer:
        """Itself, when it is over.

        :raises Failure: it failed; ``text`` has what came.
        """
        while not self.over:
            await self._bell.wait()
        if self.failure is not None:
            raise self.failure.again()
        return self

    async def stop(self) -> Stopped:
        """No more of it: the text so far is kept, here and in the history.

        :return: what the hub says.
        """
        return await self._stop(self)

    # ---- for the client's side of it

    def _join(self, output: Output) -> None:
        if output in self.outputs or output in self._void:
            return
        self.outputs.append(output)
        for kind in KINDS:
            output.on(kind, lambda piece, kind=kind: self._grown(kind, piece, output))
        output.on("reset", lambda kind, at: self._voided(kind, at, output))
        self._emit("output", output)
        for kind, text in (("reasoning", output.reasoning), ("text", output.text)):
            if text:
                self._grown(kind, text, output)

    def _grown(self, kind: str, piece: str, output: Output) -> None:
        self._emit(kind, piece, output)
        self._bell.ring()

    def _voided(self, kind: str, at: int, output: Output) -> None:
        if kind == "text":
            for reader in self._readers:
                reader._back(output, at)
        self._emit("reset", kind, at, output)

    def _status(self, said: Mapping[str, Any]) -> None:
        """:param said: an ack of LLM_REQUEST, a REQUEST_STATUS_UPDATE or a QUEUE_UPDATE."""
        if self.over:
            return
        status = said.get("status")
        self.state = status if status and status != "ok" else said.get("state") or self.state
        self.waits_for = said.get("waitsFor") or (self.waits_for if self.state == "queued" else "")
        self.position = said.get("position") or (self.position if self.waits_for else 0)
        self.question_id = self.question_id or said.get("questionId") or said.get("messageId") or ""
        self._emit("status", said)

    def _restart(self, identities: list[str] | None = None) -> None:
        """Another extension is asked, for nothing of this one's was shown.

        :param identities: whose outputs count.
        """
        gone = [each for each in self.outputs if not identities or (each.identity and each.identity not in identities)]
        self._void.update(gone)
        self.outputs = [each for each in self.outputs if each not in self._void]

    def _end(self, failure: Failure | None) -> None:
        if self.over:
            return
        self.over = True
        self.failure = failure
        self._emit("end")
        self._bell.ring()
