"""One model server of the configuration: ``[upstream.NAME]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen

from newage.domain.secret import Secret
from newage.settings import limit, members, switch, text

CHAT: Final = "/chat/completions"
_OURS: Final = frozenset({"model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens"})
NO_KEY: Final = Secret()
_DAY: Final = "no limit"


def base_url(value: str) -> None:
    """:raises ValueError: not the base of an API over HTTP, or it holds what does not belong into it."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or not value.isascii() or not value.isprintable():
        raise ValueError('must be like "http://127.0.0.1:8080/v1"')
    if parts.username or parts.password or parts.query or parts.fragment or " " in value:
        raise ValueError("must hold no user, no query and no fragment; keys are told by key_file or the environment")
    try:
        parts.port  # noqa: B018 (raises where it is none)
    except ValueError:
        raise ValueError("must have a port of 1 to 65535, if any") from None


def _model_options(value: Mapping[str, Any]) -> None:
    for name in value:
        if name in _OURS:
            raise ValueError(f"must not hold {name}, which the hub says itself")


@frozen(kw_only=True)
class UpstreamSettings:
    """A model server that speaks OpenAI's API: rooms are answered by it, it is the model ``llm:NAME`` of ``/v1``."""

    url: str = text(
        "http://127.0.0.1:8080/v1", "base of its API, without /chat/completions", empty=False, check=base_url
    )
    model: str = text("default", "the model, as the server calls it", empty=False)
    key_file: str = text(
        "", "file with the key, for the hub's user alone (mode 0600); relative to the home. Empty: see key_env"
    )
    key_env: str = text("", "environment variable with the key. Empty: NEWAGE_UPSTREAM_<NAME>_KEY, if there is one")
    context_tokens: int = limit(8192, "tokens of prompt and answer together that the model takes", least=256)
    max_tokens: int = limit(1024, "tokens of one answer; nobody may ask for more")
    max_tokens_member: str = text(
        "max_tokens",
        "how the server calls that; newer models of OpenAI want max_completion_tokens",
        among=("max_tokens", "max_completion_tokens"),
    )
    system_prompt: str = text("", "what the model is told before every conversation")
    character: str = text(
        "", "a card of the home's characters/, by its file's name without the ending, as which it answers"
    )
    options: Mapping[str, Any] = members("further members of every request, such as temperature", check=_model_options)
    pictures: bool = switch(False, "the model takes pictures; it is shown those in questions by /v1")
    local_keyless: bool = switch(False, "programs of this machine may use it by /v1 without a key")
    capacity: int = limit(4, "answers at once; further requests wait for their turn")
    first_byte_seconds: float = limit(115.0, "seconds until the server says something")
    between_seconds: float = limit(60.0, "seconds between two signs of it")
    total_seconds: float = limit(900.0, "seconds of one answer")
    wait_seconds: float = limit(
        10.0,
        "a busy server is asked once more if its Retry-After is not longer, and no other may be asked",
        zero="never",
    )
    max_answer_bytes: int = limit(1_048_576, "bytes of text and reasoning of one answer")
    requests_per_day: int = limit(0, "requests in 24 hours", zero=_DAY)
    tokens_per_day: int = limit(0, "tokens of prompts and answers in 24 hours", zero=_DAY)
    requests_per_day_each: int = limit(0, "requests of one client in 24 hours", zero=_DAY)
    tokens_per_day_each: int = limit(0, "tokens of one client in 24 hours", zero=_DAY)

    @property
    def endpoint(self) -> str:
        return self.url.rstrip("/") + CHAT

    @property
    def origin(self) -> str:
        """Where it is, to be shown."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@frozen(kw_only=True)
class Upstream:
    """One of them, by name, and the key that it wants; an empty one where it wants none."""

    name: str
    settings: UpstreamSettings
    key: Secret = NO_KEY
