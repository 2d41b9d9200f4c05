"""Judges every request at the door: who sent it, and whether it may come in; says so in the log (contract 2.12, B1)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from newage.telemetry.quota import LogQuota
from newage.web.claims import Claims, claims_of
from newage.web.owner import OwnerLookup, Ownership, is_open, system_lookup
from newage.web.peer import FOREIGN_HOST, Judgement, PeerJudge

if TYPE_CHECKING:
    from twisted.web.http import Request

    from newage.domain.model import Peer

_log = Logger()

_MAX_JUDGED: Final = 256  # characters of the headers whose judgement is remembered
_LINES_PER_SECOND: Final = 5
PROBE: Final = "newage-self"  # the query key of the hub's question to itself (selfcheck.py)


class Gate:
    """One for a site, whatever its number of paths.

    :param now: a clock in seconds, for the number of lines in the log.
    :param lookup: tells whose a loopback connection is.
    """

    def __init__(self, judge: PeerJudge, now: Callable[[], float], lookup: OwnerLookup | None = None) -> None:
        self._lookup = lookup or system_lookup()
        self._refusals = LogQuota(_LINES_PER_SECOND, now)
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
        """Who sent this request, and whether it may come in."""
        claims = claims_of(request)
        judgement = self._remembered(claims) if claims.size <= _MAX_JUDGED else self._judge.judge(claims)
        if judgement.refusal:
            self._refused(claims, judgement.refusal)
        elif judgement.loopback:
            ours, theirs = request.getHost(), request.client
            still = partial(is_open, request.channel.transport)
            owned = Ownership((ours.host, ours.port), (theirs.host, theirs.port), self._lookup, still)
            return judgement._replace(peer=judgement.peer._replace(owned=owned))
        return judgement

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
                unsaid=_more(unsaid),
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

    def names_us(self, request: Request) -> bool:
        """Whether the Host of a request for a file is ours: one rule with Socket.IO, against DNS rebinding."""
        claims = claims_of(request)
        if self._judge.claimed(claims):
            return True
        self._refused(claims, FOREIGN_HOST)
        return False

    def _refused(self, claims: Claims, why: str) -> None:
        unsaid = self._refusals.take()
        if unsaid is not None:
            _log.warn(
                "a request of {address} for {host} was refused (403): {why}{unsaid}",
                address=claims.address,
                host=", ".join(claims.hosts)[:100],
                why=why,
                unsaid=_more(unsaid),
            )


def _more(unsaid: int) -> str:
    return f" ({unsaid} more were not logged)" if unsaid else ""
