"""What a receiver of the configuration may be."""

from __future__ import annotations

from typing import Any

import pytest

from newage.domain.secret import Secret
from newage.services.webhooks.settings import WebhookSettings, whole
from webhookkit import SECRET, webhook


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"url": "ftp://x"}, "must be like"),
        ({"url": "http://"}, "must be like"),
        ({"url": "http://x/\n"}, "must be like"),
        ({"url": "http://x\u00e4"}, "must be like"),
        ({"url": "http://me:secret@x"}, "no user"),
        ({"url": "http://x#y"}, "no user"),
        ({"url": "http://x/a b"}, "no user"),
        ({"url": "http://x:99999"}, "port"),
        ({"events": ("message.deleted",)}, "must be of message.created"),
        ({"max_queue": 0}, "1"),
        ({"timeout_seconds": 500}, "120"),
    ],
)
def test_mistakes(members: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        WebhookSettings(**members)


@pytest.mark.parametrize(
    ("members", "secret", "words"),
    [
        ({}, SECRET, "needs a url"),
        ({"url": "http://x"}, SECRET, "names no rooms"),
        ({"url": "http://x", "rooms": "den"}, None, "needs a secret"),
        ({"url": "http://x", "rooms": "den"}, "tooshort", "the secret must be 16 bytes"),
        ({"url": "http://x", "rooms": "den"}, "whsec_\u00f6", "the secret must be base64"),
    ],
)
def test_what_is_missing(members: dict[str, Any], secret: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        whole("my-bot", WebhookSettings(**members), None if secret is None else Secret(secret))
    assert "tooshort" not in str(caught.value)


def test_what_it_wants() -> None:
    bot = webhook(events=("message.created", "session.connected"))
    assert bot.wants("message.created", "den")
    assert not bot.wants("message.created", "lobby")
    assert not bot.wants("message.created")
    assert not bot.wants("response.completed", "den")
    assert bot.wants("session.connected")


def test_what_is_shown_of_its_address() -> None:
    assert webhook(url="https://x.test:8443/services/T0/SECRET?a=b").origin == "https://x.test:8443"
    assert SECRET not in repr(webhook())
