"""How a connection is ended whose answer nobody wants any more."""

from __future__ import annotations

from typing import Any


def hang_up(transport: Any) -> None:
    """At once, whatever the other side does. Over TLS ``loseConnection`` says that it is over and then waits until the
    other side has said so, too: one that does not would be read for ever.

    :param transport: of the protocol that a body is delivered to; it has no ``abortConnection``.
    """
    transport.loseConnection()
    transport.stopProducing()  # of what is below TLS; without TLS it is the same once more
