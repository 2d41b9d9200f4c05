"""Limits and times of LLM requests (contract 5.3, 5.4; A32)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.correlation import Patience
from newage.settings import limit


@frozen(kw_only=True)
class RequestSettings:
    """Limits and times of requests.

    How the times relate to others is in ``config/timers.py``.
    """

    llm_request_timeout_seconds: int = limit(600, "a request without activity expires after it")
    request_tail_seconds: int = limit(60, "late chunks of a finished request are still taken")
    extension_silence_seconds: int = limit(
        180, "an unlabelled answer skips requests silent for longer while a newer one waits"
    )
    extension_first_sign_seconds: int = limit(
        60, "a request fails without any sign for so long from an extension that has not answered yet"
    )
    first_token_ms: int = limit(
        150_000, "a request that may go to another extension does, without a token for so long from the one that has it"
    )
    extension_settle_ms: int = limit(500, "an extension that comes back is asked again after it", least=0)
    cancel_quiet_ms: int = limit(
        2000, "an extension that cannot say that it stopped gets its next request when it was quiet for so long"
    )
    busy_retry_ms: int = limit(
        2000, "an extension that was too busy, and does not say for how long, is asked again after it"
    )
    busy_retry_least_ms: int = limit(500, "one that says so is asked again after as much, at the soonest")
    busy_retry_most_ms: int = limit(60_000, "and after as much, at the latest")
    max_busy: int = limit(100, "times that an extension may be too busy for a request, which fails then")
    max_live_requests: int = limit(1000, "requests at once")
    max_live_requests_per_identity: int = limit(100, "requests of one identity at once")
    request_rate: int = limit(30, "requests of one identity in 10 seconds")
    request_bytes_rate: int = limit(1_048_576, "bytes of the requests of one identity in 10 seconds")
    max_request_bytes: int = limit(262_144, "bytes of a request's text, data and further members as JSON")
    extension_max_in_flight: int = limit(
        1, "requests at once of an extension that declares no capacity", zero="any number"
    )
    resume_requests: int = limit(64, "requests in one RESUME_OUTPUTS")
    max_notices_per_identity: int = limit(100, "what became of requests, kept for one identity that is away")
    max_notices: int = limit(10_000, "of these, for all together")
    queue_size: int = limit(100, "queued requests of a room in Default mode")
    queue_size_per_identity: int = limit(20, "of these, from one identity")
    queue_ttl_seconds: int = limit(3600, "a queued request expires after it")

    @property
    def patience(self) -> Patience:
        return Patience(
            first_sign=self.extension_first_sign_seconds,
            timeout=self.llm_request_timeout_seconds,
            silence=self.extension_silence_seconds,
        )
