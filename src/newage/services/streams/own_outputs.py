"""Who asked, and is no socket, is told of the outputs of his own request as they open, and of its end.

For requests that come over HTTP: a reader is attached to the output's text (``Answer.output``), which costs others
nothing; nothing here is called per token.
"""

from __future__ import annotations

from attrs import define, field
from zope.interface import Interface, implementer

from newage.domain.request import Request
from newage.ports import IRequestListener
from newage.services.streams.answers import Answer

# mypy-zope reads interface methods without ``self``.
# ruff: noqa: N805


class IAsker(Interface):
    """Who asked. Never raises."""

    def output_opened(answer: Answer) -> None:
        """An output begins, or goes on after its end: ``answer.output`` has its text, ``answer.extra`` what its
        extension says besides. Several may open, one after the other or at once."""

    def request_ended(request: Request, words: str | None) -> None:
        """As of ``IRequestListener``; nothing more is told."""

    def hub_stops() -> None:
        """The request may wait on until after the next start; nothing more is told."""


@implementer(IRequestListener)
@define(eq=False)
class OwnOutputs:
    """Bounded by the live requests of who watches."""

    _askers: dict[tuple[str, str], IAsker] = field(factory=dict, init=False)  # by identity and requestId

    def __len__(self) -> int:
        return len(self._askers)

    def watches(self, identity: str, request_id: str) -> bool:
        """Whether somebody is told of this request."""
        return (identity, request_id) in self._askers

    def watch(self, identity: str, request_id: str, asker: IAsker) -> None:
        """Tell it of this request from now on; before it is submitted, so that nothing is missed."""
        self._askers[identity, request_id] = asker

    def forget(self, identity: str, request_id: str) -> None:
        """It is told nothing more; idempotent."""
        self._askers.pop((identity, request_id), None)

    def opened(self, answer: Answer) -> None:
        """An output begins, which answers a request and what was merged into it."""
        if self._askers:
            for request in (answer.request, *answer.request.merged):
                asker = self._askers.get((request.identity, request.request_id))
                if asker is not None:
                    asker.output_opened(answer)

    def close(self) -> None:
        """Nobody is told anything more."""
        askers, self._askers = self._askers, {}
        for asker in askers.values():
            asker.hub_stops()

    def request_ended(self, request: Request, words: str | None) -> None:
        asker = self._askers.pop((request.identity, request.request_id), None)
        if asker is not None:
            asker.request_ended(request, words)
