"""What a model is asked: the lines of a room's conversation, or of a question that brings its own, within a budget.

Pure text. Templates of many models demand that user and assistant take turns and that a user begins, so neighbours of
one role are one line, and a conversation that an assistant begins gets a line before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from attrs import frozen

from newage.domain.chat_question import CHARS_PER_TOKEN, Spoken, read_options, text_of
from newage.domain.forwarded import ForwardedRequest
from newage.domain.model import Message
from newage.domain.pictures import PICTURE_TOKENS, pictures_of

LINE_TOKENS: Final = 4  # that a line costs besides its text
_ROLES: Final = {"developer": "system", "system": "system", "assistant": "assistant"}
BRINGS: Final = "openai"  # the ``origin`` of such a question
BEGINS: Final = "[The conversation begins.]"
GO_ON: Final = "[Continue your last message exactly where it ends. Do not repeat any of it.]"
SPEAK_FOR: Final = "[Write the next message of {name} as {name} would write it, and nothing else.]"


class Line(NamedTuple):
    """One message of the prompt. ``who`` is the name of a person, "" for anybody else; ``pictures`` are data: URLs."""

    role: str  # system, user, assistant
    text: str
    who: str = ""
    pictures: tuple[str, ...] = ()

    def wire(self) -> dict[str, Any]:
        if not self.pictures:
            return {"role": self.role, "content": self.text}
        text = [{"type": "text", "text": self.text}] if self.text else []
        return {"role": self.role, "content": [*text, *map(_picture, self.pictures)]}


@frozen(kw_only=True)
class Budget:
    """``tokens`` for the prompt, as the model counts them; ``rate`` is how many of its tokens one of ours is."""

    tokens: float
    rate: float = 1.0

    def cost(self, line: Line) -> float:
        tokens = len(line.text) / CHARS_PER_TOKEN + LINE_TOKENS + len(line.pictures) * PICTURE_TOKENS
        return tokens * self.rate


def conversation(request: ForwardedRequest) -> list[Line]:
    """What was said in the room, or what the question brings with it, as far as it is to be answered; the line to
    be answered is the last one. Nothing where nothing was said."""
    own = _own(request)
    if own is not None:
        return brought(own["messages"])
    return [each for each in _conversation(request) if each.text]


def _conversation(request: ForwardedRequest) -> list[Line]:
    match request.request_type:
        case "continue" if request.about:
            return [*_lines(_until(request.context, request.about)), Line("user", GO_ON)]
        case "impersonate":
            name = asker(request)
            wish = f"{SPEAK_FOR.format(name=name)}\n{request.text}".strip()
            return [*_lines(request.context), Line("user", wish)]
        case "regenerateMessage" if request.question is not None:
            said = request.question.said
            earlier = [each for each in _until(request.context, said.message_id) if each.message_id != said.message_id]
            return [*_lines(earlier), Line("user", request.text, _name(said))]
    if request.question is None:
        return [*_lines(request.context), Line("user", request.text)]
    words = {request.question.request_id, *request.question.merged}
    asked = [each for each in request.context if not each.is_response and each.request_id in words]
    others = [each for each in request.context if each not in asked]
    if request.question.said.message_id in {each.message_id for each in asked}:
        return _lines([*others, *asked])
    return [*_lines(others), Line("user", request.text, _name(request.question.said))]


def asker(request: ForwardedRequest) -> str:
    """The name of who asks."""
    return _name(request.question.said) if request.question is not None else "the user"


def wishes(request: ForwardedRequest) -> Any:
    """Its ``options``, as they came."""
    own = _own(request)
    if own is not None:
        return own.get("options")
    return None if request.question is None else request.question.said.extra.get("options")


def brought(messages: Iterable[Spoken]) -> list[Line]:
    """The lines of a question that brings its own conversation; of what it holds, the texts and pictures alone."""
    lines = (
        Line(_ROLES.get(each["role"], "user"), text_of(each["content"]), pictures=pictures_of(each["content"]))
        for each in messages
    )
    return [line for line in lines if line.text or line.pictures]


def prompt(lines: Sequence[Line], system: str, after: str, budget: Budget, *, halved: bool = False) -> list[Line]:
    """The lines that fit, from the newest back; system lines and the last one stay in any case.

    :param system: comes first, unless the lines have a system line of their own. :param after: comes last but one.
    :param halved: only half of what was thought to fit.
    """
    own = [each for each in lines if each.role == "system"]
    talk = _named([each for each in lines if each.role != "system"])
    head = own or ([Line("system", system)] if system else [])
    tail = [Line("system", after)] if after else []
    left = budget.tokens - sum(map(budget.cost, [*head, *tail, *talk[-1:]]))
    earlier = _newest(talk[:-1], left, budget)
    if halved:
        earlier = _newest(earlier, sum(map(budget.cost, earlier)) / 2, budget)
    return [*head, *_turns([*earlier, *talk[-1:]]), *tail]


def estimated(lines: Iterable[Line]) -> float:
    """Tokens, as we count them."""
    budget = Budget(tokens=0)
    return sum(map(budget.cost, lines))


def calibrated(rate: float, estimate: float, counted: int) -> float:
    """The next ``Budget.rate``, after a prompt of so many tokens was counted by its model. Rises at once, falls slowly:
    a prompt that is too long fails."""
    if estimate <= 0 or counted <= 0:
        return rate
    seen = min(max(counted / estimate, 0.25), 4.0)
    return seen if seen > rate else rate + (seen - rate) / 8


def options_of(wanted: Any, max_tokens: int) -> dict[str, Any]:
    """What of somebody's wishes a model server is told; ``max_tokens`` is never more than this. Total."""
    found = read_options(wanted) if isinstance(wanted, Mapping) else {}
    return {**found, "max_tokens": min(found.get("max_tokens", max_tokens), max_tokens)}


# ---------------------------------------------------------------------------------------------------------- internals


def _picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _own(request: ForwardedRequest) -> Mapping[str, Any] | None:
    """What a question brings that does not belong to its room (B5): everything that is to be known of it."""
    said = None if request.question is None else request.question.said
    return said.data if said is not None and said.origin == BRINGS and isinstance(said.data, Mapping) else None


def _until(context: Sequence[Message], message_id: str) -> Sequence[Message]:
    """Up to that message; all of it where that is not there."""
    place = next((at for at, each in enumerate(context) if each.message_id == message_id), len(context) - 1)
    return context[: place + 1]


def _lines(messages: Iterable[Message]) -> list[Line]:
    """What people and models said; of several answers to a question the one that counts."""
    said = (each for each in messages if each.text and not each.is_system and each.selected is not False)
    return [Line("assistant", each.text) if each.is_response else Line("user", each.text, _name(each)) for each in said]


def _name(message: Message) -> str:
    return message.name or message.identity


def _named(lines: Sequence[Line]) -> list[Line]:
    """Where more than one person speaks, each line says who."""
    if len({each.who for each in lines if each.who}) < 2:
        return list(lines)
    return [each._replace(text=f"{each.who}: {each.text}") if each.who else each for each in lines]


def _newest(lines: Sequence[Line], tokens: float, budget: Budget) -> Sequence[Line]:
    """The longest end of it that fits."""
    for at in range(len(lines) - 1, -1, -1):
        tokens -= budget.cost(lines[at])
        if tokens < 0:
            return lines[at + 1 :]
    return lines


def _turns(lines: Sequence[Line]) -> list[Line]:
    """Neighbours of one role as one line; a user begins."""
    found: list[Line] = []
    for each in lines:
        if found and found[-1].role == each.role:
            last = found[-1]
            text = "\n".join(filter(None, (last.text, each.text)))
            found[-1] = each._replace(text=text, pictures=last.pictures + each.pictures)
        else:
            found.append(each)
    return [Line("user", BEGINS), *found] if found and found[0].role == "assistant" else found
