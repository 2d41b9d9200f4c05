"""All timers of a question and its answer in one place: each outlasts what it waits for (contract 15.2, A32).

The hub waits longer than an extension, that longer than what it asks: so whoever knows best why there is no answer is
the first to say so. The hub's are settings; the extension's are those of our own, the reference one has none.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from newage.config.tables import Config

UNITS = {"_seconds": 1.0, "_ms": 0.001}


@frozen
class Timer:
    """``keys`` are settings of the hub, as ``table.key``; ``extension`` is how long that waits, in seconds."""

    waits_for: str
    keys: tuple[str, ...]
    extension: float | None = None

    def hub(self, config: Config) -> list[tuple[str, float]]:
        """Its settings and their values in seconds."""
        return [(key, seconds(config, key)) for key in self.keys]


TIMERS = (
    Timer("a host, for what is queued; a turn", ("requests.queue_ttl_seconds",)),
    Timer("a first sign of an extension that never answered", ("requests.extension_first_sign_seconds",), 20),
    Timer("any sign of a request; an answer without a label", ("requests.llm_request_timeout_seconds",), 120),
    Timer("the oldest of several in a room", ("requests.extension_silence_seconds",), 120),
    Timer("the first token, where another extension may be asked", ("requests.first_token_ms",), 120),
    Timer("the next token of an output", ("streams.output_idle_seconds",), 45),
    Timer("quiet of one that was told to stop", ("requests.cancel_quiet_ms",)),
    Timer(
        "one that was too busy",
        ("requests.busy_retry_least_ms", "requests.busy_retry_ms", "requests.busy_retry_most_ms"),
    ),
    Timer("more after an END", ("streams.stream_idle_finalize_ms",)),
    Timer("late packets", ("requests.request_tail_seconds", "streams.output_tail_seconds")),
    Timer("an extension that has just gone", ("sessions.extension_resume_grace_ms", "sessions.extension_grace_ms"), 5),
    Timer("what one that is back says of before", ("requests.extension_settle_ms",)),
)
# Which must be longer than which, beyond the extension's: else one is over before the other could be.
LONGER = (
    ("requests.queue_ttl_seconds", "requests.llm_request_timeout_seconds"),
    ("requests.queue_ttl_seconds", "requests.busy_retry_most_ms"),
    ("requests.busy_retry_most_ms", "requests.busy_retry_ms"),
    ("requests.busy_retry_ms", "requests.busy_retry_least_ms"),
    ("requests.llm_request_timeout_seconds", "requests.extension_silence_seconds"),
    ("requests.llm_request_timeout_seconds", "requests.extension_first_sign_seconds"),
    ("requests.llm_request_timeout_seconds", "requests.first_token_ms"),
    ("requests.extension_silence_seconds", "streams.output_idle_seconds"),
    ("streams.output_idle_seconds", "streams.stream_idle_finalize_ms"),
    ("streams.output_tail_seconds", "streams.stream_idle_finalize_ms"),
    ("requests.llm_request_timeout_seconds", "sessions.extension_resume_grace_ms"),
    ("sessions.extension_grace_ms", "requests.extension_settle_ms"),
)


def seconds(config: Config, key: str) -> float:
    """The value of ``table.key``; its unit is in its name."""
    table, _, name = key.partition(".")
    value: float = getattr(getattr(config, table), name)
    return value * next(factor for unit, factor in UNITS.items() if name.endswith(unit))


def out_of_order(config: Config) -> Iterator[str]:
    """What is not longer than what it waits for, one line each. A timer of 0 is none."""
    for timer in TIMERS:
        for key, lasts in timer.hub(config):
            if timer.extension is not None and 0 < lasts <= timer.extension:
                yield f"{key}: {lasts:g} s is not longer than an extension takes, {timer.extension:g} s"
    for longer, shorter in LONGER:
        lasts, other = seconds(config, longer), seconds(config, shorter)
        if 0 < lasts <= other:
            yield f"{longer}: {lasts:g} s is not longer than {shorter}, {other:g} s"
