"""What the hub asks of extensions and what they say back (``bridge``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zope.interface import Interface

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from twisted.internet.defer import Deferred

    from newage.domain.character import Character
    from newage.domain.chat import Characters, Picture, Snapshot
    from newage.domain.details import Details
    from newage.domain.forwarded import ForwardedRequest
    from newage.domain.model import Room, Session


class IExtensionLink(Interface):
    """What the hub can ask of one extension, over a socket or in process."""

    def forward(request: ForwardedRequest) -> None:
        """Deliver one request (contract 5.4). Never raises."""

    def stop(request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        """It shall not answer that any more; ids are those that it knows. Fires when it has stopped (contract 5.8).

        Asked only of one that declared feature ``cancel``. Fails with a NewAgeError where it does not say so.

        :param reason: ``cancelled``, ``timeout``, ``rerouted`` or ``gone``, its room.
        """


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

    def stream_started(said: Said, details: Details | None = None) -> None:
        """CLIENT_STREAM_START."""

    def stream_data(said: Said, chunk_index: int | None, text: str) -> None:
        """CLIENT_STREAM_DATA_FIRST, _MIDDLE, _LAST, _RETRY. ``text`` may hold half a surrogate pair."""

    def stream_reasoning(said: Said, chunk_index: int | None, text: str) -> None:
        """The same of what the model thinks (A28); ``chunk_index`` counts that by itself."""

    def stream_reset(said: Said, at: int, reasoning: bool) -> None:
        """CLIENT_STREAM_RESET: of the open output's text, or reasoning, what is beyond so many UTF-16 units is void.
        Where it has not so much, nothing is."""

    def stream_failed(said: Said) -> None:
        """CLIENT_STREAM_DATA_FAILED."""

    def stream_ended(said: Said, final: bool | None, details: Details | None = None) -> None:
        """CLIENT_STREAM_END. ``final``: True, the output is complete; False, it goes on; None, judge by the stream."""

    def answered(said: Said, text: str, details: Details | None = None) -> None:
        """A non-stream ``message`` of type 0."""

    def failed(said: Said, message: str, error: object) -> None:
        """ERROR from the extension; ``error`` is what it says besides, for who asked."""


class IExtensionHost(Interface):
    """Where an in-process extension plugs in."""

    def attach_extension(
        session: Session, link: IExtensionLink, capacity: int = 0, features: Sequence[str] = (), priority: int = 1
    ) -> str:
        """Register the extension as if its ``/llm`` socket had connected; returns the sid to detach with.

        :param capacity: requests that it takes at once; 0 = as configured for who says nothing.
        :param features: as a handshake's.
        :param priority: under the policy Failover who has the least is asked first; those that connect have 0. One of
            ``SPARE`` is asked only while there is no other.
        """

    def detach_extension(sid: str) -> None:
        """Take it away again."""


class ICharacters(Interface):
    """What an ``IExtensionLink`` inside the process provides besides, where it declares feature ``characters``."""

    def characters() -> Characters:
        """Which it offers."""


class IChatCalls(Interface):
    """What the hub asks of the desk of an extension, by one of its sockets (contract 5.9).

    What comes back is bounded and read member by member. Each fails with TimedOut: it took too long; ClientMissing: it
    went meanwhile; NotAuthorised, NotFound, Unavailable: it says no, or nothing that can be read.
    """

    def characters(sid: str) -> Awaitable[Characters]:
        """Which characters it offers."""

    def picture(sid: str, character_id: str) -> Awaitable[Picture]:
        """One of them."""

    def select(sid: str, room: Room, character_id: str) -> Awaitable[Character]:
        """The chat of that room goes on with this one."""

    def snapshot(sid: str, room: Room, limit: int) -> Awaitable[Snapshot]:
        """The newest messages of the chat of that room."""
