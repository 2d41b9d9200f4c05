"""How much of a model server may be used within 24 hours, by all together and by each client.

No clock here: ``now`` is an argument, in seconds that never go back. ``changed`` and ``resume`` are for what outlasts a
restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from attrs import define, field, frozen

from newage.domain.spent import Spent

DAY_SECONDS: Final = 86_400
MAX_CLIENTS: Final = 10_000  # that are counted one by one; beyond, who asked longest ago begins anew
ALL: Final = "all"  # who has spent it
_CLIENT: Final = "client/"


@frozen(kw_only=True)
class Ceiling:
    """0 is no limit."""

    requests: int = 0
    tokens: int = 0


@define(eq=False)
class _Used:
    since: float
    requests: int = 0
    tokens: int = 0

    def is_over(self, now: float) -> bool:
        return now >= self.since + DAY_SECONDS


@define(eq=False)
class Ceilings:
    """:param scope: of what. :param together: of all clients. :param each: of one."""

    scope: str
    _together: Ceiling
    _each: Ceiling
    _all: _Used | None = field(default=None, init=False)
    _clients: OrderedDict[str, _Used] = field(factory=OrderedDict, init=False)
    _changed: set[str] = field(factory=set, init=False)  # clients whose figures are not written down

    def refusal(self, client: str, now: float) -> str | None:
        """Why this client may not ask now, in words for him; None: he may."""
        for ceiling, used, whose in (
            (self._each, self._of(client, now), "You have"),
            (self._together, self._of_all(now), "Everybody together has"),
        ):
            spent = [
                what
                for what, most, count in (
                    ("questions", ceiling.requests, used.requests),
                    ("tokens", ceiling.tokens, used.tokens),
                )
                if most and count >= most
            ]
            if spent:
                hours = max(1, round((used.since + DAY_SECONDS - now) / 3600))
                return f"{whose} used up today's {' and '.join(spent)} of this model; ask again in {hours} h."
        return None

    def asked(self, client: str, now: float) -> None:
        """He asks one question."""
        for used in (self._of(client, now), self._of_all(now)):
            used.requests += 1
        self._changed.add(client)

    def used(self, client: str, tokens: int, now: float) -> None:
        """It cost so many."""
        for used in (self._of(client, now), self._of_all(now)):
            used.tokens += tokens
        self._changed.add(client)

    def changed(self) -> list[Spent]:
        """What is to be written down since the last call."""
        clients, self._changed = self._changed, set()
        found = {_CLIENT + client: self._clients[client] for client in sorted(clients) if client in self._clients}
        if clients and self._all is not None:
            found[ALL] = self._all
        return [Spent(self.scope, who, each.since, each.requests, each.tokens) for who, each in found.items()]

    def resume(self, written: Iterable[Spent]) -> None:
        """Begin with that."""
        for each in written:
            used = _Used(each.since, each.requests, each.tokens)
            if each.who == ALL:
                self._all = used
            else:
                self._clients[each.who.removeprefix(_CLIENT)] = used

    def _of_all(self, now: float) -> _Used:
        if self._all is None or self._all.is_over(now):
            self._all = _Used(now)
        return self._all

    def _of(self, client: str, now: float) -> _Used:
        found = self._clients.pop(client, None)
        if found is None or found.is_over(now):
            found = _Used(now)
        self._clients[client] = found
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return found
