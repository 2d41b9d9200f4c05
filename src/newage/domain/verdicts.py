"""Outputs, their streams, and what the machine of outputs decides about them (contract 5.6, 5.8)."""

from __future__ import annotations

from typing import TypeAlias

from attrs import define, field, frozen

from newage.domain.chunk_order import ChunkOrder
from newage.domain.request import Request
from newage.domain.text import Joiner
from newage.errors import NewAgeError

NEVER = float("inf")


@define(eq=False)
class Output:
    """One output as its extension knows it. Times are seconds on the driver's clock; only the machine writes.

    ``reused``: this extension used the outputId for another request before. ``failed``: it failed once, or
    somebody changed what was stored of it, so nobody hears its late chunks.
    """

    given_id: str
    request: Request
    active_at: float
    reused: bool
    label: str | None = None  # the requestId by which its extension called it last
    heard_at: float = 0.0  # the last sign of life that was reported
    joiner: Joiner = field(factory=Joiner)
    thoughts: Joiner = field(factory=Joiner)  # as the one of its text
    open_streams: int = 0
    waits_since: float | None = None  # the last END, while no stream is open
    socket: str = ""  # of its newest stream
    only: str = ""  # the socket that resumed it: what others still say of it is not heard
    was_lost: bool = False  # a socket of it went while it was open
    lost_at: float | None = None  # when, unless a stream of it has begun since
    lost_until: float = NEVER  # until when what follows is waited for
    ended_at: float = NEVER  # for the last time
    failed: bool = False
    supposed: bool = False  # it was taken for complete, and nothing said so
    spoken: bool = False  # some of it is not in its size: it was taken back, or came in one piece
    size: int = 0  # UTF-8 bytes so far, of its reasoning too
    limit: int = 0  # of these
    fault: str = ""  # why it is to fail at the next tick

    @property
    def has_text(self) -> bool:
        """Was anything of it shown, though it may have been taken back?"""
        return self.spoken or self.size > 0


StreamKey: TypeAlias = str | tuple[str, Request]  # with the request where an extension uses a streamId for two at once


@define(eq=False)
class Stream:
    """One live streamId. ``label`` is the requestId that its packets carry; ``thoughts`` the order of its reasoning."""

    key: StreamKey
    output: Output
    label: str | None
    started_at: float
    order: ChunkOrder
    thoughts: ChunkOrder | None = None  # once there are any


# ------------------------------------------------------------------------------------------------------------ verdicts


@frozen
class Opened:
    """Show what comes of this output from now on. ``again``: it was over and goes on. ``unheard``: it has failed."""

    output: Output
    stream_id: str
    again: bool
    unheard: bool


@frozen
class Refused:
    """Something belongs to nothing, or is too much: a line in the log."""

    why: str
    warning_code: int


@frozen
class Whole:
    """All of its text, said once more in one piece: nothing of it may be missing."""

    output: Output
    text: str


@frozen
class Finished:
    """It is complete, after this rest of its text and of its reasoning."""

    output: Output
    rest: str = ""
    thoughts: str = ""


@frozen
class Failed:
    """It came to a bad end. ``first``: it had not failed before. ``text``: what is kept of one in one piece.
    ``silent``: its extension may be at work on it still.
    """

    output: Output
    reason: NewAgeError
    first: bool
    text: str = ""
    silent: bool = False


@frozen
class Cancelled:
    """Somebody stopped it; this is the rest of its text and of its reasoning. Nobody hears what comes late."""

    output: Output
    rest: str = ""
    thoughts: str = ""


@frozen
class Answered:
    """An output in one piece, complete. ``repeated``: that of a streamed one, whose text stands already."""

    output: Output
    text: str
    repeated: bool


@frozen
class Heard:
    """Its extension is at work on it."""

    output: Output


@frozen
class Forgotten:
    """Its tail is over: what still comes of it belongs to nothing."""

    output: Output


Verdict: TypeAlias = Opened | Refused | Whole | Finished | Failed | Cancelled | Answered | Heard | Forgotten
