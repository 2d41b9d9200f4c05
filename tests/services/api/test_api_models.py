"""Which models there are for whom, and what their names mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from hubkit import HOME, OPERATOR, Kit, failure_of, result_of
from newage.domain.model import Caller, ConnectionPolicy, Role, Session
from newage.domain.model_names import ModelName
from newage.errors import ClientMissing, NotAuthorised, NotFound
from newage.services.api.models import NO_CHARACTER, NO_MEMBER, NO_ROOMS, NO_UPSTREAM, Models

X = "SillyTavern-8000"


def models(kit: Kit, keyless: Callable[[str], bool] = lambda identity: False) -> Models:
    return Models(
        sessions=kit.sessions,
        assignments=kit.assignments,
        rooms=kit.rooms,
        characters=kit.talk.chat.characters,
        keyless=keyless,
    )


def bot(kit: Kit, identity: str = "bot", **caller: Any) -> Caller:
    session = Session(client_id=identity, identity=identity)
    made = Caller(sid=kit.new_id(), namespace="/v1", session=session, peer=HOME, **caller)
    kit.sessions.attach(made)
    return made


def with_characters(kit: Kit) -> None:
    kit.extension(X, features=frozenset({"characters"}))


def answer_characters(kit: Kit) -> None:
    listed = [{"id": "sera.png", "name": "Seraphina"}, {"id": "bob.png", "name": "Bob"}]
    kit.outbox.acknowledge({"status": "ok", "characters": listed})


def test_a_name_means_one_thing(kit: Kit) -> None:
    kit.extension(X)
    actor, known = bot(kit), models(kit)
    assert result_of(known.meant(actor, "newage")) == ModelName()
    assert result_of(known.meant(actor, X)) == ModelName(X)
    assert type(failure_of(known.meant(actor, "SillyTavern-1"))) is ClientMissing
    for name in ("", "gpt-5", "o1", "room:", "llm:local"):
        assert type(failure_of(known.meant(actor, name))) is NotFound
    assert str(failure_of(known.meant(actor, f"{X}/Nobody"))) == NO_CHARACTER


def test_an_extension_that_does_not_serve_the_key_is_none_of_its_models(kit: Kit) -> None:
    kit.extension(X)
    kit.extension("SillyTavern-8001")
    actor, known = bot(kit), models(kit)
    assert known.serving(actor) == (X, "SillyTavern-8001")
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.BALANCED))
    (serving,) = known.serving(actor)
    (other,) = {X, "SillyTavern-8001"} - {serving}
    assert result_of(known.meant(actor, serving)) == ModelName(serving)
    assert type(failure_of(known.meant(actor, other))) is NotAuthorised
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.MANUAL))
    assert result_of(known.offered(actor)) == ("newage",)


def test_a_room_is_for_its_members(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lobby", "ann", bot=Role.GUEST)
    kit.group("other", "ann")
    actor, known = bot(kit), models(kit)
    assert result_of(known.offered(actor)) == ("newage", "room:lobby")
    assert result_of(known.meant(actor, "room:lobby")) == ModelName(room="lobby")
    assert str(failure_of(known.meant(actor, "room:other"))) == NO_MEMBER
    assert type(failure_of(known.meant(actor, "room:none"))) is NotFound


def test_without_a_key_there_are_neither_rooms_nor_model_servers_that_do_not_say_so(kit: Kit) -> None:
    kit.extension("llm-paid")
    kit.extension("llm-own")
    actor = bot(kit, "api-local", keyless=True)
    known = models(kit, lambda identity: identity == "llm-own")
    assert result_of(known.offered(actor)) == ("newage", "llm:own")
    assert result_of(known.meant(actor, "newage")) == ModelName("llm-own")
    assert str(failure_of(known.meant(actor, "llm:paid"))) == NO_UPSTREAM
    assert str(failure_of(known.meant(actor, "room:lobby"))) == NO_ROOMS
    assert str(failure_of(models(kit).meant(actor, "newage"))) == NO_UPSTREAM
    kit.extension(X)
    assert result_of(models(kit).meant(actor, "newage")) == ModelName(X)


def test_characters_are_models_by_name_and_by_id(kit: Kit) -> None:
    with_characters(kit)
    actor, known = bot(kit), models(kit)
    listing = Deferred.fromCoroutine(known.offered(actor))
    answer_characters(kit)
    assert result_of(listing) == ("newage", X, f"{X}/Seraphina", f"{X}/Bob")
    assert result_of(known.meant(actor, f"{X}/Seraphina")) == ModelName(X, "sera.png")
    assert result_of(known.meant(actor, f"{X}/bob.png")) == ModelName(X, "bob.png")
    assert str(failure_of(known.meant(actor, f"{X}/Carl"))) == NO_CHARACTER


def test_an_extension_that_does_not_say_now_whom_it_has_is_a_model_all_the_same(kit: Kit) -> None:
    with_characters(kit)
    kit.outbox.refuse_calls = ClientMissing("Gone.")
    assert result_of(models(kit).offered(bot(kit))) == ("newage", X)
