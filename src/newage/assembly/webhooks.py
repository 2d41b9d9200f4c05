"""The receivers of the configuration, each with its queue."""

from __future__ import annotations

from collections.abc import Callable

from newage.assembly.accounts import Basis
from newage.ports import IPoster
from newage.services.webhooks.events import WebhookEvents
from newage.services.webhooks.line import Line
from newage.web.api_v1 import webhooks


def make_webhooks(
    basis: Basis, poster: IPoster | None, running: Callable[[], float], chance: Callable[[], float]
) -> WebhookEvents:
    """
    :param poster: by what they are told; None: they are not.
    :param running: seconds that the hub has run in all its runs. :param chance: uniform in [0, 1).
    """
    world, store = basis.world, basis.stores.webhooks
    lines = (
        []
        if poster is None
        else [
            Line(
                webhook=each,
                world=world,
                store=store,
                poster=poster,
                running=running,
                chance=chance,
                body=webhooks.body,
            )
            for each in basis.config.webhooks
        ]
    )
    return WebhookEvents(
        world=world,
        store=store,
        lines=lines,
        running=running,
        of_session=webhooks.of_session,
        of_request=webhooks.of_request,
    )
