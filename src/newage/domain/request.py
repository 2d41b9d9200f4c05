"""An LLM request from arrival to completion (contract 5.1, 5.3, 5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import define, evolve, field, frozen

from newage.domain.model import Message, RequestMode, Role, read_only
from newage.domain.policy import Verdict, decide
from newage.errors import NewAgeError


@frozen(kw_only=True)
class Ask:
    """What a client asked, as parsed at the edge (contract 5.1). ``targets`` is None when it named none.

    ``request_type`` is one of ``newMessage``, ``regenerateMessage``, ``continue`` and ``impersonate`` (A19);
    ``unknown``: the client has another word for it. ``message_id`` is that of a question to be asked again, or of an
    answer; ``action`` the client's own word for what is wanted, if it has one. ``character`` names who shall answer, by
    its id; ``failover``: another extension may, if the first fails to begin. ``submits``: it has no words of its own,
    and releases what waits for the host of its room. ``aside``: it brings what was said before with it, in ``data``, is
    stored nowhere, and is answered to who asks alone. ``speaker`` is as whom it is said, "" for who asks, ``origin`` by
    which way it came, as of ``Message``.
    """

    request_id: str | None
    text: str
    targets: tuple[str, ...] | None = None
    room: str | None = None
    role_hint: Role | None = None
    request_type: str = "newMessage"
    action: str = ""
    unknown: bool = False
    message_id: str | None = None
    character: str = ""
    failover: bool = False
    submits: bool = False
    aside: bool = False
    speaker: str = ""
    origin: str = ""
    data: Any = None
    streaming: Any = None
    extra: Mapping[str, Any] = field(factory=dict, converter=read_only)

    @property
    def again(self) -> bool:
        """One more answer is wanted to a question that was asked before (A19)."""
        return self.request_type == "regenerateMessage"

    @property
    def continues(self) -> bool:
        """An answer shall grow."""
        return self.request_type == "continue"

    @property
    def impersonates(self) -> bool:
        """Words for who asks are wanted: nothing is stored."""
        return self.request_type == "impersonate"

    @property
    def wordless(self) -> bool:
        """It needs no text."""
        return self.aside or self.request_type != "newMessage"

    @property
    def wishes(self) -> Ask:
        """Without what was said."""
        return evolve(self, text="", data=None, extra={})


@frozen(kw_only=True)
class Waiting:
    """What a request waits for before it is sent (A18): ``host``, that somebody submits the queue; its ``turn``; the
    ``extension``, which has just gone and may be back soon (A22).

    ``position`` is its place in that queue, the first is 1; ``of``: how many wait there; ``extension``: whose turn or
    return it waits for, "" where that is not settled.
    """

    what: str
    position: int
    of: int = 0
    extension: str = ""


@frozen(kw_only=True)
class Accepted:
    """What became of a request so far, for who asked (contract 5.2): its ``state`` is that of its status updates."""

    request_id: str
    message_id: str
    room: str
    state: str
    waiting: Waiting | None = None
    again: bool = False


@frozen(kw_only=True)
class Queued:
    """A request that waits, for who reads the queue of its room. ``name`` is that of who asked, "" where none is known;
    ``since`` in seconds since the epoch."""

    request_id: str
    identity: str
    name: str
    message_id: str
    since: float
    waiting: Waiting


@frozen(kw_only=True)
class Cancelled:
    """What became of a request that somebody took back: ``outputs`` are those that ended by it. ``over``: it had
    ended before, so nothing changed."""

    request_id: str
    state: str
    outputs: tuple[str, ...] = ()
    over: bool = False


@frozen(kw_only=True)
class Standing:
    """Where a request stands, for who asked and was away. ``request`` is None where the hub knows none.

    ``whole`` is what it was merged into, else itself: who answers that, answers it. ``waiting`` says of one that waits,
    by itself or with that, for what.
    """

    request_id: str
    request: Request | None = None
    whole: Request | None = None
    waiting: Waiting | None = None


class Begun(Protocol):
    """An output, as its extension calls it. ``active_at``: when something came of it last."""

    given_id: str
    active_at: float

    @property
    def has_text(self) -> bool:
        """Was anything of it shown, though it may have been taken back?"""


@define(eq=False)
class Request:
    """The bookkeeping of one accepted request (contract 5.3).

    What was said is not in it: it is the message ``message_id`` as stored, "" where there is none (A18). ``given`` says
    that an extension has been told it.
    ``room_id`` says which room of that name it is of: nothing of it reaches another one; ``gone`` when that is deleted.
    ``targets`` are the identities it is for, ``sent`` those that were given it, on the socket in ``places``, ``begun``
    those that have begun to answer, and with what; of those in ``unheard`` nobody hears any more. ``tried`` are those
    that were asked before it went to another (A22), ``asked_at`` is when the first token of the one that has it began
    to be waited for; ``stays``: it goes to no other. ``taken`` says where, and at which place of its own queue, one
    will answer it, ``busy`` how often one was too busy. Each ends in ``failed``, or in ``finished`` when its output is
    whole and in ``answered`` when that is stored. ``merged`` lists
    the requests that were merged into this one. ``again``: ``message_id`` was asked before, ``thread`` says by whom
    (A19); ``drafts`` are the response ids of its answers, stored or about to be. ``grows`` is the message id of the
    answer that shall grow, of the extension ``author``. ``unsaid`` is what was said where nothing of it is stored.
    ``why`` and ``by`` say of what is over why it failed and who took it back, "" where there is nothing to say;
    ``trouble`` is the failure that was its end.
    ``key`` is that of its ``OpenRequest``, 0 for what is not
    kept, and ``kept_as`` the state of that; ``restored``: it is of before the last start (A35). Times are those of a
    clock that never jumps, in seconds; where it began means nothing.
    """

    request_id: str
    identity: str
    client_id: str
    room: str
    role: Role
    mode: RequestMode
    message_id: str
    ask: Ask
    created_at: float
    active_at: float
    room_id: str = ""
    state: str = "recorded"
    targets: tuple[str, ...] = ()
    sent: set[str] = field(factory=set)
    places: dict[str, str] = field(factory=dict)
    begun: dict[str, list[Begun]] = field(factory=dict)
    unheard: set[str] = field(factory=set)
    finished: set[str] = field(factory=set)
    answered: set[str] = field(factory=set)
    failed: set[str] = field(factory=set)
    tried: list[str] = field(factory=list)
    asked_at: float = 0.0
    stays: bool = False
    taken: dict[str, tuple[str, int | None]] = field(factory=dict)
    busy: dict[str, int] = field(factory=dict)
    responses: list[str] = field(factory=list)
    merged: list[Request] = field(factory=list)
    ended_at: float | None = None
    given: bool = False
    gone: bool = False
    again: bool = False
    thread: str = ""
    drafts: list[str] = field(factory=list)
    grows: str = ""
    author: str = ""
    unsaid: Message | None = None
    trouble: NewAgeError | None = None
    why: str = ""
    by: str = ""
    key: int = 0
    kept_as: str = ""
    restored: bool = False

    @property
    def live(self) -> bool:
        return self.ended_at is None

    # ------------------------------------------------------------------------------------------------- until it is sent

    def decide(self, mode: RequestMode) -> Verdict:
        """What becomes of it by the mode of its room that is in force now."""
        self.mode = mode
        return decide(mode, self.role, has_target=self.ask.targets is not None)

    def ask_again(self, question_id: str, thread: str) -> None:
        """It wants one more answer to a message that is stored already, of this identity."""
        self.message_id, self.thread, self.again = question_id, thread, True

    def go_on_with(self, answer: Message) -> None:
        """It wants that answer to grow."""
        self.ask_again(answer.question_id or "", answer.asker or "")
        self.grows, self.author = answer.message_id, answer.identity

    @property
    def waits(self) -> bool:
        """Was its requester told that it waits?"""
        return self.live and self.state == "queued"

    @property
    def direct(self) -> bool:
        """No host submits it, and nothing is merged into it."""
        return self.again or self.unsaid is not None

    def queue(self) -> None:
        """It waits."""
        self.state = "queued"

    def speak_for(self, message_ids: Sequence[str]) -> None:
        """It has no words of its own: the last of these, which are sent with it in this order, is answered."""
        self.message_id = message_ids[-1]

    def route(self, targets: tuple[str, ...], waiting: Iterable[Request] = ()) -> None:
        """These extensions are asked it, together with what the waiting ones said."""
        self.targets = targets
        self.merged = list(waiting)
        for each in self.merged:
            each.state = "merged"

    def drop_ended(self) -> None:
        """What ended meanwhile is not sent with it."""
        self.merged = [each for each in self.merged if each.live]

    def send_to(self, extension: str, now: float, sid: str = "") -> None:
        """It is this extension's turn to get it, on that socket; its time begins anew."""
        self.sent.add(extension)
        self.places[extension] = sid
        self.active_at = self.asked_at = now

    def goes_to(self, extension: str, sid: str) -> None:
        """That is at work on it by another socket."""
        if extension in self.places:
            self.places[extension] = sid

    def unsend(self, *extensions: str) -> None:
        """They do not get it, or dropped it."""
        self.sent.difference_update(extensions)
        for extension in extensions:
            self.taken.pop(extension, None)

    def take(self, extension: str, where: str, position: int | None, now: float) -> bool:
        """It says that it will answer; while its own queue moves, its first token is not late.

        :param where: ``chat`` or ``headless``. :return: whether that is news.
        """
        self.give()
        news = self.taken.get(extension) != (where, position)
        self.taken[extension] = where, position
        if news:
            self.asked_at = now
        return news

    def put_off(self, extension: str) -> int:
        """It is too busy to begin. Where nobody else has it, it waits as if it had not been told to anybody.

        :return: how often it was too busy.
        """
        self.busy[extension] = self.busy.get(extension, 0) + 1
        self.unsend(extension)
        if self.sent <= self.failed:
            for each in (*self.merged, self):
                each.given = False
            self.queue()
        return self.busy[extension]

    def move(self, extension: str) -> None:
        """That one is asked instead of the one that had it, of which nobody hears any more."""
        self.tried += self.targets
        self.ignore(*self.targets)
        self.unsend(*self.targets)
        self.targets = (extension,)
        for each in (*self.merged, self):
            each.given = False
        self.queue()

    def stay(self) -> None:
        """Who has it may answer; it is sent to no other, neither for itself nor with what it is merged into."""
        self.stays = True

    def give(self) -> bool:
        """An extension has been told it, and what is merged into it.

        :return: whether it was the first to be told.
        """
        for each in (*self.merged, self):
            each.given = True
        first, self.state = self.state != "forwarded", "forwarded"
        return first

    # ------------------------------------------------------------------------------------------------ until it is over

    def heard(self, now: float) -> None:
        """There was a sign that somebody is at work on it."""
        self.active_at = max(self.active_at, now)

    def begin(self, extension: str, output: Begun) -> None:
        """There is something of its answer."""
        outputs = self.begun.setdefault(extension, [])
        if output not in outputs:
            outputs.append(output)

    def outputs_of(self, extension: str) -> tuple[str, ...]:
        """What it has begun, as it calls that."""
        return tuple(output.given_id for output in self.begun.get(extension, ()))

    @property
    def has_token(self) -> bool:
        """Was anything of an answer shown, by those that have it?"""
        return any(output.has_text for target in self.targets for output in self.begun.get(target, ()))

    def ignore(self, *extensions: str) -> None:
        """Nobody hears what they still say of it."""
        self.unheard.update(extensions)

    def lacks_answer_of(self, extension: str) -> bool:
        """Was it sent there in vain until now?"""
        return extension in self.sent and self.awaits(extension) and extension not in self.begun

    def finish(self, extension: str) -> None:
        """Its output is whole."""
        if self.awaits(extension):
            self.finished.add(extension)

    def lose(self, extension: str) -> None:
        """Its output was whole, and is lost: it may fail still."""
        self.finished.discard(extension)

    def keep(self, key: int, state: str) -> None:
        """It is stored as open, under that key and in that state."""
        self.key, self.kept_as = key, state

    def close(self) -> int:
        """:return: the key under which it was stored: it is no more."""
        key, self.key = self.key, 0
        return key

    def draft(self, response_id: str) -> tuple[str, ...]:
        """One more answer is about to be stored.

        :return: the response ids of all: they stand beside each other.
        """
        self.drafts.append(response_id)
        return tuple(self.drafts)

    def answer(self, extension: str, response_id: str, *, more: bool = False) -> None:
        """An answer of this extension is stored. :param more: others of it follow."""
        if response_id not in self.responses:
            self.responses.append(response_id)
        if self.live and not more:
            self.answered.add(extension)

    def fail(self, extension: str) -> bool:
        """:return: whether that counts: only the first time does, and only while an answer is awaited."""
        counts = self.live and self.awaits(extension)
        if counts:
            self.failed.add(extension)
        return counts

    @property
    def taker(self) -> tuple[str, int | None] | None:
        """Where, at which place of its own queue, it is answered: by the first that took it and has still to."""
        return next((self.taken[each] for each in self.targets if each in self.taken and self.awaits(each)), None)

    @property
    def outcome(self) -> str | None:
        """How it ends by what its extensions made of it; None while an answer is to come (contract 5.3)."""
        if self.remaining:
            return None
        return "completed" if self.answered else "failed"

    def end(self, state: str, now: float, why: str = "", *, by: str = "", trouble: NewAgeError | None = None) -> None:
        """No more is expected of it, nor of what was merged into it, which has its answers."""
        self.state, self.ended_at, self.why, self.by, self.trouble = state, now, why, by, trouble
        for each in self.merged:
            each.responses = list(self.responses)

    def lose_room(self) -> None:
        """Nobody is there any more to be answered."""
        self.gone = True

    def awaits(self, extension: str) -> bool:
        """Has this extension been asked and not yet finished or failed?"""
        return extension in self.targets and extension not in self.finished and extension not in self.failed

    def expects(self, extension: str) -> bool:
        """Is an answer of this extension still to be stored?"""
        return extension in self.targets and extension not in self.answered and extension not in self.failed

    @property
    def timed(self) -> bool:
        """Has it been given to every extension that has still to answer it? Only then its time runs."""
        return bool(self.sent) and all(target in self.sent or not self.awaits(target) for target in self.targets)

    @property
    def remaining(self) -> int:
        """How many targets have neither a stored answer nor failed."""
        return sum(1 for target in self.targets if target not in self.answered and target not in self.failed)


def merge_text(texts: Iterable[str]) -> str:
    """The non-empty texts in order, a blank line between (contract 5.4)."""
    return "\n\n".join(stripped for text in texts if (stripped := text.strip()))
