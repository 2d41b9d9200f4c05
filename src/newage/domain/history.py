"""What is asked of a room's history, and what comes of it (contract 4.7, 4.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import evolve, field, frozen

from newage.domain.model import Message, read_only
from newage.domain.text import well_formed

KEPT_CHANGES: Final = 1_000  # edits and deletions of a room that are remembered for who was away
UNNAMED: Final = object()  # the data of an edit that does not mention them


@frozen(kw_only=True)
class Change:
    """An edit of one message; ``extra`` are further members."""

    text: str | None = None
    data: Any = UNNAMED
    extra: Mapping[str, Any] = field(factory=dict, converter=read_only)

    def applied_to(self, message: Message) -> Message:
        """The message as it would be. The data of a message that has its text as data follow the text."""
        text = message.text if self.text is None else self.text
        data = self.data
        if data is UNNAMED:
            data = text if message.is_response or isinstance(message.data, str | None) else message.data
        return evolve(message, text=well_formed(text), data=data, extra={**message.extra, **self.extra})


@frozen(kw_only=True)
class Selection:
    """The answer to a question that counts: the ``index``-th, from 0, of ``count`` in the order in which they came."""

    question_id: str
    message_id: str
    index: int
    count: int

    @classmethod
    def of(cls, answer: Message, ids: Sequence[str]) -> Selection:
        """:param ids: of all answers to that question."""
        index = ids.index(answer.message_id)
        return cls(question_id=answer.question_id or "", message_id=answer.message_id, index=index, count=len(ids))


@frozen
class Behind:
    """How far somebody is behind who has seen a room up to some seq."""

    count: int  # messages said since then, as far as they are still there
    changed: bool  # of what he has seen, something was edited or deleted; or that is not known any more
    truncated: bool  # of what was said since then, something is gone because the room held too much


@frozen(kw_only=True)
class Earlier:
    """A page backwards: the newest messages before some seq, oldest first; ``more``: there are older ones."""

    messages: tuple[Message, ...]
    more: bool
    seq: int  # of the room, now


@frozen(kw_only=True)
class Missed:
    """What was said in a room after ``since``, a seq: the oldest ``messages`` of it.

    ``seq`` is the room's now; ``more``: there is more after these; ``changed`` and ``truncated`` as in ``Behind``.
    """

    room: str
    messages: tuple[Message, ...]
    since: int
    more: bool
    seq: int
    changed: bool = False
    truncated: bool = False

    @property
    def next_since(self) -> int:
        """Where to go on."""
        return self.messages[-1].seq if self.messages else self.since


@frozen(kw_only=True)
class Update:
    """A room's whole history, about to be sent page by page; ``pages`` says how many messages each holds."""

    update_id: str
    room: str
    pages: tuple[int, ...]
    messages: int
