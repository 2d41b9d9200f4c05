"""The namespaces with all their events (contract 3)."""

from __future__ import annotations

from functools import partial

from newage.assembly.services import Accounts, Basis, People, Talk
from newage.domain.model import Caller
from newage.gateway.socketio.dispatch import Dispatcher, Namespace
from newage.gateway.socketio.hub import Hub
from newage.namespaces import assignments, auth, clients, function_call, llm, messages, moderation, rooms, sillytavern
from newage.namespaces.debug import DebugEvents
from newage.namespaces.door import Door
from newage.namespaces.links import SocketLink
from newage.ports import ISocket
from newage.services.accounts.auth import EXTENSIONS, STAFF, HandshakeRequest
from newage.services.calls.calls import CallService


def make_dispatcher(
    basis: Basis,
    hub: Hub,
    accounts: Accounts,
    people: People,
    talk: Talk,
    calls: CallService,
    debug: DebugEvents,
) -> Dispatcher:
    door = Door(people.auth, people.sessions)
    own_key = auth.AuthEvents(
        auth=people.auth, keys=accounts.keys, administration=people.administration, sessions=people.sessions
    )
    client_events = clients.ClientEvents(
        keys=accounts.keys, administration=people.administration, clients=people.client_list
    )
    extension = sillytavern.SillyTavernEvents(
        auth=people.auth,
        administration=people.administration,
        trust=accounts.trust,
        sessions=people.sessions,
        kept=sillytavern.ExtensionSettings(basis.config.sillytavern),
    )
    dispatcher = Dispatcher()
    for namespace in (
        door.open("/"),
        door.open("/auth", own_key.handlers(), entered=own_key.entered),
        door.open("/clients", client_events.handlers()),
        door.open("/sillytavern", extension.handlers(), gate=EXTENSIONS),
        door.open("/function_call", function_call.CallEvents(calls=calls).handlers()),
        _llm(door, basis, hub, talk),
        _rooms(door, talk),
        door.open("/debug", debug.handlers(), gate=STAFF),
    ):
        dispatcher.add(namespace)
    return dispatcher


def _llm(door: Door, basis: Basis, hub: Hub, talk: Talk) -> Namespace:
    services = llm.LlmServices(
        world=basis.world,
        outbox=hub,
        rooms=talk.rooms,
        assignments=talk.assignments,
        requests=talk.requests,
        ledger=talk.ledger,
        streams=talk.streams,
        downstream=talk.downstream,
        history=talk.history,
        offline=talk.offline,
        activity=talk.activity,
    )
    spoken = messages.MessageEvents(editing=talk.editing)
    namespace = door.open("/llm", spoken.handlers(), link=partial(SocketLink.of, hub))
    llm.add_llm_events(namespace, services)
    assignments.add_room_query(namespace, _assignment_events(talk))
    moderation.add_mute_events(namespace, _moderation_events(talk))
    return namespace


def _rooms(door: Door, talk: Talk) -> Namespace:
    def entered(socket: ISocket, caller: Caller, request: HandshakeRequest) -> None:
        """A first ``/rooms`` socket learns who serves its rooms (contract 6.3)."""
        talk.assignments.announce_to(caller.sid, caller.identity)

    spoken = messages.MessageEvents(editing=talk.editing)
    namespace = door.open("/rooms", spoken.handlers(), entered=entered)
    rooms.add_room_events(namespace, rooms.RoomEvents(registry=talk.rooms, rooms=talk.room_service))
    assignments.add_assignment_events(namespace, _assignment_events(talk))
    moderation.add_moderation_events(namespace, _moderation_events(talk))
    return namespace


def _assignment_events(talk: Talk) -> assignments.AssignmentEvents:
    return assignments.AssignmentEvents(rooms=talk.rooms, assignments=talk.assignments)


def _moderation_events(talk: Talk) -> moderation.ModerationEvents:
    return moderation.ModerationEvents(rooms=talk.room_service, moderation=talk.moderation)
