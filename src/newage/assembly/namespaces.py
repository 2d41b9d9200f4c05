"""The namespaces with all their events (contract 3)."""

from __future__ import annotations

from functools import partial

from newage.assembly.accounts import Accounts, Basis
from newage.assembly.people import People
from newage.assembly.talk import Talk
from newage.domain.model import Caller
from newage.gateway.socketio.dispatch import Dispatcher, Namespace
from newage.gateway.socketio.hub import Hub
from newage.namespaces import (
    assignments,
    auth,
    clients,
    function_call,
    llm,
    llm_chat,
    llm_outputs,
    llm_requests,
    llm_streams,
    messages,
    moderation,
    rooms,
    sillytavern,
)
from newage.namespaces.debug import DebugEvents
from newage.namespaces.door import Door
from newage.namespaces.links import SocketLink
from newage.ports import ISocket
from newage.services.accounts.auth import EXTENSIONS, STAFF, HandshakeRequest
from newage.services.accounts.pair_admin import PairingAdministration
from newage.services.calls.calls import CallService
from newage.services.home.diagnostics import Diagnostics


def make_dispatcher(
    basis: Basis,
    hub: Hub,
    accounts: Accounts,
    people: People,
    talk: Talk,
    calls: CallService,
    diagnostics: Diagnostics,
) -> Dispatcher:
    door = Door(people.auth, people.sessions, people.admissions, talk.rates)
    own_key = auth.AuthEvents(
        auth=people.auth,
        administration=people.administration,
        sessions=people.sessions,
        admissions=people.admissions,
    )
    client_events = clients.ClientEvents(
        administration=people.administration,
        expulsion=people.expulsion,
        clients=people.client_list,
        pairing=PairingAdministration(accounts.pairing),
    )
    extension = sillytavern.SillyTavernEvents(
        auth=people.auth,
        administration=people.administration,
        trust=accounts.trust,
        sessions=people.sessions,
        kept=sillytavern.ExtensionSettings(basis.config.sillytavern),
        admissions=people.admissions,
        pairing=accounts.pairing,
    )
    dispatcher = Dispatcher()
    for namespace in (
        door.open("/"),
        door.open("/auth", own_key.handlers(), entered=own_key.entered),
        door.open("/clients", client_events.handlers()),
        door.open("/sillytavern", extension.handlers(), gate=EXTENSIONS),
        door.open("/function_call", function_call.CallEvents(calls=calls).handlers(), binary=function_call.BINARY),
        _llm(door, basis, hub, talk),
        _rooms(door, talk),
        door.open("/debug", DebugEvents(diagnostics=diagnostics).handlers(), gate=STAFF),
    ):
        dispatcher.add(namespace)
    return dispatcher


def _llm(door: Door, basis: Basis, hub: Hub, talk: Talk) -> Namespace:
    asking = llm.RequestEvents(
        world=basis.world,
        outbox=hub,
        rooms=talk.rooms,
        requests=talk.requests,
        pages=talk.pages,
        missed=talk.missed,
        earlier=talk.earlier,
        selecting=talk.selecting,
    )
    activity = llm.ActivityEvents(activity=talk.activity, processing=talk.processing)
    return door.open(
        "/llm",
        asking.handlers(),
        llm_streams.UpstreamEvents(streams=talk.streams, new_id=basis.world.new_id).handlers(),
        llm_streams.ReaderEvents(downstream=talk.downstream).handlers(),
        llm_outputs.OutputEvents(resuming=talk.resuming, standings=talk.standings).handlers(),
        llm_chat.ChatEvents(
            links=talk.chat.links,
            characters=talk.chat.characters,
            reading=talk.chat.reading,
            mirror=talk.chat.mirror,
        ).handlers(),
        llm_requests.CourseEvents(
            rooms=talk.rooms,
            requests=talk.requests,
            lines=talk.lines,
            cancelling=talk.cancelling,
            taking=talk.taking,
        ).handlers(),
        activity.handlers(),
        messages.MessageEvents(editing=talk.editing).handlers(),
        _assignment_events(talk).room_query(),
        _moderation_events(talk).mutes(),
        link=partial(SocketLink.of, hub),
        binary=llm_streams.BINARY,
    )


def _rooms(door: Door, talk: Talk) -> Namespace:
    def entered(socket: ISocket, caller: Caller, request: HandshakeRequest) -> None:
        """A first ``/rooms`` socket learns who serves its rooms (contract 6.3)."""
        talk.assignments.announce_to(caller.sid, caller.identity)

    assigning, governing = _assignment_events(talk), _moderation_events(talk)
    return door.open(
        "/rooms",
        rooms.RoomEvents(registry=talk.rooms, rooms=talk.room_service).handlers(),
        messages.MessageEvents(editing=talk.editing).handlers(),
        assigning.room_query(),
        assigning.handlers(),
        governing.mutes(),
        governing.handlers(),
        entered=entered,
    )


def _assignment_events(talk: Talk) -> assignments.AssignmentEvents:
    return assignments.AssignmentEvents(assignments=talk.assignments)


def _moderation_events(talk: Talk) -> moderation.ModerationEvents:
    return moderation.ModerationEvents(rooms=talk.room_service, moderation=talk.moderation)
