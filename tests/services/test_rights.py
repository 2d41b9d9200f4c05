"""Every method of a service that changes something for somebody asks whether he may: a door forgets nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import getmembers, isfunction, signature

import pytest
from attrs import evolve

from hubkit import OPERATOR, Kit, failure_of, result_of
from newage.domain.history import Change
from newage.domain.model import Access, Caller, ConnectionPolicy, Message, RequestMode, Role
from newage.errors import NewAgeError, NotAuthorised
from newage.services.chat.characters import CharacterService
from newage.services.chat.links import ChatLinks
from newage.services.chat.mirror import Mirror
from newage.services.chat.reading import ChatReading
from newage.services.history.earlier import EarlierMessages
from newage.services.history.editing import EditingService
from newage.services.history.missed import MissedService
from newage.services.history.pages import ContextPages
from newage.services.history.selecting import Selecting
from newage.services.requests.intake import RequestService
from newage.services.requests.lines import WaitingLines
from newage.services.requests.taking import TakingService
from newage.services.rooms.activity import ActivityService
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.moderation import ModerationService
from newage.services.rooms.rooms import RoomService
from newage.services.streams.cancelling import CancelService
from newage.services.streams.processing import ProcessingService
from newage.services.streams.resuming import ResumeService

Act = Callable[[Kit, Caller], Awaitable[object]]


async def at_once(act: Callable[..., object], *args: object) -> object:
    return act(*args)


# What a stranger is refused, by the method that refuses it; the room is "lounge", its guest "gue", a message "m1".
REFUSED: dict[str, Act] = {
    "RoomService.create": lambda kit, who: kit.room_service.create(who, "new"),
    "RoomService.delete": lambda kit, who: kit.room_service.delete(who, "lounge"),
    "RoomService.join": lambda kit, who: kit.room_service.join(who, "gue"),
    "RoomService.leave": lambda kit, who: kit.room_service.leave(who, "lounge"),
    "RoomService.add": lambda kit, who: kit.room_service.add(who, "lounge", "mas-2"),
    "RoomService.remove": lambda kit, who: kit.room_service.remove(who, "lounge", "gue"),
    "ModerationService.set_role": lambda kit, who: kit.moderation.set_role(who, "lounge", "gue", Role.MANAGER),
    "ModerationService.kick": lambda kit, who: kit.moderation.kick(who, "lounge", "gue"),
    "ModerationService.lift_bar": lambda kit, who: kit.moderation.lift_bar(who, "lounge", "gue"),
    "ModerationService.set_access": lambda kit, who: kit.moderation.set_access(who, "lounge", Access.INVITED),
    "ModerationService.mute": lambda kit, who: kit.moderation.mute(who, "lounge", "gue", 5),
    "ModerationService.unmute": lambda kit, who: kit.moderation.unmute(who, "lounge", "gue"),
    "ModerationService.set_mode": lambda kit, who: kit.moderation.set_mode(who, "lounge", RequestMode.IMMEDIATE),
    "ModerationService.set_mode_anywhere": lambda kit, who: kit.moderation.set_mode_anywhere(
        who, "lounge", RequestMode.IMMEDIATE
    ),
    "ModerationService.set_default_mode": lambda kit, who: kit.moderation.set_default_mode(who, RequestMode.IMMEDIATE),
    "AssignmentService.set_policy": lambda kit, who: kit.assignments.set_policy(who, ConnectionPolicy.MANUAL),
    "AssignmentService.assign_manually": lambda kit, who: kit.assignments.assign_manually(who, "lounge", ()),
    "ActivityService.start_typing": lambda kit, who: at_once(kit.activity.start_typing, who, "lounge"),
    "ActivityService.stop_typing": lambda kit, who: at_once(kit.activity.stop_typing, who, "lounge"),
    "ProcessingService.started": lambda kit, who: at_once(kit.talk.processing.started, who, "lounge", None),
    "ProcessingService.stopped": lambda kit, who: at_once(kit.talk.processing.stopped, who, "lounge", None),
    "EditingService.edit": lambda kit, who: kit.editing.edit(who, "lounge", "m1", Change(text="mine")),
    "EditingService.delete": lambda kit, who: kit.editing.delete(who, "lounge", ["m1"]),
    "EditingService.clear": lambda kit, who: kit.editing.clear(who, "lounge", requests=True, responses=True),
    "ContextPages.push": lambda kit, who: kit.pages.push(who, "lounge"),
    "EarlierMessages.before": lambda kit, who: kit.earlier.before(who, "lounge", None, 10),
    "Selecting.select": lambda kit, who: kit.selecting.select(who, "lounge", "m1"),
    "WaitingLines.seen": lambda kit, who: at_once(kit.talk.lines.seen, who, "lounge"),
    "RequestService.submit_queue": lambda kit, who: kit.requests.submit_queue(who, "lounge"),
    "CharacterService.offered": lambda kit, who: kit.talk.chat.characters.offered(who, "lounge", None),
    "CharacterService.picture": lambda kit, who: kit.talk.chat.characters.picture(who, "gue", "a.png"),
    "CharacterService.select": lambda kit, who: kit.talk.chat.characters.select(who, "lounge", "a.png"),
    "ChatReading.snapshot": lambda kit, who: kit.talk.chat.reading.snapshot(who, "lounge", 10),
    "ChatLinks.of_staff": lambda kit, who: at_once(kit.talk.chat.links.of_staff, who, "lounge", "No."),
    "ChatLinks.link": lambda kit, who: at_once(kit.talk.chat.links.link, who, "lounge"),
    "MissedService.missed": lambda kit, who: kit.missed.missed(who, "lounge", None, 10),
}
LOOKS = {  # anybody may, or it sees for itself what the actor may see
    "AssignmentService.taking_part",  # tests/services/rooms/test_assignments.py
    "AssignmentService.visible_to",
    "AssignmentService.client_rooms",
    "AssignmentService.served",
    "AssignmentService.serving",
    "RoomService.members",  # tests/services/rooms/test_private_rooms.py
    "ResumeService.resume",  # tests/services/streams/test_resuming.py
    "ResumeService.text_of",  # tests/web/api_v1/test_api_v1_events.py
    "ResumeService.live_in",
    "CancelService.cancel",  # tests/services/streams/test_cancelling.py
    "Mirror.heard",  # tests/services/chat/test_chat_mirror.py
    "Mirror.unreadable",
    "TakingService.accept",  # tests/services/requests/test_taking.py
    "TakingService.busy",
    "RequestService.submit",  # tests/services/requests
}
SERVICES = (
    ActivityService,
    ProcessingService,
    RoomService,
    ModerationService,
    AssignmentService,
    EditingService,
    ContextPages,
    EarlierMessages,
    Selecting,
    MissedService,
    RequestService,
    WaitingLines,
    ResumeService,
    CancelService,
    CharacterService,
    ChatReading,
    ChatLinks,
    Mirror,
    TakingService,
)


@pytest.fixture
def lounge(kit: Kit) -> Kit:
    """A room with a message in it; ``out`` is there too, and no member."""
    for who in ("mas", "mas-2", "gue", "out"):
        kit.connect(who)
    kit.group("lounge", "mas", gue=Role.GUEST)
    said = Message(message_id="m1", room="lounge", seq=0, identity="gue", text="hello", role="assistant")
    result_of(kit.history.add(evolve(said, question_id="m0")))
    kit.settle()
    kit.outbox.clear()
    return kit


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED.keys())
def test_a_stranger_is_refused_and_nothing_happens(lounge: Kit, act: Act) -> None:
    before = {room.name: room for room in lounge.rooms.all()}
    stranger = lounge.caller(lounge.sessions.sids("out", "/llm")[0])
    assert isinstance(failure_of(act(lounge, stranger)), NewAgeError)
    lounge.settle()
    assert {room.name: room for room in lounge.rooms.all()} == before
    assert [message.text for message in lounge.stored("lounge") if not message.is_system] == ["hello"]
    assert lounge.outbox.sent == []


ADMINISTRATORS = sorted(
    name
    for name in REFUSED
    if name
    not in (
        "RoomService.leave",
        "AssignmentService.assign_manually",
        "ChatLinks.link",
        "RequestService.submit_queue",  # nothing waits here (tests/services/requests/test_queues.py)
    )
    # In services/chat nothing comes of it here: no extension serves this room (tests/services/chat).
    and not name.startswith(("Processing", "Activity", "Character", "ChatLinks.of_staff", "ChatReading"))
)


@pytest.mark.parametrize("name", ADMINISTRATORS)
def test_an_administrator_is_not_refused(lounge: Kit, name: str) -> None:
    """Else the refusals above were for another reason."""
    try:
        result_of(REFUSED[name](lounge, OPERATOR))
    except NotAuthorised:
        pytest.fail("refused")


def test_the_table_is_complete() -> None:
    """Whatever takes an actor is in it; whoever adds a method adds its line."""
    acts = {
        f"{service.__name__}.{name}"
        for service in SERVICES
        for name, method in getmembers(service, isfunction)
        if not name.startswith("_") and {"actor", "caller"} & set(list(signature(method).parameters)[1:2])
    }
    hears = {name for name in acts if name.endswith(("socket_attached", "socket_detached"))}
    assert acts - hears == set(REFUSED) | LOOKS
