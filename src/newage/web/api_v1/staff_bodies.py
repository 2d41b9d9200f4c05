"""What the staff of a room says and hears by ``/api/v1``; as ``bodies``."""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import frozen

from newage.domain.history import Selection
from newage.domain.model import Access, Bar, Role, Term
from newage.domain.request import Queued
from newage.domain.times import iso
from newage.web.api_v1.bodies import MAX_TEXT
from newage.web.api_v1.typed import member

MAX_ID: Final = 128  # characters of an identity
MAX_SECONDS: Final = 10**10
MAX_REASON: Final = 500  # characters
MAX_EXTENSIONS: Final = 256


class MemberRole(Enum):
    """As ``Role``, by its name."""

    GUEST = Role.GUEST.wire
    SPECIAL = Role.SPECIAL.wire
    MANAGER = Role.MANAGER.wire
    MASTER = Role.MASTER.wire

    @property
    def role(self) -> Role:
        return Role[self.name]


@frozen(kw_only=True)
class Added:
    identity: str = member("whom to add; one who has a key need not be here", characters=(1, MAX_ID))
    role: MemberRole = member("what he shall be", default=MemberRole.GUEST)


@frozen(kw_only=True)
class RoleOf:
    role: MemberRole = member("guest, special, manager or master")


@frozen(kw_only=True)
class AccessOf:
    access: Access = member("open, or for invited ones")


@frozen(kw_only=True)
class Kick:
    seconds: int | None = member(
        "how long he is barred: 0 not, -1 until that is lifted; else as the hub has it",
        default=None,
        least=-1,
        most=MAX_SECONDS,
    )
    reason: str = member("why", default="", characters=(0, MAX_REASON))


@frozen(kw_only=True)
class Mute:
    seconds: int | None = member("how long; without it until it is lifted", default=None, least=1, most=MAX_SECONDS)


@frozen(kw_only=True)
class Until:
    """How long it holds."""

    until: str | None = member("ISO 8601, UTC; absent: for ever, or not at all", default=None)
    permanent: bool = member("whether it holds until it is lifted")

    @classmethod
    def of(cls, term: Term | None) -> Until:
        if term is None or term.permanent:
            return cls(permanent=term is not None)
        return cls(until=iso(term.until), permanent=False)


@frozen(kw_only=True)
class Barred:
    """A client that was kicked, and does not come back by itself."""

    client_id: str = member("of any of its identities")
    identity: str = member("that was kicked")
    by: str = member("who did it")
    reason: str = member("why")
    until: str | None = member("ISO 8601, UTC; absent: until it is lifted", default=None)

    @classmethod
    def of(cls, client_id: str, bar: Bar) -> Barred:
        until = None if bar.term.permanent else iso(bar.term.until)
        return cls(client_id=client_id, identity=bar.identity, by=bar.by, reason=bar.reason, until=until)


@frozen(kw_only=True)
class Bars:
    bars: tuple[Barred, ...] = member("in this room")


@frozen(kw_only=True)
class Lifted:
    clients: tuple[str, ...] = member("that are barred no more")


@frozen(kw_only=True)
class Edit:
    text: str = member("what it shall say", characters=(1, MAX_TEXT))


@frozen(kw_only=True)
class Clearing:
    """What is to go; all of it where nothing is said."""

    questions: bool = member("what was asked and said", default=True)
    answers: bool = member("what was answered", default=True)


@frozen(kw_only=True)
class Cleared:
    messages: int = member("how many went")


@frozen(kw_only=True)
class Selected:
    """The answer to a question that counts."""

    question_id: str = member("the message that it answers")
    message_id: str = member("of the answer")
    index: int = member("its place among the answers, from 0")
    count: int = member("how many there are")

    @classmethod
    def of(cls, chosen: Selection) -> Selected:
        return cls(question_id=chosen.question_id, message_id=chosen.message_id, index=chosen.index, count=chosen.count)


@frozen(kw_only=True)
class Waiting:
    """A question that nobody has been asked yet."""

    request_id: str = member("by this it is cancelled")
    identity: str = member("who asked")
    name: str | None = member("of who asked, to be shown", default=None)
    message_id: str | None = member("what was asked", default=None)
    since: str = member("ISO 8601, UTC")
    waits_for: str = member("host: that somebody submits it; turn, or extension: it is asked by itself")
    position: int = member("in that queue; the first is 1")

    @classmethod
    def of(cls, queued: Queued) -> Waiting:
        return cls(
            request_id=queued.request_id,
            identity=queued.identity,
            name=queued.name or None,
            message_id=queued.message_id or None,
            since=iso(queued.since),
            waits_for=queued.waiting.what,
            position=queued.waiting.position,
        )


@frozen(kw_only=True)
class Queue:
    queue: tuple[Waiting, ...] = member("what waits in this room, the first to be asked first")


@frozen(kw_only=True)
class Submit:
    request_id: str | None = member("of your own making, to cancel it by", default=None, characters=(1, 256))


@frozen(kw_only=True)
class Serving:
    extensions: tuple[str, ...] = member("identities of those that serve the room, the first to be asked first")


@frozen(kw_only=True)
class Assigned:
    extensions: tuple[str, ...] = member("identities of those that shall serve it", most=MAX_EXTENSIONS)
