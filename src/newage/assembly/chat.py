"""The desks of extensions: calls to them, and the chat that a room is served in."""

from __future__ import annotations

from attrs import frozen

from newage.assembly.accounts import Basis
from newage.namespaces.chat_calls import SocketChatCalls
from newage.ports import IOutbox
from newage.services.chat.asking import Asking
from newage.services.chat.characters import CharacterService
from newage.services.chat.inside import DeskCalls
from newage.services.chat.links import ChatLinks
from newage.services.chat.mirror import Mirror
from newage.services.chat.reading import ChatReading
from newage.services.history.editing import EditingService
from newage.services.history.log import HistoryService
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.rates import EventRates
from newage.services.sessions.sessions import SessionService


@frozen(kw_only=True)
class Chat:
    links: ChatLinks
    characters: CharacterService
    reading: ChatReading
    mirror: Mirror


def make_chat(
    basis: Basis,
    outbox: IOutbox,
    sessions: SessionService,
    rooms: RoomRegistry,
    assignments: AssignmentService,
    history: HistoryService,
    editing: EditingService,
    rates: EventRates,
) -> Chat:
    """``links``, ``characters`` and ``mirror`` listen to sessions, ``links`` to rooms as well."""
    settings = basis.live.chat
    links, asking = ChatLinks(rooms), Asking(sessions, settings)
    calls = DeskCalls(sessions, SocketChatCalls(outbox, settings))
    return Chat(
        links=links,
        characters=CharacterService(
            world=basis.world,
            outbox=outbox,
            sessions=sessions,
            rooms=rooms,
            serving=assignments.assigned,
            links=links,
            asking=asking,
            calls=calls,
            settings=settings,
        ),
        reading=ChatReading(links=links, asking=asking, calls=calls),
        mirror=Mirror(
            world=basis.world,
            rooms=rooms,
            links=links,
            history=history,
            editing=editing,
            store=basis.stores.messages,
            rates=rates,
            settings=settings,
        ),
    )
