"""Where the layers meet. Each interface says what it takes, what its Deferreds fire with, and how it fails.

zope interfaces for every role that crosses a layer; implementations are checked by mypy-zope and ``verifyObject``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from newage.domain.delivery import Audience, Emission
    from newage.domain.forwarded import ForwardedRequest
    from newage.domain.history import Behind
    from newage.domain.model import Caller, ConnectionPolicy, KeyRecord, Message, Peer, RequestMode, Role, Room, Session
    from newage.domain.open_request import Answered, Notice, OpenRequest
    from newage.domain.open_text import OpenText
    from newage.domain.request import Request
    from newage.domain.resident import Resident
    from newage.domain.state import HubState, ManualAssignments
    from newage.protocol.engine_packet import SharedPacket

# mypy-zope reads interface methods without ``self``.
# ruff: noqa: N805


# ---------------------------------------------------------------------------------------- transports (web <-> gateway)


class IFrameSink(Interface):
    """One transport of one connection: a WebSocket, or a polling session with at most one parked GET.

    Order is kept across the three ``send_`` methods. Nothing is sent after ``close``. ``send_`` never raises: a
    transport that fails tells its receiver through ``sink_closed``.
    """

    name: str = Attribute("'websocket' or 'polling'")

    def send_text(packet: bytes) -> None:
        """Queue one Engine.IO text packet, UTF-8, its type character included (``b'42[...]'``)."""

    def send_binary(payload: bytes) -> None:
        """Queue one binary packet (an attachment)."""

    def send_shared(packet: SharedPacket) -> None:
        """Queue a text packet that other sinks get too; its WebSocket frame is built once.

        A sink that counts itself into ``packet.held`` promises to send what is added to the packet, and to set it to 0
        as soon as that would be too late (``SharedPacket``).
        """

    def pending_bytes() -> int:
        """Bytes accepted and not yet taken by the kernel (WebSocket) or a GET (polling, which also counts packets)."""

    def drained() -> bool:
        """Whether the peer has, as far as can be seen, got all that was sent: no byte of a WebSocket waits here or, not
        sent yet, in the kernel; a polling client has fetched all and come back for more.
        """

    def arriving_bytes() -> int:
        """Bytes that came of a message (WebSocket) or a POST (polling) of which more is to come; 0 if none is begun."""

    def pause_reading() -> None:
        """Stop taking bytes from the peer until ``resume_reading``; idempotent."""

    def resume_reading() -> None:
        """Idempotent counterpart of ``pause_reading``."""

    def bind(receiver: IReceiver) -> None:
        """From now on give what arrives to this receiver (the connection, once an upgrade is done)."""

    def close(reason: str) -> None:
        """Send what is queued, bounded in time, then close. The receiver is not told: it asked for it."""

    def abort(reason: str) -> None:
        """Close at once, for this reason in words, and drop what is queued (slow reader, protocol error).

        The receiver is not told.
        """


class IPollingSink(IFrameSink):
    """What a reader who comes and goes needs, and an upgrade to WebSocket, beyond ``IFrameSink``."""

    def offer(draw: Callable[[], list[bytes]]) -> None:
        """Send the text packets that ``draw()`` returns, now; or, when the reader is behind, give them a place in the
        queue and draw them when a GET, or the upgrade, takes it. ``draw`` is called once, or never when the sink ends.
        """

    def set_upgrading(upgrading: bool) -> None:
        """While True, a GET never parks: it gets what is queued, or NOOP, so that the client can finish polling."""

    def take_pending() -> list[tuple[bool, bytes]]:
        """The upgrade is done: everything no GET took, in order, as (is binary, packet); the sink is closed by this."""


class IReceiver(Interface):
    """What a transport feeds: a connection, or the probe of one that is upgrading. Total: never raises."""

    def text_received(packet: bytes) -> None:
        """One Engine.IO text packet, type character included; a binary one as ``b`` and base64, from any transport.

        UTF-8 validity is the receiver's to check.
        """

    def binary_received(payload: bytes) -> None:
        """One binary packet."""

    def sink_closed(sink: IFrameSink, reason: str) -> None:
        """The transport ended by itself or by its peer: 'transport close' or 'transport error'."""


# -------------------------------------------------------------------------------- sockets (gateway <-> namespaces)


class ISocket(Interface):
    """What a namespace's handlers see of one Socket.IO socket: an engine connection joined to that namespace."""

    sid: str = Attribute("names it for as long as it lives; no secret")
    namespace: str = Attribute("the path of its namespace")
    peer: Peer = Attribute("where it comes from, as judged by now")
    connected: bool = Attribute("true from its CONNECT packet on until it goes")
    caller: Any = Attribute("who it is: set by the namespace's connect handler, a ``Caller`` here; None: not admitted")

    def emit(event: str, *args: Any) -> None:
        """Send an event; bytes in it become attachments. Before CONNECT is answered it waits, after the end it is lost.

        What cannot be encoded is logged, not raised.
        """

    def call(event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        """Send an event and await its ack: see ``IOutbox.call``."""

    def disconnect() -> None:
        """Send DISCONNECT; the other sockets of the connection stay. Its namespace hears so in the next turn."""


# -------------------------------------------------------------------------------------- delivery (services <-> gateway)


class IOutbox(Interface):
    """How services reach sockets. They publish values; the hub encodes once and delivers; nothing here waits."""

    def publish(*emissions: Emission) -> None:
        """Deliver each to every socket of its namespace in the union of its audiences, each socket at most once."""

    def emit(sid: str, event: str, *args: Any) -> None:
        """Deliver one event to one socket; unknown sids are ignored."""

    def offer(sid: str, draw: Callable[[], list[tuple[str, Any]]]) -> None:
        """Deliver the (event, argument) pairs that ``draw()`` returns to one socket: now; or, when it is a polling
        client that is behind, in this place of its queue, drawn when it comes for them: text that grows is one event.

        ``draw`` is called once, or never when the socket goes before; unknown sids are ignored. No attachments.
        """

    def call(sid: str, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        """Emit and await the ack.

        :return: fires with the ack's arguments; fails with TimedOut after ``timeout`` seconds, PeerGone when the
            socket goes, Unavailable when too many acks are open on it.
        """

    def subscribe(sid: str, audience: Audience) -> None:
        """From now on the socket gets what is published to the audience; idempotent, unknown sids are ignored."""

    def unsubscribe(sid: str, audience: Audience) -> None:
        """Undo ``subscribe``; idempotent, unknown sids are ignored."""

    def channel(sids: Iterable[str]) -> IChannel:
        """A fixed set of receivers for many events: the token path."""

    def disconnect(sid: str) -> None:
        """End one socket, after what it was sent; see ``ISocket.disconnect``. Unknown sids are ignored."""

    def transport(sid: str) -> str:
        """'websocket', 'polling', or '' if unknown."""

    def drained(sid: str) -> bool:
        """``IFrameSink.drained`` of the socket's transport; False if unknown."""


class IChannel(Interface):
    """A receiver list computed once. Sockets that went meanwhile are skipped."""

    def emit(event: str, *args: Any) -> None:
        """Encode once, deliver to each."""


class IClusterAdapter(Interface):
    """Carries emissions to every hub of a cluster, this one included."""

    def broadcast(emission: Emission) -> None:
        """Hand the emission to each node's hub, in order."""


class ISessionListener(Interface):
    """Told synchronously, in this order, what happens to sessions."""

    def session_coming(session: Session) -> None:
        """Its first socket is to be let in: nothing has happened yet. :raises Unavailable: there is no place for it."""

    def session_appeared(session: Session) -> None:
        """First socket of a session, or the first after its grace ran out."""

    def socket_attached(caller: Caller) -> None:
        """One more socket of a session; after ``session_appeared``."""

    def socket_detached(caller: Caller) -> None:
        """One socket less."""

    def session_gone(session: Session) -> None:
        """No socket left and the grace is over."""

    def extension_available(session: Session) -> None:
        """An extension's first ``/llm`` link appeared."""

    def extension_lost(session: Session) -> None:
        """An extension's last ``/llm`` link went. It may be back soon: a tab that is loaded again."""

    def extension_gone(session: Session) -> None:
        """It was lost, and has not come back within its grace; at the latest now nobody waits for it."""

    def session_put_out(session: Session) -> None:
        """Its last sockets were taken from it, for it is not wanted any more (A14); before ``session_gone``."""


class IAccountListener(Interface):
    """Told synchronously what credentials are worth no more (A14). Never raises."""

    def keys_revoked(client_id: str, key_id: str | None) -> None:
        """The key of that id was revoked; None: all that the client has, and ever had."""

    def trust_changed() -> None:
        """Whom the hub trusts, or as what, is not as it was."""


class IRoomListener(Interface):
    """Told synchronously what happens to rooms, after the change is in force; ``room`` is the room as it is now.

    ``by`` is an identity, or ``System`` for what time has brought about.
    """

    def room_created(room: Room) -> None:
        """A room exists now."""

    def room_deleted(room: Room) -> None:
        """The room as it was."""

    def room_restored(room: Room) -> None:
        """It was to be deleted, which could not be stored: it is there again. Nobody was told that it had gone."""

    def member_joined(room: Room, identity: str, role: Role) -> None:
        """``room`` already holds the member."""

    def member_left(room: Room, identity: str, reason: str) -> None:
        """``room`` no longer holds the member; reason: leave, kick, remove or disconnect (its retention is over)."""

    def member_came(room: Room, identity: str, rejoin: bool) -> None:
        """It is there again (``rejoin``), or has become a member by being there, which no history tells (A26)."""

    def master_changed(room: Room, master: str) -> None:
        """Whoever was master left, and this member is it now: after ``member_left``, or when it came back (A25)."""

    def role_changed(room: Room, identity: str, role: Role) -> None:
        """Staff changed roles, and this member has another one; once for each of them."""

    def role_set(room: Room, identity: str, role: Role) -> None:
        """This is what staff asked for; the member may have had the role before. After ``role_changed``."""

    def member_muted(room: Room, identity: str, by: str) -> None:
        """``room.muted`` says for how long. It may be in force and yet have failed to be stored."""

    def member_unmuted(room: Room, identity: str, by: str) -> None:
        """Once for each identity of a client that has its voice back and is a member."""

    def mode_changed(room: Room, by: str) -> None:
        """The room has another request mode."""

    def access_changed(room: Room, by: str) -> None:
        """The room is open now, or for invited ones (A41)."""


class IMessageListener(Interface):
    """Told synchronously what is said. Never raises."""

    def message_added(message: Message) -> None:
        """Stored, and shown to its room."""


class IRequestListener(Interface):
    """Told synchronously how requests end. Never raises."""

    def request_ended(request: Request, words: str | None) -> None:
        """``request.state`` says how, ``words`` why it failed; ``request.responses`` are the ids of its answers."""


# ------------------------------------------------------------------------------------------------- extensions (bridge)


class IExtensionLink(Interface):
    """What the hub can ask of one extension, over a socket or in process."""

    def forward(request: ForwardedRequest) -> None:
        """Deliver one request (contract 5.4). Never raises."""


class Said(NamedTuple):
    """What a packet of an answer names, as its extension names it. It is made for each token.

    ``extension`` is the extension's identity; ``stream`` its streamId, "" where it names none; ``output`` and
    ``request`` its outputId and requestId, None where it names none; ``socket`` the sid it came by, "" in process.
    """

    extension: str
    stream: str = ""
    output: str | None = None
    request: str | None = None
    socket: str = ""


class IUpstream(Interface):
    """What an extension says back. Total: bad input is ignored and logged.

    An extension in the process begins its answer on a later turn of the reactor than its request: the hub is still
    busy with that.
    """

    def stream_started(said: Said) -> None:
        """CLIENT_STREAM_START."""

    def stream_data(said: Said, chunk_index: int | None, text: str) -> None:
        """CLIENT_STREAM_DATA_FIRST, _MIDDLE, _LAST, _RETRY. ``text`` may hold half a surrogate pair."""

    def stream_failed(said: Said) -> None:
        """CLIENT_STREAM_DATA_FAILED."""

    def stream_ended(said: Said, final: bool | None) -> None:
        """CLIENT_STREAM_END. ``final``: True, the output is complete; False, it goes on; None, judge by the stream."""

    def answered(said: Said, text: str) -> None:
        """A non-stream ``message`` of type 0."""

    def failed(said: Said, message: str, error: object) -> None:
        """ERROR from the extension; ``error`` is what it says besides, for who asked."""


class IExtensionHost(Interface):
    """Where an in-process extension plugs in."""

    def attach_extension(session: Session, link: IExtensionLink, capacity: int = 0) -> str:
        """Register the extension as if its ``/llm`` socket had connected; returns the sid to detach with.

        :param capacity: requests that it takes at once; 0 = as configured for who says nothing.
        """

    def detach_extension(sid: str) -> None:
        """Take it away again."""


# ------------------------------------------------------------------------------------------------- work off the reactor


class IWorkers(Interface):
    """Threads for work that would block the reactor: SQL, hashes, files. The queue before them is bounded."""

    def run(work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Run ``work(*args)`` in a thread, first come first served.

        :return: fires in the reactor with the result or the failure of ``work``; fails with Unavailable when the
            queue is full or the threads are stopped.
        """

    def close() -> Deferred[None]:
        """Take nothing more; fires when what was taken is done and the threads have ended."""


# -------------------------------------------------------------------------------------------------------------- stores


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
    ) -> Deferred[None]:
        """Store a message and evict the oldest others beyond ``keep`` messages or ``keep_bytes`` of that room.

        With it, in one step: the request that it opens, and no more those that it is the last answer to, by their keys.

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

    def find_question(room_id: str, identity: str, request_id: str, text: str) -> Deferred[Message | None]:
        """The newest message that this identity said there under that requestId, else the newest with that text."""

    def last_messages(
        room_id: str, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[Message, ...]]:
        """The newest ``limit``, oldest first; fewer when these weigh more than ``max_bytes``, but at least one.

        :param selected: without the answers that another one to the same question took the place of (A19).

        A message weighs what its text, its data and its further members take in the store.
        """

    def messages_before(
        room_id: str, seq: int | None, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        """The newest ``limit`` with a lesser seq (None: of all), oldest first, and whether there are older ones;
        ``max_bytes`` and ``selected`` as in ``last_messages``.
        """

    def messages_after(
        room_id: str, seq: int, limit: int, max_bytes: int | None = None
    ) -> Deferred[tuple[Message, ...]]:
        """The oldest ``limit`` with a greater seq, oldest first; ``max_bytes`` as in ``last_messages``."""

    def message_weights(room_id: str) -> Deferred[tuple[int, ...]]:
        """The weight of each message in bytes, oldest first."""

    def behind(room_id: str, seq: int) -> Deferred[Behind]:
        """What somebody has missed who has seen the room up to ``seq``. Of edits and deletions the newest
        ``KEPT_CHANGES`` are remembered."""

    def last_seq(room_id: str, timestamp: str) -> Deferred[int]:
        """The greatest seq of a message of that time or before; 0 where there is none."""

    def count_messages(room_id: str, after_seq: int) -> Deferred[int]:
        """How many have a greater seq."""


class IOpenOutputStore(Interface):
    """What there is so far of answers that are not over, for the case that the hub dies (A35)."""

    def append_texts(texts: Sequence[OpenText]) -> Deferred[None]:
        """Add pieces, at most one of an output."""

    def forget_texts(output_id: str) -> Deferred[None]:
        """It is over. Having nothing of it is fine."""

    def load_texts() -> Deferred[tuple[Message, ...]]:
        """What was cut off, oldest first: responses that failed, with the text that there is."""


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

    def save_running_seconds(seconds: float) -> Deferred[None]:
        """How long the hub has run in all its runs together."""

    def save_keys_imported(at: str) -> Deferred[None]:
        """The keys of another installation were taken over at that time."""
