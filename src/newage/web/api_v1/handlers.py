"""What each endpoint of ``/api/v1`` does: one call of a service, as in the namespaces of Socket.IO, and its body."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from newage.domain.model import WEBHOOK, Caller, Scope, Session
from newage.domain.request import Ask
from newage.domain.status import HubStatus
from newage.errors import ClientMissing, InvalidRequest, NotAuthorised, NotFound, RoomDenied, Unavailable
from newage.services.api.questions import RoomQuestions
from newage.services.chat.asking import NOT_OFFERED
from newage.services.chat.characters import CharacterService
from newage.services.history.earlier import EarlierMessages
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.moderation import ModerationService
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.rooms import RoomService
from newage.services.sessions.sessions import SessionService
from newage.services.streams.cancelling import CancelService, Which
from newage.services.streams.own_outputs import IAsker
from newage.services.streams.resuming import ResumeService
from newage.web.api_v1 import bodies
from newage.web.api_v1.table import Call


@frozen(kw_only=True)
class HubHandlers:
    """The hub, who is here, and who answers."""

    status_of: Callable[[Caller], HubStatus]
    sessions: SessionService
    assignments: AssignmentService
    characters: CharacterService

    def status(self, actor: Caller, call: Call) -> bodies.Status:
        return bodies.Status.of(self.status_of(actor))

    def me(self, actor: Caller, call: Call) -> bodies.Me:
        return bodies.Me.of(actor)

    def present(self, actor: Caller, call: Call) -> bodies.Sessions:
        return bodies.Sessions(sessions=tuple(map(bodies.Session.of, self.sessions.online_sessions())))

    def extensions(self, actor: Caller, call: Call) -> bodies.Extensions:
        serving = self.assignments.assigned(actor.identity)

        def one(session: Session) -> bodies.Extension:
            return bodies.Extension(
                identity=session.identity,
                client_id=session.client_id,
                description=session.desc,
                serves_you=session.identity in serving,
            )

        return bodies.Extensions(extensions=tuple(map(one, self.sessions.available_extensions())))

    async def offered(self, actor: Caller, call: Call) -> bodies.CharacterList:
        try:
            found = await self.characters.offered(actor, None, call.path["extension"])
        except (ClientMissing, Unavailable) as error:
            if isinstance(error, ClientMissing) or str(error) == NOT_OFFERED:
                raise NotFound(str(error)) from error
            raise
        return bodies.CharacterList.of(*found)

    def policy(self, actor: Caller, call: Call) -> bodies.Policy:
        return bodies.Policy(policy=self.assignments.policy)

    async def set_policy(self, actor: Caller, call: Call) -> bodies.Policy:
        await self.assignments.set_policy(actor, call.body.policy)
        return bodies.Policy(policy=self.assignments.policy)


@frozen(kw_only=True)
class RoomHandlers:
    """Rooms, and who is in them."""

    registry: RoomRegistry
    rooms: RoomService
    moderation: ModerationService

    def all(self, actor: Caller, call: Call) -> bodies.Rooms:
        return bodies.Rooms(rooms=tuple(bodies.Room.of(actor, room) for room in self.registry.all_seen(actor)))

    def one(self, actor: Caller, call: Call) -> bodies.Room:
        return bodies.Room.of(actor, self.registry.require_seen(actor, call.path["room"]))

    async def create(self, actor: Caller, call: Call) -> bodies.Room:
        return bodies.Room.of(actor, await self.rooms.create(actor, call.body.name, call.body.access))

    async def delete(self, actor: Caller, call: Call) -> None:
        await self.rooms.delete(actor, call.path["room"])

    def members(self, actor: Caller, call: Call) -> bodies.Members:
        roster = self.rooms.members(actor, call.path["room"])
        return bodies.Members(members=tuple(map(bodies.Member.of, roster.members)))

    async def join(self, actor: Caller, call: Call) -> bodies.Room:
        return bodies.Room.of(actor, await self.rooms.join(actor, call.path["room"]))

    async def leave(self, actor: Caller, call: Call) -> None:
        self.registry.require_seen(actor, call.path["room"])
        await self.rooms.leave(actor, call.path["room"])

    async def set_mode(self, actor: Caller, call: Call) -> bodies.Room:
        await self.moderation.set_mode(actor, call.path["room"], call.body.mode)
        return self.one(actor, call)


@frozen(kw_only=True)
class TalkHandlers:
    """What is said.

    :param new_id: names questions that have no name.
    """

    new_id: Callable[[], str]
    earlier: EarlierMessages
    questions: RoomQuestions
    cancelling: CancelService
    resuming: ResumeService

    def outputs(self, actor: Caller, call: Call) -> bodies.Outputs:
        live = self.resuming.live_in(actor, call.path["room"])
        return bodies.Outputs(outputs=tuple(map(bodies.Output.of, live)))

    async def history(self, actor: Caller, call: Call) -> bodies.Messages:
        page = await self.earlier.before(actor, call.path["room"], call.query.before, call.query.limit)
        return bodies.Messages.of(page)

    async def say(self, actor: Caller, call: Call) -> bodies.Taken:
        return await self.ask(actor, call)

    async def ask(self, actor: Caller, call: Call, asker: IAsker | None = None) -> bodies.Taken:
        """:param asker: is told what becomes of it."""
        said: bodies.NewMessage = call.body
        if not said.text.strip():
            raise InvalidRequest("text has nothing in it.")
        ask = Ask(
            request_id=said.request_id or self.new_id(),
            text=said.text,
            targets=said.targets or None,
            room=call.path["room"],
            character=said.character or "",
        )
        if actor.scope is Scope.WEBHOOK:
            return await self._say_as_bot(actor, ask)
        return bodies.Taken.of(await self.questions.submit(actor, ask, asker))

    async def _say_as_bot(self, actor: Caller, ask: Ask) -> bodies.Taken:
        """It is shown as one (B22), speaks to people, and is content where nobody is there to answer."""
        if ask.targets is not None or ask.character:
            raise NotAuthorised("A key of scope webhook says a text, and chooses nobody to answer it.")
        if ask.room == actor.identity:
            raise RoomDenied("A key of scope webhook says something in rooms of others alone.")
        try:
            return bodies.Taken.of(await self.questions.submit(actor, evolve(ask, origin=WEBHOOK)))
        except ClientMissing as error:
            message_id = error.members.get("messageId")
            if not isinstance(message_id, str):
                raise
            request_id, room = ask.request_id or "", ask.room or ""
            return bodies.Taken(request_id=request_id, message_id=message_id, room=room, state="recorded")

    async def cancel(self, actor: Caller, call: Call) -> bodies.Cancelled:
        request_id = call.path["request"]
        if len(request_id) > bodies.MAX_ID:
            raise NotFound("Request not found")
        return bodies.Cancelled.of(await self.cancelling.cancel(actor, Which(request_id=request_id)))
