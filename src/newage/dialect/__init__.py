"""The language of the wire: every event name and every camelCase body, in one place (contract 1.8).

Pure: plain functions over frozen values, one module per subject. No clock, no socket, no state, no decision. Services
and namespaces decide what is said and to whom, and write no name of the wire themselves:

* A function that makes an **event** returns an ``Event``. It is sent to audiences by
  ``outbox.publish(*messages.added(message).to(Audience.room(room.name), ...))`` and to one socket by
  ``outbox.emit(sid, event.name, event.body)``. The ``Event`` knows its namespaces, so ``to`` makes one emission each;
  nothing outside this package makes an ``Emission``.
* A function that makes the **members of an ack**, or an object inside a body, returns a ``Body``.
* What both sides call by a name (members that pass through, members of files) is a frozen constant here.

Functions are named after what happened (``messages.added``, ``requests.status``), not after the event, and take domain
values and numbers, never a dict of the wire, except the members of a client that pass through as they are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from newage.domain.delivery import Audience, Emission

Body = dict[str, Any]


class Event(NamedTuple):
    """One event as its receivers get it. ``namespaces``: where they listen for it."""

    name: str
    body: Body
    namespaces: tuple[str, ...] = ("/llm",)

    def to(self, *receivers: Audience) -> tuple[Emission, ...]:
        """For the sockets of these audiences, one emission per namespace; none without receivers."""
        if not receivers:
            return ()
        return tuple(Emission(namespace, self.name, (self.body,), receivers) for namespace in self.namespaces)

    def alias(self) -> Event:
        """The same under its name in lower case (contract 1.8)."""
        return self._replace(name=self.name.lower())
