"""How an output is named to those who are shown it."""

from __future__ import annotations

from attrs import frozen

from newage.domain.character import Character


@frozen(kw_only=True)
class ShownOutput:
    """``stream_id`` is the extension's first of it, since it was begun or went on; ``request_id`` the requester's.

    ``question_id`` is the messageId of what was asked, ``requester`` the identity that did, "" for nobody; ``action``
    what is done (contract A19), and ``character`` as whom.
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
