"""What an extension is asked: the value that goes down its link (contract 5.4)."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from newage.domain.model import Message, RequestMode, Role


@frozen(kw_only=True)
class Question:
    """Who asked, and how.

    ``said`` is the message as it is stored now; of it, all but its text is meant, which may have been merged.
    ``merged`` are the requestIds of those whose words were merged into it, in that order; ``request_id`` is that of
    ``said``, as its author calls it; ``targets`` are the identities of all extensions that are asked it.
    """

    request_id: str
    identity: str
    client_id: str
    role: Role
    said: Message
    targets: tuple[str, ...]
    merged: tuple[str, ...] = ()
    streaming: Any = None  # as the client wrote it


@frozen(kw_only=True)
class ForwardedRequest:
    """One request as one extension is given it.

    ``request_id`` is the id by which this extension knows it, ``target`` the extension's clientId. ``text`` is to be
    answered, and ``context`` are the last messages of the room, oldest first. ``action`` is the client's own word for
    what it wants, if it has one, ``about`` the message acted on. ``character`` and ``failover`` are as in ``Ask``.
    Without a ``question`` nobody asked: the extension may say something by itself, and ``text`` is an instruction.
    """

    request_id: str
    target: str
    room: str
    mode: RequestMode
    text: str
    context: tuple[Message, ...] = field(default=(), repr=False)
    request_type: str = "newMessage"
    action: str = ""
    about: str = ""
    character: str = ""
    failover: bool = False
    declared: bool = False  # the extension said what it can do: of the wishes it is told what was understood
    question: Question | None = None
