"""What leaves on behalf of a request: payloads for extensions, statuses, errors, warnings (contract 5.3, 5.4, 5.8)."""

from __future__ import annotations

from collections.abc import Sequence

from newage.dialect import Event, requests
from newage.domain.delivery import Audience
from newage.domain.forwarded import ForwardedRequest, Question
from newage.domain.model import Message
from newage.domain.request import Request, merge_text
from newage.errors import NewAgeError
from newage.ports import IOutbox
from newage.services.requests.slots import Pacer, Send
from newage.services.rooms.activity import ActivityService
from newage.services.sessions.sessions import SessionService


class Forwarder:
    def __init__(self, outbox: IOutbox, sessions: SessionService, activity: ActivityService, pacer: Pacer) -> None:
        self._pacer = pacer
        self._outbox = outbox
        self._sessions = sessions
        self._activity = activity

    def enter(self, request: Request, send: Send) -> None:
        """Let it wait for its turn at each of its targets.

        :param send: called with the extension and the requestId by which it shall know the request.
        """
        for target in request.targets:
            self._pacer.send(target, request, send)

    def position(self, request: Request) -> int:
        """As ``Pacer.position``."""
        return self._pacer.position(request)

    def forward(
        self,
        target: str,
        name: str,
        request: Request,
        words: Sequence[tuple[str, Message]],
        context: tuple[Message, ...],
    ) -> None:
        """Hand the request to one of its targets, on one socket.

        :param name: the requestId by which this extension shall know it.
        :param words: requestIds and messages as they are stored now: those of the queue that are sent with it, in this
            order, and its own, or what it speaks for.
        """
        *merged, (request_id, said) = words
        link = self._sessions.link(target)
        session = self._sessions.by_identity(target)
        if link is None or session is None:
            return
        question = Question(
            request_id=request_id,
            identity=request.identity,
            client_id=request.client_id,
            role=request.role,
            said=said,
            targets=request.targets,
            merged=tuple(other for other, _ in merged),
            streaming=request.ask.streaming,
        )
        caller = self._sessions.answering(target)
        declared = caller is not None and bool(caller.features)  # who declared nothing is told what it always was
        about = request.grows or (request.ask.message_id or "" if declared else "")
        link.forward(
            ForwardedRequest(
                request_id=name,
                target=session.client_id,
                room=request.room,
                mode=request.mode,
                text=merge_text([*(each.text for _, each in merged), said.text]) if merged else said.text,
                context=context,
                request_type=request.ask.request_type,
                action=request.ask.action,
                about=about,
                character=request.ask.character if declared else "",
                failover=request.ask.failover and declared,
                declared=declared,
                question=question,
            )
        )
        self._activity.show(request.room, target, "processing", room_id=request.room_id)

    def stop(self) -> None:
        """As ``Pacer.stop``."""
        self._pacer.stop()

    def send_next(self, extension: str | None = None) -> None:
        """Something ended or time went by: this extension, or each, gets what waits for it and may go now."""
        if extension is not None:
            self._pacer.send_next(extension)
        else:
            self._pacer.send_all()

    @property
    def stopped(self) -> bool:
        """As ``Pacer.stopped``."""
        return self._pacer.stopped

    def has(self, extension: str, request: Request) -> bool:
        """As ``Pacer.has``."""
        return self._pacer.has(extension, request)

    def move(self, request: Request, extension: str) -> None:
        """Let it wait for its turn at that extension, instead of the one that has it. That has to have it."""
        (old,) = request.targets
        send = self._pacer.take(old, request)
        request.move(extension)
        self.tell(request, requests.status(request, "rerouted", moved=(old, extension)))
        self._pacer.send(extension, request, send)

    def put_back(self, extension: str, dropped: list[Request]) -> None:
        """The extension dropped these, or came back without them: they are asked again."""
        self._pacer.put_back(extension, dropped)

    def report(self, request: Request, error: NewAgeError, extension: str | None = None, detail: object = None) -> None:
        """Say to who asked what went wrong.

        :param extension: where. :param detail: what that said besides.
        """
        self.tell(request, requests.failed(request, error, source=extension, detail=detail))

    def warn(self, request: Request, words: str) -> None:
        self.tell(request, requests.warning(request, words))

    def tell(self, request: Request, event: Event) -> None:
        """To all sockets of who asked."""
        self._outbox.publish(*event.to(Audience.identity(request.identity)))
