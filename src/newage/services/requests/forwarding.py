"""What leaves on behalf of a request: payloads for extensions, statuses, errors, warnings (contract 5.3, 5.4, 5.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from newage.domain.model import Audience, Emission, Message
from newage.domain.request import Request, merge_text
from newage.errors import NewAgeError
from newage.ports import IOutbox
from newage.services.history.views import message_body
from newage.services.requests.slots import Pacer
from newage.services.rooms.activity import PresenceService
from newage.services.sessions.sessions import SessionService


def status_update(request: Request, status: str, **members: Any) -> Emission:
    """REQUEST_STATUS_UPDATE to all sockets of the requester (contract 5.3)."""
    body = {
        "mode": request.mode.value,
        "roomName": request.room,
        "requestId": request.request_id,
        "status": status,
        **members,
    }
    return Emission("/llm", "REQUEST_STATUS_UPDATE", (body,), (Audience("identity", request.identity),))


class Forwarder:
    def __init__(self, outbox: IOutbox, sessions: SessionService, presence: PresenceService, pacer: Pacer) -> None:
        self._pacer = pacer
        self._outbox = outbox
        self._sessions = sessions
        self._presence = presence

    def enter(self, request: Request, send: Callable[[str, str], None]) -> None:
        """Let it wait for its turn at each of its targets.

        :param send: called with the extension and the requestId by which it shall know the request.
        """
        for target in request.targets:
            self._pacer.send(target, request, partial(send, target))

    def position(self, request: Request) -> int:
        """As ``Pacer.position``."""
        return self._pacer.position(request)

    def forward(
        self,
        target: str,
        name: str,
        request: Request,
        said: Message,
        merged: Sequence[tuple[str, Message]],
        context: list[dict[str, Any]],
    ) -> None:
        """Hand the request to one of its targets, on one socket.

        :param name: the requestId by which this extension shall know it.
        :param said: its message as it is stored now.
        :param merged: requestIds and messages of the queue that are sent with it, in this order.
        """
        text = merge_text([*(each.text for _, each in merged), said.text]) if merged else said.text
        current = {**message_body(said), "message": text, "requestId": name}
        if merged:
            current["data"] = text
            current["isMerged"] = True
            current["mergedFromCount"] = len(merged) + 1
            current["originalRequestIds"] = [*(request_id for request_id, _ in merged), request.request_id]
        payload = {
            **said.extra,
            "requestId": name,
            "message": text,
            "requestType": request.ask.request_type,
            "targets": list(request.targets),
            "clientId": request.client_id,
            "identity": request.identity,
            "requestingIdentity": request.identity,
            "role": request.role.wire,
            "data": current["data"],
            "isStreaming": request.ask.streaming,
            "isStream": request.ask.streaming,
            "mode": request.mode.value,
            "targetRoom": request.room,
            "roomName": request.room,
            "currentRequest": current,
            "context": context,
        }
        if request.mode.value == "Conversational":
            payload["type"] = "DIRECT_REQUEST"
        link = self._sessions.link(target)
        session = self._sessions.by_identity(target)
        if link is not None and session is not None:
            link.forward({**payload, "target": session.client_id})
            self._presence.show(request.room, target, "processing", room_id=request.room_id)

    def go_on(self, extension: str | None = None) -> None:
        """Something ended or time went by: this extension, or each, gets what waits for it and may go now."""
        if extension is not None:
            self._pacer.pump(extension)
        else:
            self._pacer.pump_all()

    def back(self, extension: str, dropped: list[Request]) -> None:
        """The extension dropped these: they are asked again."""
        self._pacer.back(extension, dropped)

    def report(self, request: Request, error: NewAgeError, extension: str | None, detail: object) -> None:
        """ERROR to the requester, naming the extension it came from."""
        body: dict[str, Any] = {
            "type": "ERROR",
            "message": str(error),
            "code": error.code,
            "errorCode": error.error_code,
            "requestId": request.request_id,
        }
        if detail is not None:
            body["error"] = detail
        if extension is not None:
            body["source"] = extension
        self._to_requester(request, "ERROR", body)

    def warn(self, request: Request, message: str) -> None:
        body = {"type": "WARNING", "message": message, "requestId": request.request_id}
        self._to_requester(request, "WARNING", body)

    def _to_requester(self, request: Request, event: str, body: dict[str, Any]) -> None:
        self._outbox.publish(Emission("/llm", event, (body,), (Audience("identity", request.identity),)))
