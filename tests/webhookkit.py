"""A receiver outside, played: what it was sent, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from newage.domain.secret import Secret
from newage.domain.webhooks import Said
from newage.ports import IPoster
from newage.services.webhooks.settings import Webhook, WebhookSettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://bot.test/hook"


def webhook(name: str = "bot", **settings: Any) -> Webhook:
    told: dict[str, Any] = {"url": URL, "rooms": ("den",), **settings}
    return Webhook(name=name, settings=WebhookSettings(**told), secret=Secret(SECRET))


@define
class Sent:
    url: str
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@implementer(IPoster)
@define(eq=False)
class PlayedPoster:
    """``answers`` are those of the next posts, then 200; ``held``: it says nothing until ``answer``."""

    sent: list[Sent] = field(factory=list)
    answers: list[Said] = field(factory=list)
    held: bool = False
    waiting: list[Deferred[Said]] = field(factory=list)
    taken_back: int = 0

    def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Deferred[Said]:
        self.sent.append(Sent(url, headers, body, seconds))
        if self.held:
            self.waiting.append(Deferred(self._take_back))
            return self.waiting[-1]
        return succeed(self.answers.pop(0) if self.answers else Said(200))

    def answer(self, said: Said | None = None) -> None:
        self.waiting.pop(0).callback(said or Said(200))

    def _take_back(self, d: Deferred[Said]) -> None:
        self.taken_back += 1
        self.waiting.remove(d)

    @property
    def events(self) -> list[str]:
        return [each.told["type"] for each in self.sent]
