"""Which models there are for a key, and what the name of one means (``/v1/models``, B5).

A name gives no right: an extension that does not serve the key's own room is none of its models, and a room of which it
is no member neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import define

from newage.domain.chat import Offered
from newage.domain.ids import upstream_model
from newage.domain.model import EXTENSION_PREFIX, Caller, RoomKind
from newage.domain.model_names import ANY, ModelName, character_model, parse_model, room_model
from newage.domain.policy import may_read
from newage.errors import ClientMissing, NewAgeError, NotAuthorised, NotFound
from newage.services.chat.characters import FEATURE, CharacterService
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService

NO_SUCH = "There is no model of that name for you; GET /v1/models lists them."
NOT_HERE = "That extension is not connected now."
NO_ROOMS = "Without a key nobody asks in a room."
NO_UPSTREAM = "Without a key that model is not to be had."
NO_MEMBER = "The key's client is no member of that room."
NO_CHARACTER = "That extension offers no such character."


@define(eq=False, kw_only=True)
class Models:
    """Whoever asks is present (``services.sessions.presence``): the policies count its room then.

    :param keyless: whether a configured model server, by its identity, is for who shows no key.
    """

    _sessions: SessionService
    _assignments: AssignmentService
    _rooms: RoomRegistry
    _characters: CharacterService
    _keyless: Callable[[str], bool]

    async def offered(self, actor: Caller) -> tuple[str, ...]:
        """Their names, in the order in which they are offered."""
        found = [ANY]
        for identity in self.serving(actor):
            found.append(upstream_model(identity) or identity)
            try:
                found += [character_model(identity, each.name) for each in await self._offered(actor, identity)]
            except NewAgeError:
                continue  # it does not say now which it has
        found += [room_model(name) for name in self._rooms_of(actor)]
        return tuple(dict.fromkeys(found))

    async def meant(self, actor: Caller, name: str) -> ModelName:
        """What the name means to this one: an extension by its identity, a character by its id.

        :raises NotFound: there is no such model. :raises NotAuthorised: it is there, and not for the actor.
        :raises ClientMissing: its extension is not connected.
        """
        model = parse_model(name)
        if model is None:
            raise NotFound(NO_SUCH)
        if model.room:
            self._check_room(actor, model.room)
            return model
        if not model.extension:
            return model._replace(extension=self._first(actor))
        session = self._sessions.resolve_extension(model.extension)
        if session is None:
            if model.extension.startswith(EXTENSION_PREFIX):
                raise ClientMissing(NOT_HERE)
            raise NotFound(NO_SUCH)
        if session.identity not in self.serving(actor):
            raise NotAuthorised(NO_UPSTREAM if actor.keyless and upstream_model(session.identity) else NO_SUCH)
        model = model._replace(extension=session.identity)
        return model._replace(character=await self._character(actor, model)) if model.character else model

    def serving(self, actor: Caller) -> tuple[str, ...]:
        """The extensions that serve the actor's own room; without a key no model server that is not for those."""
        serving = self._assignments.assigned(actor.identity)
        if not actor.keyless:
            return serving
        return tuple(each for each in serving if upstream_model(each) is None or self._keyless(each))

    def _first(self, actor: Caller) -> str:
        """ "" leaves it to the policy, which may find one that is about to come back."""
        serving = self.serving(actor)
        if not actor.keyless or len(serving) == len(self._assignments.assigned(actor.identity)):
            return ""
        if not serving:
            raise NotAuthorised(NO_UPSTREAM)
        return serving[0]

    def _rooms_of(self, actor: Caller) -> Iterator[str]:
        for name in () if actor.keyless else self._rooms.rooms_of(actor.identity):
            if self._rooms.require(name).kind is RoomKind.GROUP:
                yield name

    def _check_room(self, actor: Caller, name: str) -> None:
        if actor.keyless:
            raise NotAuthorised(NO_ROOMS)
        room = self._rooms.seen(actor, name)
        if room is None:
            raise NotFound(NO_SUCH)
        if not may_read(actor, room):
            raise NotAuthorised(NO_MEMBER)

    async def _offered(self, actor: Caller, identity: str) -> tuple[Offered, ...]:
        caller = self._sessions.answering(identity)
        if caller is None or FEATURE not in caller.features:
            return ()
        return (await self._characters.offered(actor, None, identity))[1].offered

    async def _character(self, actor: Caller, model: ModelName) -> str:
        offered = await self._offered(actor, model.extension)
        by_id = next((each.id for each in offered if each.id == model.character), None)
        found = by_id or next((each.id for each in offered if each.name == model.character), None)
        if found is None:
            raise NotFound(NO_CHARACTER)
        return found
