"""Sessions that have joined nothing yet, and which of them gives way to a newcomer (contract 2.12).

Anybody can open a session, a page of somebody else's on a LAN included; it takes no place of others that way. One that
was admitted to a namespace is none of these any more, and gives way to nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

Session = TypeVar("Session", bound=Hashable)


class Joinless(Generic[Session]):
    """They are few, and who opens many gives way first.

    :param most: how many there may be. :param most_of_one: and of one address, whoever has it.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._addresses: dict[str, dict[Session, Hashable]] = {}  # session -> what it was opened over; oldest first
        self._address_of: dict[Session, str] = {}
        self._judged: set[Session] = set()

    def __len__(self) -> int:
        return len(self._address_of)

    def add(self, session: Session, address: str, source: Hashable) -> None:
        """:param source: the connection it was opened over."""
        self._address_of[session] = address
        self._addresses.setdefault(address, {})[session] = source

    def judge(self, session: Session, judged: bool) -> None:
        """Whether it asks to join, and is being judged: it gives way after those that only stand there."""
        if judged and session in self._address_of:
            self._judged.add(session)
        else:
            self._judged.discard(session)

    def settle(self, session: Session) -> None:
        """It was admitted, or has ended."""
        self._judged.discard(session)
        address = self._address_of.pop(session, None)
        if address is not None:
            of_one = self._addresses[address]
            del of_one[session]
            if not of_one:
                del self._addresses[address]

    def surplus(self, address: str) -> Session | None:
        """Who has to go before one more of this address is added; None while there is room."""
        if len(self._addresses.get(address, ())) >= self._most_of_one:
            return self.of(address)
        return self.any() if len(self) >= self._most else None

    def any(self) -> Session | None:
        """Who gives way of all: somebody of the address that has most."""
        if not self._addresses:
            return None
        return self.of(max(self._addresses, key=lambda address: len(self._addresses[address])))

    def of(self, address: str) -> Session | None:
        """Of an address: the newest of the connection that opened most; where each opened one, the oldest."""
        here = self._addresses.get(address)
        if here is None:
            return None
        standing = [session for session in here if session not in self._judged] or list(here)
        ((source, count),) = Counter(here[session] for session in standing).most_common(1)
        if count == 1:
            return standing[0]
        return next(session for session in reversed(standing) if here[session] == source)
