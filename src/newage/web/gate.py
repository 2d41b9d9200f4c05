"""Judges every request at the door: who sent it, and whether it may come in; says so in the log (contract 2.12, B1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger, LogLevel

from newage.telemetry.quota import LogQuota, left_out
from newage.telemetry.refusals import Refusals
from newage.web.claims import Claims, claims_of
from newage.web.owner import OwnerLookup, Ownership, is_open, system_lookup
from newage.web.peer import FOREIGN_HOST, Judgement, PeerJudge

if TYPE_CHECKING:
    from twisted.web.http import Request

    from newage.domain.model import Peer

_log = Logger()

_MAX_JUDGED: Final = 256  # characters of the headers whose judgement is remembered
_LINES_PER_SECOND: Final = 5  # of local sockets whose peers count as remote
_NAVIGATES: Final = (b"navigate", b"document")  # Sec-Fetch-Mode and -Dest of a page that is opened in a tab
PROBE: Final = "newage-self"  # the query key of the hub's question to itself (selfcheck.py)


class Gate:
    """One for a site, whatever its number of paths.

    :param now: a clock in seconds, for the number of lines in the log.
    :param lookup: tells whose a loopback connection is.
    :param refusals: tells who was turned away, and why.
    """

    def __init__(
        self,
        judge: PeerJudge,
        now: Callable[[], float],
        lookup: OwnerLookup | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._lookup = lookup or system_lookup()
        self.refusals = refusals or Refusals(now)
        self._dissents = LogQuota(_LINES_PER_SECOND, now)
        self._expected: tuple[bytes, Callable[[bool], None]] | None = None
        self._use(judge)

    def _use(self, judge: PeerJudge) -> None:
        self._judge = judge
        self._remembered = lru_cache(maxsize=1_024)(judge.judge)

    def act_behind_proxy(self) -> None:
        """From now on nobody is local whom a proxy does not call so."""
        self._use(self._judge.behind_proxy())

    def judge(self, request: Request) -> Judgement:
        """Who sent this request for Engine.IO, and whether it may come in."""
        claims = claims_of(request)
        judgement = self._judged(claims)
        if not judgement.refusal and (why := self._judge.refuses_session(claims)):
            judgement = judgement._replace(refusal=why)
        if judgement.refusal:
            self._refused(claims, judgement.refusal)
        elif judgement.loopback:
            ours, theirs = request.getHost(), request.client
            still = partial(is_open, request.channel.transport)
            owned = Ownership((ours.host, ours.port), (theirs.host, theirs.port), self._lookup, still)
            return judgement._replace(peer=judgement.peer._replace(owned=owned))
        return judgement

    def admits(self, request: Request, *, module: bool = False) -> bool:
        """Whether a request for anything else may come in: one rule with Engine.IO's, and two exceptions.

        Any page may send a visitor to one of ours, and may load what is meant to be loaded; its Host has to be ours all
        the same. Who sends no Host, as HTTP/1.0 permits, is no browser and cannot be rebound.

        :param module: it asks for a client bundle, or for a module under ``/lib``.
        """
        claims = claims_of(request)
        why = self._judged(claims).refusal
        if (
            not why
            or (why is FOREIGN_HOST and not claims.hosts)
            or (why is not FOREIGN_HOST and (module or _opens_page(request)))
        ):
            return True
        self._refused(claims, why)
        return False

    def is_private(self, request: Request) -> bool:
        """Whether nobody on the way can change the answer: it stays on this machine, or goes over TLS."""
        claims = claims_of(request)
        if request.isSecure() or self._judged(claims).loopback:
            return True
        schemes = request.requestHeaders.getRawHeaders(b"X-Forwarded-Proto") or []
        return self._judge.is_proxy(claims.address) and [each.strip().lower() for each in schemes] == [b"https"]

    def share(self, request: Request) -> None:
        """Let the page that sent a request, which was let in, read the answer (CORS)."""
        headers = request.responseHeaders
        headers.setRawHeaders(b"Vary", [b"Origin"])
        claims = claims_of(request)
        origin = self._judge.names(claims)
        if origin is not None and not self._judged(claims).refusal:
            headers.setRawHeaders(b"Access-Control-Allow-Origin", [origin])

    def _judged(self, claims: Claims) -> Judgement:
        return self._remembered(claims) if claims.size <= _MAX_JUDGED else self._judge.judge(claims)

    def followed(self, before: Peer, judgement: Judgement) -> Peer:
        """The peer of one more request of a session; the owner is asked of whichever of its sockets is open."""
        now = judgement.peer
        if isinstance(before.owned, Ownership) and isinstance(now.owned, Ownership):
            return now._replace(owned=now.owned.after(before.owned))
        return now

    def opened(self, judgement: Judgement) -> None:
        """A session begins; if somebody on a local socket counts as remote in it, the operator reads why."""
        if judgement.dissent and (unsaid := self._dissents.take()) is not None:
            _log.info(
                "a peer on the local socket {address} counts as remote: {why}{unsaid}",
                address=judgement.peer.address,
                why=judgement.dissent,
                unsaid=left_out(unsaid),
            )

    def expect(self, nonce: str, told: Callable[[bool], None]) -> None:
        """A request with this value of ``PROBE`` is the hub's own, sent by the address that people use.

        :param told: called once, with whether it came by a proxy and yet looks local.
        """
        self._expected = nonce.encode(), told

    def expect_nothing(self) -> bool:
        """:return: whether a request was still expected."""
        expected, self._expected = self._expected, None
        return expected is not None

    def recognises(self, request: Request, judgement: Judgement) -> bool:
        """Whether this is the request that is expected."""
        if self._expected is None:
            return False
        nonce, told = self._expected
        if not any(compare_digest(nonce, value) for value in request.args.get(PROBE.encode(), ())):
            return False
        self._expected = None
        # Without a proxy it comes from the very address it went to, and not from loopback under a name of loopback.
        direct = request.client.host == request.getHost().host and not judgement.loopback
        told(judgement.peer.local and not direct)
        return True

    def _refused(self, claims: Claims, why: str) -> None:
        self.refusals.tell("403", claims.address, why, of=", ".join(claims.hosts), level=LogLevel.warn)


def _opens_page(request: Request) -> bool:
    headers = request.requestHeaders
    said = tuple((headers.getRawHeaders(name) or [b""])[0] for name in (b"Sec-Fetch-Mode", b"Sec-Fetch-Dest"))
    return request.method in (b"GET", b"HEAD") and said == _NAVIGATES
