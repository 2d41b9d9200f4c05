"""What a plug-in sees of the hub: the argument of its ``setup``."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from newage.functions.values import Message, Room

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Begun(Deferred[Any]):
    """What a plug-in began. Where it fails and nobody ever looks, ``unheard`` is told, instead of a line in the log for
    each that names nobody."""

    def __init__(self, work: Deferred[Any], unheard: Callable[[Failure], None]) -> None:
        super().__init__(lambda _: work.cancel())
        self._unheard = unheard
        self._awaited = False
        work.addBoth(self.callback)

    def __await__(self) -> Generator[Any, None, Any]:
        self._awaited = True
        return super().__await__()

    def __del__(self) -> None:
        if not self._awaited and isinstance(getattr(self, "result", None), Failure):
            self.addErrback(self._unheard)


class IMember(Protocol):
    """Who does what ``Hub`` is asked for; each method as that of ``Hub``."""

    handlers: list[Callable[..., Any]]

    @property
    def identity(self) -> str: ...
    def rooms(self) -> tuple[Room, ...]: ...
    async def join(self, name: str) -> bool: ...
    async def leave(self, name: str) -> None: ...
    async def say(self, name: str, text: str) -> Message: ...
    async def ask(self, name: str, text: str, target: str | None) -> Message: ...
    async def pause(self, seconds: float) -> None: ...
    def unheard(self, failure: Failure) -> None:
        """Something that was begun has failed, and nobody looked."""


class Hub:
    """A plug-in is a member of rooms like any other: it hears what is said where it is, and the rules of a room (roles,
    mutes, request modes) hold for it. Its identity is ``plugin/`` and the name of its entry point.

    Everything here is for ``async def`` functions, which run in the hub's thread, and for ``setup`` itself. What begins
    begins at once; await it to learn what came of it. All of it raises ``Unavailable`` when the hub stops.
    """

    __slots__ = ("_member", "_thread")

    def __init__(self, member: IMember) -> None:
        self._member = member
        self._thread = get_ident()

    @property
    def identity(self) -> str:
        return self._member.identity

    @property
    def rooms(self) -> tuple[Room, ...]:
        """The rooms it is a member of now, but for its own."""
        self._check_thread()
        return self._member.rooms()

    def join(self, room: str) -> Deferred[bool]:
        """Become a member of a group room, now or as soon as there is one of that name.

        :return: fires with whether it is one now. Fails with RoomDenied (nobody joins it by himself, the plug-in was
            kicked, or no room can have that name) and Unavailable.
        """
        return self._begin(self._member.join(room))

    def leave(self, room: str) -> Deferred[None]:
        """Be no member any more, and wait for that room no longer. Not being one is fine."""
        return self._begin(self._member.leave(room))

    def say(self, room: str, text: str) -> Deferred[Message]:
        """Say something in a room: stored, and shown to everybody there.

        :return: fires with the message as stored. Fails with RoomDenied (no member), NotAuthorised (muted),
            BadParameter (empty or too long), Unavailable (too much in a minute).
        """
        return self._begin(self._member.say(room, text))

    def ask(self, room: str, text: str, *, target: str | None = None) -> Deferred[Message]:
        """Ask the extension that serves a room, as a member does who sends LLM_REQUEST: question and answer are shown.

        :param target: an extension's identity or clientId, if it shall be a certain one.
        :return: fires with the answer, when it is whole; of several extensions' with the first. Fails with what the hub
            answers to any client (RoomDenied, NotAuthorised, ClientMissing, Unavailable, ...), CallFailed or TimedOut.
            In a room in Default mode a guest's question waits until the host submits it: give the plug-in a role.
        """
        return self._begin(self._member.ask(room, text, target))

    def on_message(self, handler: Handler) -> Handler:
        """Call ``handler(message)`` for whatever people and extensions say in its rooms from now on; a decorator.

        Not for its own messages, the answers to its own questions, those of other plug-ins and of the system. A text
        that it returns is said in that room. Messages are begun in order; an ``async def`` runs in the hub's thread, a
        ``def`` in a thread of its own, where it cannot use the hub.
        """
        self._check_thread()
        self._member.handlers.append(handler)
        return handler

    def pause(self, seconds: float) -> Deferred[None]:
        """Wait: ``await hub.pause(5)``. Ends when the hub stops, by being cancelled."""
        return self._begin(self._member.pause(seconds))

    def _begin(self, coroutine: Coroutine[Deferred[Any], Any, Any]) -> Deferred[Any]:
        try:
            self._check_thread()
        except RuntimeError:
            coroutine.close()
            raise
        return Begun(Deferred.fromCoroutine(coroutine), self._member.unheard)

    def _check_thread(self) -> None:
        if get_ident() != self._thread:
            raise RuntimeError("the hub is used from async def functions; this one is a def, which runs in a thread")
