"""What is kept (``storage``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from newage.domain.history import Behind
    from newage.domain.model import ConnectionPolicy, KeyRecord, Message, RequestMode, Room
    from newage.domain.open_request import Answered, Notice, OpenRequest
    from newage.domain.open_text import OpenText
    from newage.domain.resident import Resident
    from newage.domain.spent import Spent
    from newage.domain.state import HubState, ManualAssignments
    from newage.domain.webhooks import Delivery, Queue


class IKeyStore(Interface):
    """Keys and trust granted at run time. Each Deferred fires after the commit."""

    def load_keys() -> Deferred[tuple[KeyRecord, ...]]:
        """All live keys, oldest first."""

    def add_key(record: KeyRecord) -> Deferred[None]:
        """Store one more key."""

    def update_key(record: KeyRecord) -> Deferred[None]:
        """Replace ``key_id``, ``rank``, last use and digest of a stored key, which keeps its place; absent is fine."""

    def remove_key(client_id: str, key_hash: str) -> Deferred[None]:
        """Drop one key; absent is fine."""

    def remove_keys(client_id: str) -> Deferred[int]:
        """Drop all keys of a client; fires with how many there were."""

    def load_trusted() -> Deferred[tuple[str, ...]]:
        """Ids trusted at run time, oldest first."""

    def add_trusted(client_id: str, at: float) -> Deferred[None]:
        """Trust an id; idempotent."""

    def remove_trusted(client_id: str) -> Deferred[None]:
        """Trust it no longer; idempotent."""


class IRoomStore(Interface):
    """Rooms with members, roles and mutes, known by their ids: names are used again."""

    def load_rooms() -> Deferred[tuple[Room, ...]]:
        """All rooms in order of creation."""

    def save_room(room: Room) -> Deferred[None]:
        """Insert or replace the room of that id with its members and mutes; its ``seq`` never goes back, nor ``said``.

        Another room of that name, with all that is in it, is gone by that.
        """

    def delete_room(room_id: str) -> Deferred[None]:
        """Delete a room with its messages; absent is fine."""


class IMessageStore(Interface):
    """Messages of a room, ordered by ``seq``. Writing one also raises the stored room's ``seq`` to the message's.

    A room is told by its id (a message's ``room_id``); writing fails with RoomMissing when it is not stored.
    """

    def add_message(
        message: Message,
        keep: int,
        beside: Sequence[str] = (),
        opens: OpenRequest | None = None,
        closes: Sequence[int] = (),
        *,
        keep_bytes: int | None = None,
        tells: Sequence[Delivery] = (),
    ) -> Deferred[tuple[str, ...]]:
        """Store a message and evict the oldest others beyond ``keep`` messages or ``keep_bytes`` of that room.

        With it, in one step: the request that it opens, and no more those that it is the last answer to, by their keys;
        and what is to be told of it, as by ``IWebhookStore.add_deliveries``.

        What is no system message also makes the stored room one in which somebody has ``said`` something.

        An answer that is ``selected`` takes the place of all others to its question, except those with the response
        ids ``beside``, be they stored already or not.
        """

    def update_message(
        message: Message, seq: int, was: Message | None = None, *, keep_bytes: int | None = None
    ) -> Deferred[bool]:
        """Replace the message of that ``message_id``, and evict the oldest others beyond ``keep_bytes`` of that room;
        ``seq`` is the room's new seq.

        The message keeps its own ``seq`` and ``name``, and whether it is ``selected``.

        :param was: it must still have this content, else nothing is changed.
        :return: whether it was replaced. Without ``was`` fails with NotFound where there is none.
        """

    def delete_messages(room_id: str, message_ids: Sequence[str], seq: int) -> Deferred[tuple[str, ...]]:
        """Delete; fires with the ids really deleted. Where the selected answer went, the newest that is left counts."""

    def clear_messages(room_id: str, requests: bool, responses: bool, seq: int) -> Deferred[int]:
        """Delete by kind (system messages count as requests); fires with how many."""

    def find_message(room_id: str, any_id: str) -> Deferred[Message | None]:
        """By message id, else by response id."""

    def find_messages(room_id: str, message_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        """Those of these that are stored, in order of ``seq``."""

    def find_outputs(room_ids: Sequence[str], output_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        """The answers of these rooms that are these outputs, newest first, each without its texts, data and extra."""

    def find_answers(room_id: str, question_id: str) -> Deferred[tuple[Message, ...]]:
        """The stored answers to that message, in order of ``seq``."""

    def select_answer(room_id: str, message_id: str, seq: int) -> Deferred[tuple[str, ...]]:
        """That answer counts from now on, and no other to its question (A19); ``seq`` is the room's new seq.

        :return: the ids of all answers to its question, in order of ``seq``. Empty where it is none to a known
            question; nothing changes then.
        """

    def find_question(room_id: str, identity: str, request_id: str, text: str, limit: int) -> Deferred[Message | None]:
        """The newest message that this identity said there under that requestId, else the newest with that text;
        among the room's newest ``limit``."""

    def last_messages(
        room_id: str, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[Message, ...]]:
        """The newest ``limit``, oldest first; fewer when these weigh more than ``max_bytes``, but at least one.

        :param selected: without the answers that another one to the same question took the place of (A19).

        A message weighs what its text, its data, its further members and its reasoning take in the store.
        """

    def messages_before(
        room_id: str, seq: int | None, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        """The newest ``limit`` with a lesser seq (None: of all), oldest first, and whether there are older ones;
        ``max_bytes`` and ``selected`` as in ``last_messages``.
        """

    def messages_after(
        room_id: str, seq: int, limit: int, max_bytes: int | None = None
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        """The oldest ``limit`` with a greater seq, oldest first, and whether there are newer ones; ``max_bytes`` as in
        ``last_messages``."""

    def message_weights(room_id: str) -> Deferred[tuple[int, ...]]:
        """The weight of each message in bytes, oldest first."""

    def behind(room_id: str, seq: int) -> Deferred[Behind]:
        """What somebody has missed who has seen the room up to ``seq``. Of edits and deletions the newest
        ``KEPT_CHANGES`` are remembered."""

    def last_seq(room_id: str, timestamp: str) -> Deferred[int]:
        """The greatest seq of a message of that time or before; 0 where there is none."""


class IOpenOutputStore(Interface):
    """What there is so far of answers that are not over, for the case that the hub dies (A35)."""

    def append_texts(texts: Sequence[OpenText]) -> Deferred[None]:
        """Add pieces, of an output at most one of each kind; one with an ``answer`` before the other."""

    def forget_texts(output_id: str) -> Deferred[None]:
        """It is over. Having nothing of it is fine."""

    def load_texts() -> Deferred[tuple[Message, ...]]:
        """What was cut off, oldest first: responses that failed, ``partial``, with what there is of them."""


class IRequestStore(Interface):
    """Requests that are open, and notices for who is away (contract 5.3, A35). Requests go with their rooms."""

    def load_requests() -> Deferred[tuple[OpenRequest, ...]]:
        """All of them, in the order of their keys."""

    def add_request(request: OpenRequest) -> Deferred[None]:
        """One whose message is stored. Fails with RoomMissing when its room is not."""

    def mark_requests(keys: Sequence[int], state: str) -> Deferred[None]:
        """These are in that state now; absent ones are fine."""

    def close_requests(keys: Sequence[int]) -> Deferred[None]:
        """These are over; absent ones are fine."""

    def load_answered(limit: int) -> Deferred[tuple[Answered, ...]]:
        """Which of the newest ``limit`` messages of all rooms are answers, oldest first."""

    def load_notices() -> Deferred[tuple[Notice, ...]]:
        """All of them, in the order of their keys."""

    def add_notice(notice: Notice, closes: Sequence[int] = ()) -> Deferred[None]:
        """Keep it; in one step with that, these requests are over."""

    def drop_notices(keys: Sequence[int]) -> Deferred[None]:
        """They have been told, or are of no use any more; absent ones are fine."""


class IWebhookStore(Interface):
    """What is to be told to receivers outside, in order. It goes with its message, and with its room."""

    def add_deliveries(deliveries: Sequence[Delivery]) -> Deferred[tuple[str, ...]]:
        """Queue each at the end, unless as many of its webhook wait as may, or its room or message is not stored.

        :return: the webhooks that had no place for one.
        """

    def queue_of(webhook: str) -> Deferred[Queue]:
        """How many wait, and the first of them."""

    def drop_delivery(delivery_id: str) -> Deferred[None]:
        """It was delivered, or is of no use any more; absent is fine."""

    def drop_older(webhook: str, since: float) -> Deferred[int]:
        """Drop what was queued before that; fires with how many."""

    def keep_webhooks(names: Sequence[str]) -> Deferred[int]:
        """Drop what waits for any other webhook; fires with how many."""


class IMarkStore(Interface):
    """Up to where absent members had seen their rooms (contract 4.8)."""

    def load_marks() -> Deferred[dict[str, dict[str, int]]]:
        """Identity -> room id -> seq."""

    def save_marks(identity: str, marks: Mapping[str, int]) -> Deferred[None]:
        """Replace all marks of an identity; rooms that do not exist are left out. Empty forgets it."""


class IResidentStore(Interface):
    """Who is kept for long, and since when it is away."""

    def load_residents() -> Deferred[dict[str, Resident]]:
        """By identity."""

    def save_resident(identity: str, resident: Resident) -> Deferred[None]:
        """Insert or replace."""

    def remove_resident(identity: str) -> Deferred[None]:
        """Absent is fine."""


class ISpentStore(Interface):
    """What was spent of budgets and ceilings; ``since`` is in seconds since the epoch."""

    def load_spent() -> Deferred[tuple[Spent, ...]]:
        """All of it, whose day began first at first."""

    def save_spent(spent: Sequence[Spent], after: float, keep: int) -> Deferred[None]:
        """Insert or replace these, by scope and who, in one step; of all that is stored the days that began after that
        stay, the newest ``keep`` of them."""


class IStateStore(Interface):
    """What the hub remembers of itself. Each Deferred fires after the commit."""

    def load_state() -> Deferred[HubState]:
        """All of it; what was stored and makes no sense is as if it had never been stored."""

    def save_policy(policy: ConnectionPolicy) -> Deferred[None]:
        """The connection policy."""

    def save_default_mode(mode: RequestMode) -> Deferred[None]:
        """The request mode of rooms to come."""

    def save_assignments(assignments: ManualAssignments) -> Deferred[None]:
        """Replace all manual assignments of rooms that are told by their id."""

    def save_assignments_by_name(assignments: ManualAssignments) -> Deferred[None]:
        """Replace all manual assignments of rooms that are told by their name."""

    def save_extensions(extensions: Sequence[str]) -> Deferred[None]:
        """Replace the extensions that were ever here, in order of their first connection."""

    def save_running_seconds(seconds: float) -> Deferred[None]:
        """How long the hub has run in all its runs together."""

    def save_keys_imported(at: str) -> Deferred[None]:
        """The keys of another installation were taken over at that time."""
