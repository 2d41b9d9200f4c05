"""What a reader has missed of an output, as much of it as fits (contract 5.7.7)."""

from __future__ import annotations

from newage.domain.shown import Missed
from newage.services.streams.cursor import Cursor, Position
from newage.services.streams.output_text import OutputText, TextKind

LEAST = 4  # bytes: a character is whole


def catch_up(output: OutputText, position: Position, limit: int) -> Missed:
    """From that position on; from its start for a reader that has something else: of another ``rev``, or more of it.

    :param limit: bytes of text and reasoning together; below four there is nothing but where it goes on.
    """
    cursor = Cursor(output, position)
    start, found = cursor.position, {TextKind.TEXT: "", TextKind.REASONING: ""}
    while limit >= LEAST and (piece := cursor.take(limit)) is not None:
        found[piece.kind] += piece.text
        limit -= len(piece.text.encode())
    return Missed(
        rev=start.rev,
        at=start.at,
        text=found[TextKind.TEXT],
        reasoning_at=start.reasoning_at,
        reasoning=found[TextKind.REASONING],
        more=cursor.left > 0,
    )
