"""What a program asks over HTTP becomes a request like any other's, with the rights of its key."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import define

from newage.domain.chat_question import ChatQuestion
from newage.domain.model import Caller
from newage.domain.model_names import ModelName
from newage.domain.names import is_clear
from newage.domain.pictures import check_picture, pictures_of
from newage.domain.request import Ask, Cancelled
from newage.errors import InvalidRequest
from newage.services.api.questions import too_much
from newage.services.requests.intake import RequestService
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.streams.cancelling import CancelService, Which
from newage.services.streams.own_outputs import IAsker, OwnOutputs

ORIGIN = "openai"
MAX_NAME_CHARS = 64
NO_PICTURES = "This model takes no pictures."
NO_PICTURES_IN_ROOMS = "A room takes no pictures."
NO_NEWS = "There is no message of the user after the last answer: a room hears nothing else."


@define(eq=False, kw_only=True)
class ApiAsking:
    """Whoever asks is present. What is asked of a model without a state is stored nowhere; a room hears what is new.

    :param pictures: the identities of those who take them. :param most_picture_bytes: of one.
    """

    _requests: RequestService
    _cancelling: CancelService
    _own: OwnOutputs
    _rooms: RoomRegistry
    _sessions: SessionService
    _pictures: Collection[str]
    _most_picture_bytes: int

    async def ask(
        self, actor: Caller, model: ModelName, question: ChatQuestion, request_id: str, asker: IAsker, most_tokens: int
    ) -> None:
        """Done when it was taken on; ``asker`` may have been told of outputs, and of the end, by then.

        :param model: as ``Models.meant`` says. :param most_tokens: the longest answer that may be asked for.
        :raises NewAgeError: it was not, with the words of LLM_REQUEST.
        """
        options = dict(question.options)
        if "max_tokens" in options:
            options["max_tokens"] = min(options["max_tokens"], most_tokens)
        if model.room:
            ask = self._in_room(actor, model, question, options, request_id)
        else:
            ask = self._aside(actor, model, question, options, request_id)
        self._own.watch(actor.identity, request_id, asker)
        try:
            with too_much():
                await self._requests.submit(actor, ask)
        except BaseException:
            self._own.forget(actor.identity, request_id)
            raise

    async def cancel(self, actor: Caller, request_id: str) -> Cancelled:
        """The actor takes it back: as ``CancelService.cancel``."""
        return await self._cancelling.cancel(actor, Which(request_id=request_id))

    def forget(self, actor: Caller, request_id: str) -> None:
        """Its asker is told nothing more."""
        self._own.forget(actor.identity, request_id)

    def is_watched(self, actor: Caller, model: ModelName) -> bool:
        """Whether somebody else hears the answer, who is in that room and here."""
        room = self._rooms.get(model.room) if model.room else None
        members = () if room is None else room.members
        return any(who != actor.identity and self._sessions.is_online(who) for who in members)

    def _aside(
        self, actor: Caller, model: ModelName, question: ChatQuestion, options: dict[str, Any], request_id: str
    ) -> Ask:
        if question.pictures:
            if model.extension not in self._pictures:
                raise InvalidRequest(NO_PICTURES)
            for each in question.messages:
                for url in pictures_of(each["content"]):
                    check_picture(url, self._most_picture_bytes)
        return Ask(
            request_id=request_id,
            text=question.text,
            targets=(model.extension,) if model.extension else None,
            character=model.character,
            failover=not model.extension,
            aside=True,
            origin=ORIGIN,
            speaker=speaker(question.user),
            data={"messages": [dict(each) for each in question.messages], "options": options},
            streaming=question.stream,
            extra={"options": options} if options else {},
        )

    def _in_room(
        self, actor: Caller, model: ModelName, question: ChatQuestion, options: dict[str, Any], request_id: str
    ) -> Ask:
        if question.pictures:
            raise InvalidRequest(NO_PICTURES_IN_ROOMS)
        if not question.news:
            raise InvalidRequest(NO_NEWS)
        name = speaker(question.user)
        return Ask(
            request_id=request_id,
            text=question.news,
            room=model.room,
            speaker=f"{name} (via {actor.client_id})" if name else "",
            streaming=question.stream,
            extra={"options": options} if options else {},
        )


def speaker(user: str) -> str:
    """What may be shown as somebody's name; "" for what may not."""
    name = " ".join(user.split())
    return name if len(name) <= MAX_NAME_CHARS and is_clear(name) else ""
