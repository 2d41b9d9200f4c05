"""What ``/v1`` says: the bodies of OpenAI's API, as far as chat programs read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from newage.dialect import Body
from newage.protocol.json_text import dumps

DONE: Final = b"data: [DONE]\n\n"


def model(name: str, created: int) -> Body:
    """:param created: seconds since the epoch."""
    return {"id": name, "object": "model", "created": created, "owned_by": "newage"}


def models(names: Iterable[str], created: int) -> Body:
    return {"object": "list", "data": [model(name, created) for name in names]}


def cancelled(completion_id: str, state: str) -> Body:
    return {"id": completion_id, "object": "chat.completion.cancelled", "status": state}


def usage(prompt: int, completion: int) -> Body:
    """Numbers of tokens."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def frame(body: Body) -> bytes:
    """One event of a stream."""
    return b"data: " + dumps(body) + b"\n\n"


@frozen(kw_only=True)
class Completion:
    """What all that is said of one answer has in common.

    :param created: seconds since the epoch. :param legacy: in the form of ``/v1/completions``.
    :param usage: whether a stream ends with it.
    """

    id: str
    model: str
    created: int
    legacy: bool = False
    usage: bool = False

    def whole(self, text: str, reasoning: str, finish: str, used: Body) -> Body:
        """:param finish: why it ended there."""
        if self.legacy:
            choice: Body = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        else:
            message: Body = {"role": "assistant", "content": text}
            if reasoning:
                message["reasoning_content"] = reasoning
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        kind = "text_completion" if self.legacy else "chat.completion"
        return {**self._head(kind), "choices": [choice], "usage": used}

    def begins(self) -> bytes:
        """The first event of a stream."""
        return b"" if self.legacy else self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        """More of the answer."""
        return self._chunk({"content": text}, text)

    def reasoning(self, text: str) -> bytes:
        """More of what the model thinks; the legacy form has no place for that."""
        return b"" if self.legacy else self._chunk({"reasoning_content": text})

    def ends(self, finish: str, used: Body) -> bytes:
        """No more comes of it."""
        last = self._chunk({}, "", finish)
        if self.usage:
            last += frame({**self._head(self._streamed), "choices": [], "usage": used})
        return last + DONE

    @property
    def _streamed(self) -> str:
        return "text_completion" if self.legacy else "chat.completion.chunk"

    def _chunk(self, delta: Body, text: str = "", finish: str | None = None) -> bytes:
        choice: Body = {"index": 0, "finish_reason": finish, "logprobs": None}
        choice |= {"text": text} if self.legacy else {"delta": delta}
        body = {**self._head(self._streamed), "choices": [choice]}
        if self.usage:
            body["usage"] = None
        return frame(body)

    def _head(self, kind: str) -> Body:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}
