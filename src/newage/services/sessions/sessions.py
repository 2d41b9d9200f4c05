"""Who is there: (clientId, identity) sessions, counted by their sockets (contract 2.9-2.11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, evolve, field, frozen
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from newage.domain.delivery import Audience
from newage.domain.model import Caller, Peer, Session
from newage.errors import Unavailable
from newage.ports import IExtensionHost, IExtensionLink, IOutbox, ISessionListener
from newage.services.events import SessionEvents
from newage.services.world import World
from newage.settings import Live, limit


@frozen(kw_only=True)
class SessionSettings:
    session_grace_ms: int = limit(2000, "how long a session outlives its last socket")
    extension_grace_ms: int = limit(
        10_000, "how long requests wait for an extension that has just gone", zero="not at all"
    )
    extension_resume_grace_ms: int = limit(
        30_000, "the same for one that can go on with an answer (feature resume)", zero="not at all"
    )
    max_sessions: int = limit(20_000, "sessions at once; further ones are refused")
    max_sockets_per_session: int = limit(256, "sockets of one session in all namespaces")


@define
class _Live:
    session: Session
    callers: dict[str, Caller] = field(factory=dict)  # sid -> caller, in order of connection
    links: dict[str, IExtensionLink] = field(factory=dict)  # sid -> link, in order of connection
    grace: IDelayedCall | None = None

    @property
    def declares(self) -> bool:
        """Has a socket with a link declared features?"""
        return any(self.callers[sid].features for sid in self.links)

    def serving(self) -> str:
        """Of the sockets with a link the newest that declared features, else the newest of all."""
        newest_first = tuple(reversed(self.links))
        return next((sid for sid in newest_first if self.callers[sid].features), newest_first[0])


@frozen
class _Absent:
    """An extension that has just gone; ``declared``: it said its features."""

    session: Session
    timer: IDelayedCall
    declared: bool


@implementer(IExtensionHost)
class SessionService:
    """The registry. Listeners are told synchronously and in the order they were added."""

    def __init__(self, world: World, outbox: IOutbox, settings: Live[SessionSettings]) -> None:
        self._world = world
        self._outbox = outbox
        self.settings = settings
        self._by_identity: dict[str, _Live] = {}
        self._by_client: dict[str, dict[str, _Live]] = {}  # clientId -> identity -> session
        self._by_sid: dict[str, _Live] = {}
        self._absent: dict[str, _Absent] = {}  # by identity
        self.events = SessionEvents()

    def add_listener(self, listener: ISessionListener) -> None:
        self.events.add(listener)

    # ------------------------------------------------------------------------------------------------- registration

    def attach(self, caller: Caller, link: IExtensionLink | None = None) -> None:
        """Count one more socket; the first registers the session (contract 2.10).

        :param link: how to forward to this extension; only for ``/llm`` sockets of extension kind.
        :raises Unavailable: too many sessions, too many sockets of this one, or no place for another one.
        """
        if caller.identity not in self._by_identity:
            self.events.session_coming(caller.session)
        self._attach(caller, link)

    def _attach(self, caller: Caller, link: IExtensionLink | None) -> None:
        live = self._by_identity.get(caller.identity)
        appeared = live is None
        if live is None:
            if len(self._by_identity) >= self.settings.value.max_sessions:
                raise Unavailable("Too many sessions.")
            live = self._by_identity[caller.identity] = _Live(session=caller.session)
            self._by_client.setdefault(caller.client_id, {})[caller.identity] = live
        elif len(live.callers) >= self.settings.value.max_sockets_per_session:
            raise Unavailable("Too many sockets of this client.")
        if live.grace is not None:
            live.grace.cancel()
            live.grace = None
        self._refresh(live, caller.session)
        live.callers[caller.sid] = caller
        self._by_sid[caller.sid] = live
        if link is not None:
            live.links[caller.sid] = link
        self._outbox.subscribe(caller.sid, Audience.identity(caller.identity))
        self._outbox.subscribe(caller.sid, Audience.client(caller.client_id))
        self._outbox.subscribe(caller.sid, Audience.of_kind(caller.kind))
        if appeared:
            self.events.session_appeared(live.session)
        self.events.socket_attached(caller)
        if link is not None and len(live.links) == 1:
            self._is_back(live.session.identity)
            self.events.extension_available(live.session)

    def detach(self, sid: str) -> None:
        """One socket less; unknown sids are ignored. After the last, the grace begins."""
        live = self._by_sid.pop(sid, None)
        if live is None:
            return
        caller = live.callers.pop(sid)
        had_link = live.links.pop(sid, None) is not None
        self.events.socket_detached(caller)
        if had_link and not live.links:
            self._await_return(live.session, caller)
            self.events.extension_lost(live.session)
            if live.session.identity not in self._absent:
                self.events.extension_gone(live.session)
        if not live.callers:
            grace = self.settings.value.session_grace_ms / 1000
            live.grace = self._world.clock.callLater(grace, self._gone, live)

    def end_grace(self, identity: str) -> None:
        """Nobody waits any longer for it to come back; not waiting is fine."""
        live = self._by_identity.get(identity)
        if live is not None and live.grace is not None:
            live.grace.cancel()
            self._gone(live)

    def attach_extension(
        self,
        session: Session,
        link: IExtensionLink,
        capacity: int = 0,
        features: Sequence[str] = (),
        priority: int = 1,
    ) -> str:
        sid = self._world.new_id()
        peer = Peer("in-process", local=True)
        caller = Caller(
            sid=sid,
            namespace="/llm",
            session=session,
            peer=peer,
            capacity=capacity,
            features=frozenset(features),
            priority=priority,
        )
        self._attach(caller, link)  # the hub's own finds a place where strangers do not
        return sid

    def detach_extension(self, sid: str) -> None:
        self.detach(sid)

    def grace_of(self, caller: Caller) -> float:
        """How many seconds an extension is waited for whose socket this was; a page that was replaced stays away."""
        if any(_replaced(caller, other) for other in self.callers(caller.identity, caller.namespace)):
            return 0.0
        settings = self.settings.value
        grace = settings.extension_resume_grace_ms if "resume" in caller.features else settings.extension_grace_ms
        return grace / 1000

    def _await_return(self, session: Session, caller: Caller) -> None:
        """Whoever has been away longest is given up when there are too many."""
        grace = self.grace_of(caller)
        if not grace:
            return
        if len(self._absent) >= self.settings.value.max_sessions:
            self._give_up(next(iter(self._absent)))
        timer = self._world.clock.callLater(grace, self._give_up, session.identity)
        self._absent[session.identity] = _Absent(session, timer, bool(caller.features))

    def _give_up(self, identity: str) -> None:
        session = self._is_back(identity)
        if session is not None:
            self.events.extension_gone(session)

    def _is_back(self, identity: str) -> Session | None:
        absent = self._absent.pop(identity, None)
        if absent is None:
            return None
        if absent.timer.active():
            absent.timer.cancel()
        return absent.session

    def close(self) -> None:
        """Cancel all timers."""
        for identity in list(self._absent):
            self._is_back(identity)
        for live in self._by_identity.values():
            if live.grace is not None:
                live.grace.cancel()
                live.grace = None

    def _gone(self, live: _Live) -> None:
        live.grace = None
        del self._by_identity[live.session.identity]
        siblings = self._by_client[live.session.client_id]
        del siblings[live.session.identity]
        if not siblings:
            del self._by_client[live.session.client_id]
        self.events.session_gone(live.session)

    def _refresh(self, live: _Live, seen: Session) -> None:
        """A later socket may describe the client better; its type is whatever its newest socket proved."""
        live.session = evolve(
            live.session,
            client_type=seen.client_type,
            kind=seen.kind,
            desc=seen.desc or live.session.desc,
            html=seen.html or live.session.html,
            name=seen.name or live.session.name,
        )

    # -------------------------------------------------------------------------------------------------------- lookup

    def online_sessions(self) -> tuple[Session, ...]:
        """Every session, those in their grace included, in order of appearance."""
        return tuple(live.session for live in self._by_identity.values())

    def by_identity(self, identity: str) -> Session | None:
        live = self._by_identity.get(identity)
        return None if live is None else live.session

    def is_online(self, identity: str) -> bool:
        return identity in self._by_identity

    @property
    def count(self) -> int:
        """How many sessions there are."""
        return len(self._by_identity)

    def lingering(self, client_id: str) -> tuple[str, ...]:
        """Identities of a client that have no socket left and are in their grace."""
        sessions = self._by_client.get(client_id, {}).items()
        return tuple(identity for identity, live in sessions if live.grace is not None)

    def of_client(self, client_id: str) -> int:
        """How many sessions a client has."""
        return len(self._by_client.get(client_id, ()))

    def named(self, identity: str, client_id: str | None = None) -> Session:
        """Its session; of who is away one that says whose it is.

        :param client_id: of who is away, where it is known; else it is called by its identity.
        """
        session = self.by_identity(identity)
        return session if session is not None else Session(client_id=client_id or identity, identity=identity)

    def is_connected(self, client_id: str) -> bool:
        """Has a client of exactly this id a session?"""
        return client_id in self._by_client

    def resolve(self, target: str) -> Session | None:
        """By identity, else the most recently connected session of that clientId."""
        live = self._by_identity.get(target)
        if live is not None:
            return live.session
        return self._newest_of_client(target, lambda live: True)

    def resolve_extension(self, target: str) -> Session | None:
        """Like ``resolve``, among extensions that are available and not outranked."""
        live = self._by_identity.get(self.instead_of(target))
        if live is not None and live.links:
            return None if self.is_outranked(live.session.identity) else live.session
        return self._newest_of_client(
            target, lambda live: bool(live.links) and not self.is_outranked(live.session.identity)
        )

    def is_outranked(self, identity: str) -> bool:
        """Another identity of its client declared features, is here or has just gone; it did not (contract 2.9)."""
        return self._above(identity) is not None

    def instead_of(self, identity: str) -> str:
        """Who is asked where this extension is meant: itself, or who outranks it, here or just gone."""
        above = self._above(identity)
        return identity if above is None else above.identity

    def _above(self, identity: str) -> Session | None:
        live = self._by_identity.get(identity)
        if live is None or live.declares:
            return None
        client_id = live.session.client_id
        found = self._newest_of_client(client_id, lambda live: live.declares)
        if found is not None:
            return found
        gone = (absent.session for absent in self._absent.values() if absent.declared)
        return next((each for each in gone if each.client_id == client_id and each.identity != identity), None)

    def _newest_of_client(self, client_id: str, suits: Callable[[_Live], bool]) -> Session | None:
        found = [live for live in self._by_client.get(client_id, {}).values() if suits(live)]
        return max(found, key=lambda live: live.session.connected_at).session if found else None

    def available_extensions(self) -> tuple[Session, ...]:
        """Extensions with a live link, in order of their sessions' appearance."""
        return tuple(live.session for live in self._by_identity.values() if live.links)

    def absent_extensions(self) -> tuple[Session, ...]:
        """Extensions that have just gone and may be back soon, in the order in which they went."""
        return tuple(absent.session for absent in self._absent.values())

    def may_return(self, identity: str) -> bool:
        """Is it one of these?"""
        return identity in self._absent

    def is_available(self, identity: str) -> bool:
        live = self._by_identity.get(identity)
        return live is not None and bool(live.links)

    def link(self, identity: str) -> IExtensionLink | None:
        """The link of an extension: requests go to one socket (contract 2.9)."""
        live = self._by_identity.get(identity)
        return live.links[live.serving()] if live is not None and live.links else None

    def link_of(self, sid: str) -> IExtensionLink | None:
        """The link by which this socket's extension is asked, if it has one."""
        live = self._by_sid.get(sid)
        return live.links.get(sid) if live is not None else None

    def answering(self, identity: str) -> Caller | None:
        """The socket behind that link."""
        live = self._by_identity.get(identity)
        return live.callers[live.serving()] if live is not None and live.links else None

    def answering_of_client(self, client_id: str) -> tuple[Caller, ...]:
        """Every socket of a client by which an extension could be asked, whether or not it is the one that is."""
        siblings = self._by_client.get(client_id, {}).values()
        return tuple(live.callers[sid] for live in siblings for sid in live.links)

    def callers(self, identity: str, namespace: str) -> tuple[Caller, ...]:
        """Who of this session is on a namespace, oldest first."""
        live = self._by_identity.get(identity)
        if live is None:
            return ()
        return tuple(caller for caller in live.callers.values() if caller.namespace == namespace)

    def all_callers(self, identity: str) -> tuple[Caller, ...]:
        live = self._by_identity.get(identity)
        return () if live is None else tuple(live.callers.values())

    def caller(self, sid: str) -> Caller | None:
        live = self._by_sid.get(sid)
        return None if live is None else live.callers.get(sid)

    def sids(self, identity: str, namespace: str) -> tuple[str, ...]:
        return tuple(caller.sid for caller in self.callers(identity, namespace))

    def newest(self, identity: str, namespace: str) -> str | None:
        sids = self.sids(identity, namespace)
        return sids[-1] if sids else None


def _replaced(gone: Caller, other: Caller) -> bool:
    """Whether another page serves instead; without an instance nobody can tell whether it is the same one."""
    if not (gone.exclusive and other.exclusive and gone.instance and other.instance):
        return False
    return gone.instance != other.instance
