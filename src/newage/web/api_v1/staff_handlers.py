"""What the staff of a room does by ``/api/v1``; as ``handlers``."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from newage.domain.history import Change
from newage.domain.model import Caller
from newage.domain.request import Ask
from newage.errors import NotAuthorised, NotFound
from newage.services.api.questions import RoomQuestions
from newage.services.history.editing import EditingService
from newage.services.history.selecting import Selecting
from newage.services.requests.lines import WaitingLines
from newage.services.rooms.assignments import AssignmentService
from newage.services.rooms.moderation import ModerationService
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.rooms import RoomService
from newage.web.api_v1 import bodies as common
from newage.web.api_v1 import staff_bodies as bodies
from newage.web.api_v1.table import Call


@frozen(kw_only=True)
class MemberHandlers:
    """Who is in a room, as what, and who is not any more."""

    registry: RoomRegistry
    rooms: RoomService
    moderation: ModerationService
    assignments: AssignmentService

    async def add(self, actor: Caller, call: Call) -> None:
        await self.rooms.add(actor, call.path["room"], call.body.identity, call.body.role.role)

    async def remove(self, actor: Caller, call: Call) -> None:
        await self.rooms.remove(actor, call.path["room"], call.path["member"])

    async def set_role(self, actor: Caller, call: Call) -> None:
        await self.moderation.set_role(actor, call.path["room"], call.path["member"], call.body.role.role)

    async def kick(self, actor: Caller, call: Call) -> bodies.Until:
        said: bodies.Kick = call.body
        term = await self.moderation.kick(actor, call.path["room"], call.path["member"], said.seconds, said.reason)
        return bodies.Until.of(term)

    async def mute(self, actor: Caller, call: Call) -> bodies.Until:
        seconds = call.body.seconds or 0
        return bodies.Until.of(await self.moderation.mute(actor, call.path["room"], call.path["member"], seconds))

    async def unmute(self, actor: Caller, call: Call) -> None:
        await self.moderation.unmute(actor, call.path["room"], call.path["member"])

    def bars(self, actor: Caller, call: Call) -> bodies.Bars:
        barred = self.rooms.members(actor, call.path["room"]).barred
        if barred is None:
            raise NotAuthorised("Unauthorized")
        return bodies.Bars(bars=tuple(bodies.Barred.of(client_id, bar) for client_id, bar in barred.items()))

    async def lift_bar(self, actor: Caller, call: Call) -> bodies.Lifted:
        return bodies.Lifted(clients=await self.moderation.lift_bar(actor, call.path["room"], call.path["client"]))

    async def set_access(self, actor: Caller, call: Call) -> common.Room:
        await self.moderation.set_access(actor, call.path["room"], call.body.access)
        return common.Room.of(actor, self.registry.require_seen(actor, call.path["room"]))

    async def set_default_mode(self, actor: Caller, call: Call) -> common.Mode:
        await self.moderation.set_default_mode(actor, call.body.mode)
        return common.Mode(mode=call.body.mode)

    def serving(self, actor: Caller, call: Call) -> bodies.Serving:
        self.registry.require_seen(actor, call.path["room"])
        return bodies.Serving(extensions=self.assignments.serving(actor, call.path["room"])[1])

    async def assign(self, actor: Caller, call: Call) -> bodies.Serving:
        found = await self.assignments.assign_manually(actor, call.path["room"], call.body.extensions)
        return bodies.Serving(extensions=found)


@frozen(kw_only=True)
class MessageHandlers:
    """What was said, changed afterwards or asked again, and what waits to be asked."""

    new_id: Callable[[], str]
    editing: EditingService
    selecting: Selecting
    lines: WaitingLines
    questions: RoomQuestions

    async def edit(self, actor: Caller, call: Call) -> common.Message:
        change = Change(text=call.body.text)
        return common.Message.of(await self.editing.edit(actor, call.path["room"], call.path["message"], change))

    async def delete(self, actor: Caller, call: Call) -> None:
        if not await self.editing.delete(actor, call.path["room"], [call.path["message"]]):
            raise NotFound("Message not found")

    async def clear(self, actor: Caller, call: Call) -> bodies.Cleared:
        gone = await self.editing.clear(actor, call.path["room"], call.query.questions, call.query.answers)
        return bodies.Cleared(messages=gone)

    async def select(self, actor: Caller, call: Call) -> bodies.Selected:
        return bodies.Selected.of(await self.selecting.select(actor, call.path["room"], call.path["message"]))

    async def ask_again(self, actor: Caller, call: Call) -> common.Taken:
        return await self._of_message(actor, call, "regenerateMessage")

    async def go_on(self, actor: Caller, call: Call) -> common.Taken:
        return await self._of_message(actor, call, "continue")

    async def _of_message(self, actor: Caller, call: Call, kind: str) -> common.Taken:
        ask = Ask(
            request_id=call.body.request_id or self.new_id(),
            text="",
            room=call.path["room"],
            request_type=kind,
            message_id=call.path["message"],
        )
        return common.Taken.of(await self.questions.submit(actor, ask))

    def queue(self, actor: Caller, call: Call) -> bodies.Queue:
        return bodies.Queue(queue=tuple(map(bodies.Waiting.of, self.lines.seen(actor, call.path["room"]))))

    async def submit_queue(self, actor: Caller, call: Call) -> common.Taken:
        request_id = call.body.request_id or self.new_id()
        return common.Taken.of(await self.questions.submit_queue(actor, call.path["room"], request_id))
