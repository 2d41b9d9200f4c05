"""One receiver of the configuration: ``[webhook.NAME]``."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from newage.domain.secret import Secret
from newage.domain.webhooks import EVENTS, MESSAGE_CREATED, OF_ROOMS, RESPONSE_COMPLETED, signing_key
from newage.settings import limit, switch, text, texts

DAY: Final = 86_400.0


def _address(value: str) -> None:
    """:raises ValueError: nothing can be sent there, or it holds what does not belong into it."""
    if not value:
        return  # by default; ``whole`` refuses it
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or not value.isascii() or not value.isprintable():
        raise ValueError('must be like "https://bot.example/hook"')
    if parts.username or parts.password or parts.fragment or " " in value:
        raise ValueError("must hold no user and no fragment; what is sent is signed with the secret")
    try:
        parts.port  # noqa: B018 (raises where it is none)
    except ValueError:
        raise ValueError("must have a port of 1 to 65535, if any") from None


def _events(value: tuple[str, ...]) -> None:
    for each in value:
        if each not in EVENTS:
            raise ValueError(f"must be of {', '.join(EVENTS)}, not {each[:60]!r}")


@frozen(kw_only=True)
class WebhookSettings:
    """A receiver that is told by POST what happens, signed as Standard Webhooks; see docs/webhooks.md."""

    url: str = text("", "where it is told; needed", check=_address)
    secret_file: str = text(
        "", "file with the secret, for the hub's user alone (mode 0600); relative to the home. Empty: see secret_env"
    )
    secret_env: str = text("", "environment variable with the secret. Empty: NEWAGE_WEBHOOK_<NAME>_SECRET")
    events: tuple[str, ...] = texts(
        (MESSAGE_CREATED, RESPONSE_COMPLETED), "what it is told; of " + ", ".join(EVENTS), check=_events
    )
    rooms: tuple[str, ...] = texts((), "the rooms of which it is told, each by its name; of no other one")
    with_texts: bool = switch(True, "what was said is told, too; else only that, where and by whom")
    max_queue: int = limit(10_000, "events that may wait for it; beyond, further ones are left out", most=1_000_000)
    timeout_seconds: float = limit(20.0, "seconds until it has answered", most=120.0)
    retry_first_seconds: float = limit(5.0, "seconds after the first failure; twice as many after each further one")
    retry_most_seconds: float = limit(3600.0, "seconds between two tries at most, unless it asks for more")
    retry_after_most_seconds: float = limit(DAY, "seconds that it may ask for by Retry-After")
    give_up_seconds: float = limit(3 * DAY, "seconds of the hub's running time after which an event is given up")


@frozen(kw_only=True)
class Webhook:
    """One of them, by name, with the secret that it is signed with."""

    name: str
    settings: WebhookSettings
    secret: Secret = field(repr=False)

    @property
    def origin(self) -> str:
        """Where it is, to be shown: a path may be as good as a key."""
        parts = urlsplit(self.settings.url)
        return f"{parts.scheme}://{parts.netloc}"

    def wants(self, event: str, room: str = "") -> bool:
        """:param room: the name of that which it is of; one that is not named is never told of."""
        return event in self.settings.events and (event not in OF_ROOMS or room in self.settings.rooms)


def whole(name: str, settings: WebhookSettings, secret: Secret | None) -> Webhook:
    """:raises ValueError: something is missing, or the secret is none; never with what is in it."""
    if not settings.url:
        raise ValueError("needs a url")
    if any(each in OF_ROOMS for each in settings.events) and not settings.rooms:
        raise ValueError('names no rooms; say of which it is told, as in rooms = ["lobby"]')
    if secret is None:
        variable = f"NEWAGE_WEBHOOK_{name.upper().replace('-', '_')}_SECRET"
        raise ValueError(f"needs a secret: secret_file, secret_env or {variable}")
    try:
        signing_key(secret.reveal())
    except ValueError as error:
        raise ValueError(f"the secret {error}") from None
    return Webhook(name=name, settings=settings, secret=secret)
