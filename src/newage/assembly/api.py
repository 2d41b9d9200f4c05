"""What answers over HTTP beside Socket.IO, put together for ``web.site.make_site``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from newage.assembly.core import Core
from newage.domain.ids import UPSTREAM_PREFIX
from newage.services.accounts.key_desk import KeyDesk
from newage.services.api.asking import ApiAsking
from newage.services.api.models import Models
from newage.services.api.questions import RoomQuestions
from newage.services.api.visits import Visits
from newage.web.api_v1.admin_handlers import AdminHandlers, CallHandlers
from newage.web.api_v1.admin_paths import admin_rows, call_rows
from newage.web.api_v1.asked_events import AskedEvents
from newage.web.api_v1.events import OutputEvents
from newage.web.api_v1.handlers import HubHandlers, RoomHandlers, TalkHandlers
from newage.web.api_v1.paths import ApiV1, table
from newage.web.api_v1.repeats import Repeats
from newage.web.api_v1.staff_handlers import MemberHandlers, MessageHandlers
from newage.web.api_v1.staff_paths import member_rows, message_rows
from newage.web.api_v1.table import ApiDoor, Endpoint
from newage.web.gate import Gate
from newage.web.json_api import JsonApi
from newage.web.v1.completions import CompletionPaths
from newage.web.v1.door import Door
from newage.web.v1.models import ModelPaths
from newage.web.v1.paths import V1


def make_apis(core: Core) -> Mapping[str, Callable[[Gate], JsonApi]]:
    """By the first segment of their paths."""
    people, talk, world, settings = core.people, core.talk, core.basis.world, core.basis.config.api
    upstreams = core.basis.config.upstreams
    keyless = {UPSTREAM_PREFIX + each.name for each in upstreams if each.settings.local_keyless}
    door = Door(people.bearers, people.presence)
    models = Models(
        sessions=people.sessions,
        assignments=talk.assignments,
        rooms=talk.rooms,
        characters=talk.chat.characters,
        keyless=keyless.__contains__,
    )
    completions = CompletionPaths(
        door=door,
        presence=people.presence,
        models=models,
        asking=ApiAsking(
            requests=talk.requests,
            cancelling=talk.cancelling,
            own=talk.own_outputs,
            rooms=talk.rooms,
            sessions=people.sessions,
            pictures={UPSTREAM_PREFIX + each.name for each in upstreams if each.settings.pictures},
            most_picture_bytes=settings.max_picture_bytes,
        ),
        budgets=core.budgets,
        world=world,
        settings=settings,
    )
    api_door = ApiDoor(
        people.bearers, people.presence, Visits(world, settings), talk.rates, world, settings, Repeats(world, settings)
    )
    return {
        "v1": V1(ModelPaths(door, models, world), completions),
        "api": ApiV1(api_door, _table(core)),
    }


def _table(core: Core) -> tuple[Endpoint, ...]:
    people, talk, accounts = core.people, core.talk, core.accounts
    questions = RoomQuestions(requests=talk.requests, own=talk.own_outputs, budgets=core.budgets)
    talk_handlers = TalkHandlers(
        new_id=core.basis.world.new_id,
        earlier=talk.earlier,
        questions=questions,
        cancelling=talk.cancelling,
        resuming=talk.resuming,
    )
    return table(
        HubHandlers(
            status_of=core.status,
            sessions=people.sessions,
            assignments=talk.assignments,
            characters=talk.chat.characters,
        ),
        RoomHandlers(registry=talk.rooms, rooms=talk.room_service, moderation=talk.moderation),
        talk_handlers,
        AskedEvents(talk=talk_handlers, rooms=talk.rooms, lookouts=talk.lookouts),
        OutputEvents(resuming=talk.resuming, lookouts=talk.lookouts),
        *member_rows(
            MemberHandlers(
                registry=talk.rooms,
                rooms=talk.room_service,
                moderation=talk.moderation,
                assignments=talk.assignments,
            )
        ),
        *message_rows(
            MessageHandlers(
                new_id=core.basis.world.new_id,
                editing=talk.editing,
                selecting=talk.selecting,
                lines=talk.lines,
                questions=questions,
            )
        ),
        *call_rows(CallHandlers(calls=core.calls.calls)),
        *admin_rows(
            AdminHandlers(
                desk=KeyDesk(
                    administration=people.administration,
                    keys=accounts.keys,
                    trust=accounts.trust,
                    revocation=accounts.revocation,
                ),
                administration=people.administration,
                expulsion=people.expulsion,
                diagnostics=core.diagnostics,
            )
        ),
    )
