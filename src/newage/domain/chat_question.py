"""What a chat program asks of a model: OpenAI's chat completion, read member by member, and what is done with it.

Whatever else it sends is not looked at: tools, log probabilities and the like change nothing here (B18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final

from attrs import field, frozen

from newage.domain.model import read_only
from newage.domain.pictures import PICTURE_TOKENS, pictures_of
from newage.errors import InvalidRequest

CHARS_PER_TOKEN: Final = 3.35  # where a model server does not count

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_NUMBERS: Final = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}
_STOPS: Final = 16
_STOP_CHARS: Final = 128
_LARGEST: Final = 2**53 - 1  # that every program keeps as an integer

Spoken = Mapping[str, Any]  # one message: role, content, and its name if it has one


@frozen(kw_only=True)
class ChatQuestion:
    """One question. ``messages`` are all that was said, oldest first; ``options`` those that have a meaning here.

    ``usage``: a stream is to end with it. ``user``: whom the program says that it speaks for, which gives no right.
    """

    model: str
    messages: tuple[Spoken, ...] = field(repr=False)
    options: Mapping[str, Any] = field(factory=dict, converter=read_only)
    stream: bool = False
    usage: bool = False
    user: str = ""

    @property
    def text(self) -> str:
        """What is to be answered: the last that the user said, else the last of all."""
        said = [each for each in self.messages if each["role"] == "user"] or self.messages
        return text_of(said[-1]["content"])

    @property
    def news(self) -> str:
        """What the user has said since the last answer; "" for nothing: all that a room has not heard yet."""
        news: list[str] = []
        for each in reversed(self.messages):
            if each["role"] == "assistant":
                break
            if each["role"] == "user":
                news.append(text_of(each["content"]).strip())
        return "\n\n".join(text for text in reversed(news) if text)

    @property
    def pictures(self) -> bool:
        """Whether there is anything in it but text."""
        return any(not isinstance(each["content"], str) for each in self.messages)

    @property
    def tokens(self) -> int:
        """About how many there are of it."""
        said = [each["content"] for each in self.messages]
        shown = sum(len(pictures_of(each)) for each in said)
        return estimated_tokens(sum(len(text_of(each)) for each in said)) + shown * PICTURE_TOKENS


def estimated_tokens(chars: int) -> int:
    """How many tokens text of that length may be."""
    return -(-int(chars * 100) // int(CHARS_PER_TOKEN * 100))


def text_of(content: str | Sequence[Mapping[str, Any]]) -> str:
    """The text among the parts of a message."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def parse_chat(body: Mapping[str, Any], most_messages: int) -> ChatQuestion:
    """:raises InvalidRequest: in words."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("messages has to be a list of at least one message.")
    if len(messages) > most_messages:
        raise InvalidRequest(f"There are too many messages: {most_messages} at most.")
    said = tuple(one for one in map(_spoken, messages) if one is not None)
    if not said:
        raise InvalidRequest("There is no message with any content.")
    return _question(body, said)


def parse_completion(body: Mapping[str, Any]) -> ChatQuestion:
    """The legacy form: a prompt is one message of the user.

    :raises InvalidRequest: in words.
    """
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise InvalidRequest("prompt has to be a text.")
    return _question(body, ({"role": "user", "content": prompt},))


def _question(body: Mapping[str, Any], messages: tuple[Spoken, ...]) -> ChatQuestion:
    model, n, more = body.get("model"), body.get("n"), body.get("stream_options")
    if not isinstance(model, str) or not model:
        raise InvalidRequest("model has to be the name of one; GET /v1/models lists them.")
    if n is not None and (isinstance(n, bool) or n != 1):
        raise InvalidRequest("One answer at a time: n has to be 1.")
    user = body.get("user")
    return ChatQuestion(
        model=model,
        messages=messages,
        options=read_options(body),
        stream=body.get("stream") is True,
        usage=isinstance(more, dict) and more.get("include_usage") is True,
        user=user if isinstance(user, str) else "",
    )


def _spoken(one: Any) -> Spoken | None:
    """None for what says nothing, as the call of a tool."""
    if not isinstance(one, dict):
        raise InvalidRequest("Each of messages has to be an object.")
    role, name = one.get("role"), one.get("name")
    if not isinstance(role, str) or role not in _ROLES:
        raise InvalidRequest("The role of a message has to be system, developer, user, assistant or tool.")
    content = _content(one.get("content"))
    if not content:
        return None
    found = {"role": "tool" if role == "function" else role, "content": content}
    return {**found, "name": name} if isinstance(name, str) and name else found


def _content(content: Any) -> str | list[dict[str, Any]]:
    """Text as one text; parts stay parts only where one is a picture."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise InvalidRequest("The content of a message has to be a text or a list of parts.")
    parts = [_part(part) for part in content]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "input_text", "refusal"):
        text = part.get("text" if kind != "refusal" else "refusal")
        return {"type": "text", "text": text if isinstance(text, str) else ""}
    if kind == "image_url":
        picture = part.get("image_url")
        url = picture.get("url") if isinstance(picture, dict) else picture
        if isinstance(url, str) and url:
            return {"type": "image_url", "image_url": {"url": url}}
    raise InvalidRequest("A part of a message has to be text, or a picture with its url.")


def read_options(body: Mapping[str, Any]) -> dict[str, Any]:
    """These members by name, typed and in range, and nothing else of what was sent (B18). Total."""
    found: dict[str, Any] = {}
    for name, (least, most) in _NUMBERS.items():
        value = _number(body.get(name))
        if value is not None:
            found[name] = min(most, max(least, value))
    seed = _number(body.get("seed"))
    if isinstance(seed, int) and 0 <= seed <= _LARGEST:
        found["seed"] = seed
    named = (_number(body.get(name)) for name in ("max_completion_tokens", "max_tokens"))
    tokens = next((value for value in named if value is not None), None)
    if tokens is not None and 1 <= tokens <= _LARGEST:
        found["max_tokens"] = int(tokens)
    stop = body.get("stop")
    stops = [each for each in (stop if isinstance(stop, list) else [stop]) if _is_stop(each)][:_STOPS]
    if stops:
        found["stop"] = stops
    if isinstance(body.get("response_format"), dict):
        found["response_format"] = body["response_format"]
    return found


def _number(value: object) -> int | float | None:
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _STOP_CHARS
