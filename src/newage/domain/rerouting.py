"""When a request goes to another extension, and to which: the rules of failing over (contract 5.8; A22).

No clock here: ``now`` is an argument, in seconds on a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Sequence

from newage.domain.model import ConnectionPolicy
from newage.domain.request import Request


def may_go_on(request: Request, policy: ConnectionPolicy) -> bool:
    """May another extension be asked instead of the one that has it? As long as nothing of an answer was shown.

    Who names an extension means that one, unless he says ``failover`` besides. What was asked of several is answered by
    the others of these.
    """
    wished = request.ask.failover or (policy is ConnectionPolicy.FAILOVER and request.ask.targets is None)
    untouched = not (request.has_token or request.responses or request.finished)
    return wished and untouched and request.live and not request.stays and len(request.targets) == 1


def next_extension(request: Request, order: Sequence[str]) -> str | None:
    """The one to be asked instead, once each, where it may go on; None: no other is left.

    :param order: the extensions of its room that are there, the first to be asked first.
    """
    return next((each for each in order if each not in request.targets and each not in request.tried), None)


def is_late(request: Request, now: float, first_token: float) -> bool:
    """Has the extension that has it shown nothing for so many seconds?"""
    having = request.given and all(target in request.sent for target in request.targets)
    return request.live and having and not request.has_token and now >= request.asked_at + first_token
