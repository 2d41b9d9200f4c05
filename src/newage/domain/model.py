"""The values newage reasons about. All frozen: a change is a new value (``attrs.evolve``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from math import inf, isinf
from types import MappingProxyType
from typing import Any, NamedTuple

from attrs import field, frozen

from newage.domain.character import Character


def read_only(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy that cannot be changed: what a frozen value holds."""
    return MappingProxyType(dict(mapping))


API_LOCAL = "api-local"  # who asks over HTTP from this machine without a key (B5)
# Of the contract (1.9), the hub's own, and what would poison an object of a JavaScript client that keeps ids as keys.
RESERVED_IDS = frozenset(
    {"server", "System", "monitor-room", "UnknownLLM", "UnknownClient", "__proto__", "constructor", "prototype"}
    | {API_LOCAL}
)
MONITOR_ROOM = "monitor-room"
EXTENSION_PREFIX = "SillyTavern"


class Kind(Enum):
    """What a peer is, as far as rights are concerned (contract 1.9)."""

    CLIENT = "client"
    EXTENSION = "extension"
    ADMIN = "admin"

    @classmethod
    def of(cls, client_type: str) -> Kind:
        return _KINDS.get(client_type, _CLIENT)


_CLIENT = Kind.CLIENT
_KINDS = {"SillyTavern": Kind.EXTENSION, "extension": Kind.EXTENSION, "monitor": Kind.ADMIN}


class Rank(IntEnum):
    """How far credentials reach: greater ranks act on those of lesser ones, see ``domain.rank`` (B6)."""

    CLIENT = 0
    EXTENSION = 1
    ADMIN = 2

    @property
    def wire(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, kind: Kind) -> Rank:
        return _RANKS[kind]


_RANKS = {Kind.CLIENT: Rank.CLIENT, Kind.EXTENSION: Rank.EXTENSION, Kind.ADMIN: Rank.ADMIN}


class Scope(Enum):
    """What a key opens, within its rank (A37)."""

    ALL = "all"
    CLIENT = "client"
    EXTENSION = "extension"
    API = "api"  # nothing over Socket.IO
    WEBHOOK = "webhook"  # says something in the rooms it is in, over /api/v1, and no more (B22)
    ADMIN = "admin"


BOT = "bot"  # as what such a key comes: the type of its session; nobody takes it for a person
WEBHOOK = Scope.WEBHOOK.value  # the ``origin`` of what is said with such a key


class Role(IntEnum):
    """A member's role in one room; greater may do more (contract 4.2)."""

    GUEST = 0
    SPECIAL = 1
    MANAGER = 2
    MASTER = 3

    @property
    def wire(self) -> str:
        return self.name.lower()

    @classmethod
    def from_wire(cls, name: object) -> Role | None:
        """The role of that wire name, ``moderator`` included; None if there is none."""
        return _ROLES.get(name) if isinstance(name, str) else None


_ROLES: dict[str, Role] = {role.name.lower(): role for role in Role} | {"moderator": Role.MANAGER}


class RequestMode(Enum):
    """How a room treats its members' requests (contract 5.4)."""

    DEFAULT = "Default"
    IMMEDIATE = "Immediate"
    MASTER_ONLY = "MasterOnly"
    SEPARATE = "Separate"
    HOST_SUBMIT = "HostSubmit"
    CONVERSATIONAL = "Conversational"


class ConnectionPolicy(Enum):
    """Which extensions serve which room (contract 6.2)."""

    FREE = "Free"
    MANUAL = "Manual"
    BALANCED = "Balanced"
    BROADCAST = "Broadcast"
    RANDOM = "Random"
    FAILOVER = "Failover"


class RoomKind(Enum):
    PERSONAL = "personal"
    EXTENSION = "extension"
    MONITOR = "monitor"
    GROUP = "group"


PERMANENT = 253_402_300_799.999  # 9999-12-31T23:59:59.999Z: the end of what never ends (contract 4.5)


class Term(NamedTuple):
    """How long a mute or a bar holds (contract A29). Within a run its length is waited for, never its end."""

    until: float  # its end in seconds since the epoch: stored and shown
    seconds: float  # its full length; infinity is for ever

    @classmethod
    def of(cls, wall: float, seconds: float) -> Term:
        """One that begins now; zero or less is for ever, and so is what ends after all time."""
        if seconds <= 0 or wall + seconds >= PERMANENT:
            return cls(PERMANENT, inf)
        return cls(wall + seconds, seconds)

    @property
    def permanent(self) -> bool:
        return isinf(self.seconds)

    def left(self, wall: float) -> float:
        """What remains of it when the hub starts: however wrong the clock is, never more than the whole."""
        return self.seconds if self.permanent else min(max(0.0, self.until - wall), self.seconds)


class Bar(NamedTuple):
    """A kick that lasts: this client does not come back into that room by itself (A16)."""

    term: Term
    identity: str  # who was kicked
    by: str = ""  # the identity that did it
    reason: str = ""


class Access(Enum):
    """Whom a group room lets in, and who sees that there is one (A41)."""

    OPEN = "open"
    INVITED = "invited"  # whom staff or an administrator adds; nobody else hears of it


class Agent(IntEnum):
    """What sends a peer's requests, as far as their headers show; the greater, the less it may do (contract B2)."""

    PROGRAM = 0  # no Origin and no Sec-Fetch-*, which no page can hide
    OWN_PAGE = 1  # a page of the hub's own origin, or of one in ``admin_origins``
    PAGE = 2


def nobodys() -> bool:
    """The ``Peer.owned`` of a socket whose owner is not known, or not the hub's system user."""
    return False


class Peer(NamedTuple):
    """Where a connection comes from, as the web layer judged it (contract A1-A3, B1, B2).

    ``local``: every witness says: this machine, or a trusted network. In networkSafe mode nothing is asked of it.
    ``near``: its address is known, and loopback or private. ``admin``: its address is one of ``admin_addresses``.
    ``bootstrap``: it may fetch its first key in strict mode, for its address is listed.
    ``owned``: asks, once, whether it is local by a loopback socket that belongs to the hub's own system user.
    """

    address: str
    local: bool = False
    near: bool = False
    admin: bool = False
    bootstrap: bool = False
    agent: Agent = Agent.PROGRAM
    owned: Callable[[], bool] = nobodys

    def joined(self, later: Peer) -> Peer:
        """What two requests of one session say together: no more than either; the owner is the later socket's."""
        if self is later:
            return self
        local = self.local and later.local
        return Peer(
            self.address,
            local=local,
            near=self.near and later.near,
            admin=self.admin and later.admin,
            bootstrap=self.bootstrap and later.bootstrap,
            agent=max(self.agent, later.agent),
            owned=later.owned if local else nobodys,
        )


@frozen(kw_only=True)
class Session:
    """One live instance of a client: (clientId, identity), whatever its number of sockets (contract 2.9)."""

    client_id: str
    identity: str
    client_type: str = "client"
    desc: str = ""
    html: str = ""
    name: str = ""  # of a person, to be shown; gives no right (A40)
    connected_at: float = 0.0  # seconds since the epoch
    # Told by client_type; less where that says more than the peer may be (B2). Asked for with every token.
    kind: Kind = field(repr=False, eq=False)

    @kind.default
    def _kind_of_type(self) -> Kind:
        return Kind.of(self.client_type)


SPARE = 2  # the ``priority`` of an extension that is asked only while there is no other


@frozen(kw_only=True)
class Caller:
    """Who speaks on one socket, as its namespace's connect handler established it."""

    sid: str
    namespace: str
    session: Session
    peer: Peer
    sensitive: bool = False  # may use sensitive APIs (contract 2.6)
    bootstrap: bool = False  # strict mode, no key yet: only what contract 2.8.4 (a) lists
    pairing: int = 0  # let in by a pairing code alone, to ask for a key: its ticket (B13)
    stream_mode: str = ""  # handshake streamMode as declared: '', 'ss', 'plain', 'output', 'token'
    priority: int = 0  # of extensions under the policy Failover: the least is asked first (A22)
    incremental: bool = False  # handshake sync:'incremental'
    outputs: bool = False  # handshake outputs:true: it follows outputs and comes back to them (contract 5.7.7)
    capacity: int = 0  # handshake capacity of an extension: requests at once; 0 = it said nothing
    features: frozenset[str] = frozenset()  # handshake features of an extension
    exclusive: bool = False  # an extension of which the newest /llm socket alone serves (contract 2.9)
    instance: str = ""  # handshake instance: which page of it this is
    credential: str = ""  # what it was let in by: the id of its key, 'password', or nothing
    keyless: bool = False  # nothing was asked of it, so losing keys and trust does not concern it (A14)
    scope: Scope | None = None  # of its key
    until: float = inf  # when its key ends, by the monotonic clock
    rank: Rank = field()  # of that credential; where none was asked for, of its kind (B6)

    @rank.default
    def _rank_of_kind(self) -> Rank:
        return Rank.of(self.session.kind)

    @property
    def identity(self) -> str:
        return self.session.identity

    @property
    def client_id(self) -> str:
        return self.session.client_id

    @property
    def kind(self) -> Kind:
        return self.session.kind

    @property
    def by_key(self) -> bool:
        """Whether a key let it in."""
        return self.scope is not None


@frozen(kw_only=True)
class Room:
    """One room with its members in the order they joined (contract 4.1).

    ``id`` (UUIDv4) is what refers to it for longer than one turn: a room made again under its name is another room.
    ``clients`` tells the clientId of members and muted ones, as far as it is known; ``barred`` goes by clientId, and by
    identity where that is not known (A16).
    ``said``: somebody has said something in it; what the hub notes by itself does not count (A42).
    ``heir``: of a group room without members, who was its master last and did not have to go.
    ``vacant_since``: when it lost its last member, in the hub's running time (``Residents.now``).
    """

    name: str
    id: str = ""
    kind: RoomKind = RoomKind.GROUP
    mode: RequestMode = RequestMode.DEFAULT
    members: Mapping[str, Role] = field(factory=dict, converter=read_only)
    muted: Mapping[str, Term] = field(factory=dict, converter=read_only)  # who is in it is muted
    clients: Mapping[str, str] = field(factory=dict, converter=read_only)
    barred: Mapping[str, Bar] = field(factory=dict, converter=read_only)
    access: Access = Access.OPEN
    seq: int = 0  # of the last history mutation
    created_at: float = 0.0  # seconds since the epoch
    said: bool = False
    heir: str | None = None
    vacant_since: float | None = None

    @property
    def master(self) -> str | None:
        return next((who for who, role in self.members.items() if role is Role.MASTER), None)

    def of_client(self, client_id: str | None) -> tuple[str, ...]:
        """The members and muted ones that are known to be this client's."""
        return tuple(who for who, client in self.clients.items() if client == client_id)

    def mutes_of(self, identity: str, client_id: str | None = None) -> tuple[str, ...]:
        """The muted identities whose mute holds for this one: itself, and the others of its client (A16).

        :param client_id: whose it is, where that is known; else as the room knows it.
        """
        if not self.muted:
            return ()
        same = self.of_client(client_id or self.clients.get(identity, ""))
        return tuple(who for who in self.muted if who == identity or who in same)

    def is_muted(self, identity: str, client_id: str | None = None) -> bool:
        """Does a mute hold for this one, see ``mutes_of``? Timers end mutes: nobody compares times (A29)."""
        return bool(self.muted) and bool(self.mutes_of(identity, client_id))

    def bars_of(self, identity: str, client_id: str | None) -> tuple[str, ...]:
        """What bars this one is named by in ``barred``; as with mutes, nobody compares times."""
        if not self.barred:
            return ()
        return tuple(who for who in dict.fromkeys((client_id, identity)) if who is not None and who in self.barred)

    def role_of(self, identity: str, outsider: Role = Role.GUEST) -> Role:
        """:param outsider: what who is no member counts as."""
        return self.members.get(identity, outsider)

    def with_role(self, role: Role) -> tuple[str, ...]:
        return tuple(who for who, has in self.members.items() if has is role)


@frozen(kw_only=True)
class Message:
    """One stored message (contract 4.6); ``extra`` holds passed-through members of the request.

    ``room`` is the room's name, for peers; ``room_id`` says which room of that name. ``asker`` and ``question_id``
    are an answer's: the identity that asked, and the message it asked with; None where that is not known (A17).
    ``selected`` is an answer's to a question that was asked again: is it the one that counts (A19)? ``reasoning`` is
    what its model thought, "" for nothing (A28), ``character`` as whom it was given; ``partial``: it was cut off (A20).
    ``origin`` is "desk" for what was said at an extension's desk, "webhook" for what a bot said with a key of that
    scope, "openai" for what a chat program asks of a model without a state, which is stored nowhere, "" for what else
    came through the hub.
    """

    message_id: str
    room: str
    seq: int
    identity: str
    room_id: str = ""
    client_id: str = ""
    role: str = "guest"  # wire role: guest special manager master assistant system
    text: str = ""
    data: Any = None  # as sent; the text itself for responses and system messages
    timestamp: str = ""  # ISO-8601 UTC, milliseconds, Z
    request_id: str | None = None
    response_id: str | None = None
    output_id: str | None = None
    asker: str | None = None
    question_id: str | None = None
    selected: bool | None = None
    target: Any = None
    request_type: str = "newMessage"
    streamed: bool = False
    failed: bool = False
    last_edited: str | None = None
    extra: Mapping[str, Any] = field(factory=dict, converter=read_only)
    name: str | None = None  # of who said it, as it was then (A40)
    reasoning: str = ""
    partial: bool = False
    character: Character | None = None
    origin: str = ""

    @property
    def is_response(self) -> bool:
        return self.role == "assistant"

    @property
    def is_system(self) -> bool:
        return self.role == "system"


@frozen(kw_only=True)
class KeyRecord:
    """One key of a client: only a bcrypt hash and a keyed digest of it are ever stored (contract 2.8).

    It carries the rank and scope of its issue: what becomes of its client later does not lift it (B6). Times are
    seconds since the epoch.
    """

    client_id: str
    hash: str
    created_at: float
    local: bool = False  # issued to a local peer or by an admin (contract 2.6)
    key_id: str = ""  # to name it by; no secret
    name: str = ""
    rank: Rank | None = None  # None: made before keys had ranks; settled when the hub next starts
    scope: Scope = Scope.ALL
    made_by: str = ""  # a clientId, or what it came from
    expires: float | None = None
    last_used: float | None = field(default=None, eq=False)
    last_address: str = field(default="", eq=False)
    # Of the key itself, and which secret made it (B7); without one only bcrypt can tell.
    digest: bytes | None = field(default=None, eq=False, repr=False)
    digest_secret: str = field(default="", eq=False)
