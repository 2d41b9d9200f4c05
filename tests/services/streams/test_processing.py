"""START_PROCESSING and STOP_PROCESSING: by extensions alone, of what they are asked (contract 4.9, 5.6 d)."""

from __future__ import annotations

import pytest

from hubkit import Kit
from newage.domain.model import Caller
from newage.errors import NotAuthorised, NotMember

X = "SillyTavern-8000"


@pytest.fixture
def lounge(kit: Kit) -> Kit:
    kit.extension(X)
    for who in ("ann", "bob"):
        kit.connect(who)
    kit.group("lounge", "ann")
    kit.settle()
    kit.outbox.clear()
    return kit


def extension(kit: Kit) -> Caller:
    return kit.caller(kit.sessions.sids(X, "/llm")[0])


def shown(kit: Kit, who: str = "ann") -> list[tuple[str, str]]:
    bodies = kit.outbox.bodies(kit.sessions.sids(who, "/llm")[0], "MEMBER_STATUS_UPDATE")
    return [(body["roomName"], body["status"]) for body in bodies]


def test_a_room_that_it_serves_sees_it_at_work(lounge: Kit) -> None:
    processing = lounge.talk.processing
    processing.started(extension(lounge), "lounge", None)
    processing.stopped(extension(lounge), "lounge", None)
    assert shown(lounge) == [("lounge", "processing"), ("lounge", "idle")]
    assert shown(lounge, "bob") == []


def test_of_a_request_it_is_the_room_that_asked(lounge: Kit) -> None:
    sid = lounge.sessions.sids("ann", "/llm")[0]
    lounge.submit(sid, "hi", "r1", room="lounge")
    lounge.outbox.clear()
    lounge.talk.processing.started(extension(lounge), None, "r1")
    assert shown(lounge) == [("lounge", "processing")]


def test_who_is_no_extension_is_refused(lounge: Kit) -> None:
    ann = lounge.caller(lounge.sessions.sids("ann", "/llm")[0])
    for act in (lounge.talk.processing.started, lounge.talk.processing.stopped):
        with pytest.raises(NotAuthorised):
            act(ann, "lounge", None)
    assert shown(lounge) == []


def test_where_there_is_no_room_there_is_no_work(lounge: Kit) -> None:
    for act in (lounge.talk.processing.started, lounge.talk.processing.stopped):
        with pytest.raises(NotMember, match="You are not a member of room nowhere"):
            act(extension(lounge), "nowhere", None)
