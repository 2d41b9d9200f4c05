"""A client of a hub: who asks."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from newage_client._connection import ACK_SECONDS, Connection, Engines
from newage_client._emitter import Emitter, Event, Events, Unlisten
from newage_client._failure import Failure
from newage_client._line import Ears, Line
from newage_client._output import Output
from newage_client._outputs import LLM, OutputEars, Outputs
from newage_client._requests import Asking, Requests
from newage_client._room import ROOMS, Room
from newage_client._types import ExtensionDetails, RoomDetails, Standing, State, StateChange, Stopped

AUTH = "/auth"
EVENTS_MOST = 1_000  # that wait to be read
# What the hub says, under the names that it has here.
TOLD = {
    (LLM, "NEW_MESSAGE"): "message",
    (LLM, "MESSAGE_UPDATED"): "updated",
    (LLM, "MESSAGES_DELETED"): "deleted",
    (LLM, "MESSAGES_CLEARED"): "cleared",
    (LLM, "RESPONSE_SELECTED"): "selected",
    (LLM, "OFFLINE_MESSAGES"): "missed",
    (LLM, "MEMBER_STATUS_UPDATE"): "presence",
    (LLM, "CHARACTER_CHANGED"): "character",
    (LLM, "ROOM_MODE_CHANGED"): "mode",
    (LLM, "REQUEST_STATUS_UPDATE"): "status",
    (LLM, "QUEUE_UPDATE"): "queue",
    (ROOMS, "MEMBER_JOINED"): "joined",
    (ROOMS, "MEMBER_LEFT"): "left",
    (ROOMS, "MEMBER_ROLE_CHANGED"): "role",
    (ROOMS, "DELETE_ROOM"): "room-deleted",
    (ROOMS, "AVAILABLE_EXTENSIONS"): "extensions",
}


class Hub(Emitter):
    """Of ``connect``. Enter it (``async with``), or ``open`` and ``close`` it.

    Tells, to who listens (``on``) and who reads (``events``): ``state`` (`StateChange`), ``output`` (`Output`) for each
    output of one's rooms, ``status`` and ``queue`` for each of one's requests, ``problem`` and ``warning``, what
    the hub says unasked, and of rooms what TOLD names, with the hub's payload.
    """

    def __init__(
        self,
        engines: Engines,
        who: Mapping[str, str],
        *,
        timeout: float | None = 30.0,
        random: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """:param who: what is said at the door, by its names on the wire.
        :param timeout: seconds in which ``open`` has to be let in; None: as long as it takes.
        """
        super().__init__()
        self.client_id = who["clientId"]
        self.identity = who.get("identity") or who["clientId"]
        self._who = {member: value for member, value in who.items() if value}
        self._timeout = timeout
        self._events: WeakSet[Events] = WeakSet()
        ears = Ears(self._greet, self._heard, self._changed, self._up)
        self._line = Line(engines, LLM, self._auth, ears, random)
        told = OutputEars(lambda: self._requests.waiting, self._began, lambda said: self._requests.stands(said))
        self._outputs = Outputs(self._line, told)
        self._requests = Requests(self._line, self._outputs, self.identity, new_id)
        self.own = Room(self, "")

    # ---- the connection

    async def open(self) -> Hub:
        """Itself, once the hub has let us in.

        :raises Failure: it does not, or cannot be reached in time.
        """
        self._line.begin()
        try:
            await self._line.up(self._timeout)
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        """Nothing of it is left afterwards; what waits for an answer here gets a `Failure`."""
        await self._line.close()

    async def __aenter__(self) -> Hub:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def state(self) -> State:
        return self._line.state

    @property
    def transport(self) -> str:
        """``websocket`` or ``polling``; empty while the line is down."""
        return self._line.transport

    def retry(self, *, key: str = "", password: str = "") -> None:
        """After a refusal, perhaps with another key; or to try now, where the line is down."""
        self._who.update({member: said for member, said in (("key", key), ("password", password)) if said})
        self._line.retry()

    async def ready(self) -> None:
        """Until the hub has let us in, after a cut or a ``retry``.

        :raises Failure: it does not.
        """
        await self._line.up()

    async def call(
        self, namespace: str, event: str, payload: Mapping[str, Any] | None = None, seconds: float = ACK_SECONDS
    ) -> Any:
        """Any event of docs/api.md.

        :return: the hub's ack.
        :raises Failure: it refuses, or could not be asked in that time.
        """
        return await self._line.call(namespace, event, dict(payload or {}), seconds)

    async def hear(self, namespace: str, event: str, heard: Callable[[Any], object]) -> Unlisten:
        """Any event of docs/api.md, as it comes: a plain function is called with its payload."""
        unlisten = self.on(f"{namespace} {event}", heard)
        await self._line.visit(namespace)
        return unlisten

    def events(self, *names: str, most: int = EVENTS_MOST) -> Events:
        """What this hub tells from now on, one after the other; all of it where no names are given.

        :param most: so many may wait to be read.
        """
        events = Events(names, most)
        if self._line.refusal is None:
            self._events.add(events)
        else:
            events._end(None if self.state == "closed" else self._line.refusal)
        return events

    # ---- asking

    def ask(
        self,
        text: str,
        *,
        room: str | Room = "",
        target: str | Sequence[str] = (),
        action: str = "",
        message_id: str = "",
        character: str = "",
        failover: bool = False,
        request_id: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> Asking:
        """Ask: ``answer = await hub.ask(text)``, or ``async with hub.ask(text) as answer`` to stop it at the end.

        :param room: one's own, where none is named.
        :param target: identities of extensions; those of the room, where none is named.
        :param action: ``newMessage``, ``regenerate``, ``swipe``, ``continue`` or ``impersonate``.
        :param message_id: the question or answer that is acted on.
        :param character: the id of who shall answer.
        :param failover: another extension may answer, where this one cannot begin.
        :param request_id: made, where none is given; keep it to find the answer when your own program starts again.
        :param more: is passed on to the extension.
        :raises Failure: when it is awaited: the hub refuses it, or cannot be asked.
        """
        where = room.name if isinstance(room, Room) else room
        said = {
            "message": text,
            "targetRoom": where,
            "target": target if isinstance(target, str) else list(target),
            "action": action,
            "messageId": message_id,
            "character": character,
            "failover": failover,
        }
        given = {"isStreaming": True, **(more or {}), **{member: value for member, value in said.items() if value}}
        return self._requests.ask("LLM_REQUEST", given, where, request_id)

    async def stop(self, request_id: str, requester: str = "") -> Stopped:
        """No more of what one asked earlier, of which there is no `Answer` here.

        :param requester: the identity of who asked, for staff.
        """
        who = {"identity": requester} if requester else {}
        stopped: Stopped = await self.call(LLM, "CANCEL_REQUEST", {"requestId": request_id, **who})
        return stopped

    async def standings(self, request_ids: Sequence[str]) -> list[Standing]:
        """Where requests stand that one asked earlier, of which there is no `Answer` here. What comes later is told by
        ``status``, ``queue`` and ``output``."""
        return await self._outputs.stand(list(request_ids))

    @property
    def outputs(self) -> list[Output]:
        """Those that are live now, or were a while ago: 256, live ones always."""
        return self._outputs.all

    async def extensions(self) -> list[ExtensionDetails]:
        """Who can answer; nobody where nobody is connected."""
        try:
            listed = await self.call(AUTH, "GET_SILLYTAVERN_EXTENSION")
        except Failure as failure:
            if failure.body is None or not isinstance(failure.body.get("extensions"), list):
                raise
            listed = failure.body
        known: dict[str, ExtensionDetails] = {each["identity"]: each for each in listed.get("details") or ()}
        return [known.get(identity, {"identity": identity}) for identity in listed["extensions"]]

    # ---- rooms

    def room(self, name: str) -> Room:
        """One that one is in already, or may read."""
        return Room(self, name)

    async def rooms(self) -> list[RoomDetails]:
        rooms: list[RoomDetails] = (await self.call(ROOMS, "GET_ROOMS"))["roomDetails"]
        return rooms

    async def create(self, name: str, *, access: str = "open") -> Room:
        """:param access: ``open``, or ``invited``: only who is added gets in."""
        await self.call(ROOMS, "CREATE_ROOM", {"roomName": name, "access": access})
        return Room(self, name, "master")

    async def join(self, name: str) -> Room:
        """Become a member, or be one already, until one leaves."""
        joined = await self.call(ROOMS, "JOIN_ROOM", {"roomName": name})
        return Room(self, name, str(joined.get("role") or ""))

    # ---- inside

    def _auth(self) -> dict[str, Any]:
        return {**self._who, "streamMode": "plain", "sync": "incremental", "outputs": True}

    async def _greet(self, connection: Connection) -> None:
        await self._outputs.greet(connection)

    def _up(self) -> None:
        self._outputs.catch_up()
        self._line.spawn(self._requests.returned())

    def _changed(self, change: StateChange) -> None:
        self._tell("state", change)
        if self._line.refusal is not None:
            self._requests.close(self._line.refusal)
            for events in tuple(self._events):
                events._end(None if change.state == "closed" else self._line.refusal)
            self._events.clear()

    def _began(self, output: Output) -> None:
        self._requests.began(output)
        self._tell("output", output)

    def _tell(self, name: str, said: Any) -> None:
        for events in tuple(self._events):
            events._push(Event(name, said))
        self._emit(name, said)

    def _heard(self, namespace: str, event: str, said: Any) -> None:
        if isinstance(said, Mapping):
            if namespace == LLM:
                self._heard_of_answers(event, said)
            if event in ("ERROR", "WARNING"):
                self._tell("problem" if event == "ERROR" else "warning", said)
            elif (namespace, event) in TOLD:
                self._tell(TOLD[namespace, event], said)
        self._emit(f"{namespace} {event}", said)

    def _heard_of_answers(self, event: str, said: Mapping[str, Any]) -> None:
        outputs, requests = self._outputs, self._requests
        if event == "SERVER_STREAM_DATA":
            outputs.grow(said, Output._grown)
        elif event == "SERVER_STREAM_START":
            outputs.started(said)
        elif event == "SERVER_STREAM_RESET":
            outputs.grow(said, Output._voided)
        elif event == "SERVER_STREAM_END":
            outputs.grow(said, Output._ended)
        elif event in ("message", "LLM_RESPONSE") and said.get("roomName"):
            outputs.grow(said, Output._whole)
        elif event == "REQUEST_STATUS_UPDATE":
            requests.status(said)
        elif event == "QUEUE_UPDATE":
            requests.queued(said)
        elif event == "ERROR":
            requests.problem(said)
