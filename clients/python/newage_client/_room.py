"""What one does in one room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from newage_client._requests import Asking
from newage_client._types import Member, Message, Missed, Page, Waiting

if TYPE_CHECKING:
    from newage_client._hub import Hub

LLM = "/llm"
ROOMS = "/rooms"


class Pages:
    """A room's history from its end to its beginning: a page at a time, each oldest first."""

    def __init__(self, room: Room, limit: int) -> None:
        self._room = room
        self._limit = limit
        self._before: int | None = None
        self._more = True

    def __aiter__(self) -> Pages:
        return self

    async def __anext__(self) -> list[Message]:
        if not self._more:
            raise StopAsyncIteration
        page = await self._room.history(before=self._before, limit=self._limit)
        messages = page["messages"]
        if not messages:
            raise StopAsyncIteration
        self._before, self._more = messages[0]["seq"], page["hasMore"]
        return messages


class Room:
    """Of ``Hub.join``, ``Hub.create``, ``Hub.room``, or ``Hub.own``, whose name is empty.

    :ivar role: one's own there, where the hub has said it: ``master``, ``manager``, ``special``, ``guest``.
    """

    def __init__(self, hub: Hub, name: str, role: str = "") -> None:
        self.name = name
        self.role = role
        self._hub = hub

    def __repr__(self) -> str:
        return f"Room({self.name!r})"

    def ask(self, text: str, **how: Any) -> Asking:
        """``Hub.ask`` in this room."""
        return self._hub.ask(text, room=self, **how)

    def submit(self, request_id: str = "") -> Asking:
        """Release what waits for the host, without words of one's own: an answer to all of it."""
        return self._hub._requests.ask("SUBMIT_QUEUE", self._named, self.name, request_id)

    async def queue(self) -> list[Waiting]:
        """What waits to be answered: for the host, its turn, or an extension that has just gone."""
        entries: list[Waiting] = (await self._call("GET_QUEUE"))["entries"]
        return entries

    async def history(self, *, before: int | None = None, limit: int = 50) -> Page:
        """The newest messages, or those before a ``seq``: 1 to 200 of them."""
        page: Page = await self._call("GET_MESSAGES", limit=limit, before=before)
        return page

    def pages(self, *, limit: int = 50) -> Pages:
        """All of the history, backwards."""
        return Pages(self, limit)

    async def missed(self, *, since: int | str | None = None, limit: int = 50) -> Missed:
        """What was said while one was away, or after a ``seq`` or an ISO time."""
        missed: Missed = await self._call("GET_OFFLINE_MESSAGES", limit=limit, since=since)
        return missed

    async def edit(self, message_id: str, text: str) -> None:
        await self._call("EDIT_MESSAGE", messageId=message_id, updatedFields=text)

    async def delete(self, message_ids: Sequence[str]) -> list[str]:
        """:return: those that went: all of them, or none may be deleted."""
        deleted: list[str] = (await self._call("DELETE_MESSAGE", messageIds=list(message_ids)))["deleted"]
        return deleted

    async def members(self) -> list[Member]:
        members: list[Member] = (await self._call("GET_CLIENTS_IN_ROOM", ROOMS))["clients"]
        return members

    async def leave(self) -> None:
        await self._call("LEAVE_ROOM", ROOMS)

    async def typing(self, on: bool = True) -> bool:
        """Show that one writes, for 15 s at most; False when the line is down."""
        return await self._hub._line.say(LLM, "START_TYPING" if on else "STOP_TYPING", self._named)

    @property
    def _named(self) -> dict[str, Any]:
        return {"roomName": self.name} if self.name else {}

    async def _call(self, event: str, namespace: str = LLM, **said: Any) -> Any:
        given = {name: value for name, value in said.items() if value is not None}
        return await self._hub.call(namespace, event, {**self._named, **given})
