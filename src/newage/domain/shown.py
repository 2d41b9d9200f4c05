"""How an output is named to those who are shown it, and what one of them gets that comes back to it."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from newage.domain.character import Character


@frozen(kw_only=True)
class ShownOutput:
    """``stream_id`` is the extension's first of it, since it was begun or went on; ``request_id`` the requester's.

    ``question_id`` is the messageId of what was asked, ``requester`` the identity that did, "" for nobody; ``action``
    what is done (contract A19), and ``character`` as whom. ``private``: only its requester is shown it.
    """

    stream_id: str
    output_id: str
    request_id: str
    room: str
    client_id: str
    identity: str
    room_id: str = ""
    question_id: str = ""
    requester: str = ""
    action: str = "newMessage"
    character: Character | None = None
    private: bool = False

    def is_for(self, identity: str) -> bool:
        """Is a member of the room shown it?"""
        return not self.private or identity == self.requester


class OutputState(Enum):
    """What became of an output so far. ``GONE``: there is none, or it is nothing of who asks."""

    LIVE = "live"
    ENDED = "ended"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"

    @classmethod
    def at_end(cls, *, failed: bool, cancelled: bool = False) -> OutputState:
        """How it ended."""
        return cls.CANCELLED if cancelled else cls.FAILED if failed else cls.ENDED


@frozen(kw_only=True)
class Missed:
    """What a reader had not got of an output. ``at`` and ``reasoning_at`` count the UTF-16 units before it.

    ``rev`` counts how often something of the output became void, or tells this text from others, if it is over.
    ``more``: that is not all, and nothing comes to this reader until it asks for the rest.
    """

    rev: int
    at: int
    text: str
    reasoning_at: int
    reasoning: str
    more: bool


@frozen(kw_only=True)
class ResumedOutput:
    """An output for who came back to it. ``about`` and ``missed`` are None where it is gone.

    ``message_id`` is that of its message, once it is stored; ``finish`` why it ended, where its extension said so.
    """

    output_id: str
    state: OutputState
    about: ShownOutput | None = None
    missed: Missed | None = None
    message_id: str = ""
    finish: str = ""
