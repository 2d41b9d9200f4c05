"""Limits of what programs ask over HTTP (``/v1``, ``/api/v1``)."""

from __future__ import annotations

from attrs import frozen

from newage.settings import limit, switch


@frozen(kw_only=True)
class ApiSettings:
    """Who may ask over HTTP, and how much at once."""

    local_without_key: bool = switch(
        True, "programs of this machine may use /v1 without a key where network_safe is on, for models without a state"
    )
    requests_per_minute: int = limit(60, "questions of one key, and of one client by all its keys, in a minute")
    requests_at_once: int = limit(16, "of these, at once")
    tokens_per_day: int = limit(
        2_000_000, "tokens of questions and answers of one key, and of one client, in a day", zero="any number"
    )
    max_messages: int = limit(2000, "messages in one question of a chat program")
    max_tokens: int = limit(8192, "tokens of an answer that a program may ask for; more is lowered to it")
    whole_answer_seconds: float = limit(570.0, "in which an answer that is not streamed is there")
    max_picture_bytes: int = limit(700_000, "bytes of a picture in a question; max_body_bytes bounds them together")
    keep_alive_seconds: float = limit(15.0, "between two times that a stream says that the hub is there")
    stall_seconds: float = limit(60.0, "in which a reader of a stream who takes nothing is cut")
    max_body_bytes: int = limit(1_000_000, "a request body of /v1 and /api/v1")

    # /api/v1
    visits_per_minute: int = limit(600, "requests of one client to it in a minute, questions and reading alike")
    idempotency_keys: int = limit(100, "of one client, the newest, whose answers are remembered")
    idempotency_seconds: float = limit(86_400.0, "in which what comes again under an Idempotency-Key is not done again")
    events_at_once: int = limit(16, "requests of one identity at once, beyond which it opens no stream of /api/v1")
