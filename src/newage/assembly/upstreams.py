"""The model servers of the configuration, as extensions inside the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define
from treq.client import HTTPClient

from newage.bridge.cards import Cards
from newage.bridge.upstream_llm import UpstreamExtension
from newage.domain.model import ConnectionPolicy
from newage.services.world import World

if TYPE_CHECKING:
    from twisted.web.iweb import IAgent

    from newage.assembly.talk import Talk
    from newage.bridge.upstream_settings import Upstream
    from newage.domain.forwarded import ForwardedRequest
    from newage.services.rooms.assignments import AssignmentService


def make_upstreams(
    upstreams: tuple[Upstream, ...], world: World, talk: Talk, cards: Cards, agent: IAgent | None
) -> tuple[UpstreamExtension, ...]:
    """In the order in which they are asked.

    :param agent: what they are asked by; None where there are none.
    """
    if agent is None:
        return ()
    return tuple(
        UpstreamExtension(
            upstream=each,
            clock=world.clock,
            wall=world.wall,
            http=HTTPClient(agent),
            hub=talk.streams,
            elsewhere=_Elsewhere(talk.assignments),
            cards=cards,
        )
        for each in upstreams
    )


@define(eq=False)
class _Elsewhere:
    """Would the hub ask another extension, were this one to fail? A guess, by the policy and the wish of who asked."""

    _assignments: AssignmentService

    def __call__(self, request: ForwardedRequest) -> bool:
        rooms = self._assignments
        wanted = request.failover or rooms.policy is ConnectionPolicy.FAILOVER
        return wanted and len(rooms.assigned(request.room)) > 1
