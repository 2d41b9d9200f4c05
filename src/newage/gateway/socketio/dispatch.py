"""What the gateway offers to namespaces: which paths exist and who answers which event there.

The gateway knows Socket.IO, not the contract's dialect: a handler gets arguments and returns the ack's arguments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from inspect import iscoroutine
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred

from newage.ports import ISocket
from newage.protocol.socket_packet import RESERVED_EVENTS, prefix_of

# (socket, arguments without the event name, was an ack asked for)
# -> the ack's arguments as a list, or None for no ack, or an awaitable or a ``Later`` of these
Handler: TypeAlias = Callable[[ISocket, list[Any], bool], Any]

# (socket, event, arguments, was an ack asked for) -> as a handler: for the events nobody else handles
UnknownHandler: TypeAlias = Callable[[ISocket, str, list[Any], bool], Any]

# (socket, auth payload or None) -> None or a callable without arguments that runs right after the CONNECT reply,
# or an awaitable of these. Raising ConnectRefused answers CONNECT_ERROR.
ConnectHandler: TypeAlias = Callable[[ISocket, Any], Any]

# (socket, reason), once for each socket whose connect handler set its caller. Local causes reach it in a later turn.
DisconnectHandler: TypeAlias = Callable[[ISocket, str], None]

# What a client of the library sees as the reason of an end (contract 3.0).
BY_SERVER = "io server disconnect"
BY_CLIENT = "io client disconnect"

# What its ``connect_error`` sees.
NO_NAMESPACE = {"message": "Invalid namespace"}
INTERNAL_ERROR = {"message": "Internal error"}


class Later:
    """A handler's result whose ack comes when it comes: the socket's next events are not kept waiting for it.

    For what asks another peer and may take half a minute. Whoever returns it bounds how many are open.

    :param result: an awaitable of what a handler may return.
    """

    __slots__ = ("result",)

    def __init__(self, result: Awaitable[list[Any] | None]) -> None:
        self.result = result


class ConnectRefused(Exception):
    """Raised by a connect handler: answer CONNECT_ERROR with ``data`` instead of CONNECT.

    :param data: what the client's ``connect_error`` sees; an object with ``message``, or a text that becomes one.
    """

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.data = {"message": data} if isinstance(data, str) else data


class Namespace:
    """One path with its handlers.

    A socket whose ``caller`` is None after its connect handler is not admitted: nothing else of it is handled.

    :param unknown: handles the events that have no handler; without it they are ignored.
    :param fault: the arguments of an ack where a handler raised, or returned what cannot be sent.
    :param binary: the events that take attachments; None: all. Others are handed on unread, so that they are refused.
    """

    def __init__(
        self,
        path: str,
        *,
        connect: ConnectHandler,
        disconnected: DisconnectHandler,
        unknown: UnknownHandler | None = None,
        binary: Collection[str] | None = None,
        fault: Sequence[Any] = (INTERNAL_ERROR,),
    ) -> None:
        if not path.startswith("/") or "," in path:
            raise ValueError(f"{path!r} is not a namespace")
        self.path = path
        self.prefix = prefix_of(path)
        self.ack_head = b"43" + self.prefix
        self.connect = connect
        self.disconnected = disconnected
        self.unknown = unknown
        self.binary = binary
        self.fault = list(fault)
        self.handlers: dict[str, Handler] = {}

    def on(self, event: str, handler: Handler) -> None:
        """:raises ValueError: it has a handler already, or the name is reserved."""
        if event in self.handlers or event in RESERVED_EVENTS:
            raise ValueError(f"{self.path} cannot get one more handler of {event}")
        self.handlers[event] = handler

    def add(self, handlers: Mapping[str, Handler]) -> None:
        """``on`` for each event of a table."""
        for event, handler in handlers.items():
            self.on(event, handler)


class Dispatcher:
    """The namespaces of a server."""

    def __init__(self) -> None:
        self._namespaces: dict[str, Namespace] = {}

    def add(self, namespace: Namespace) -> None:
        """:raises ValueError: the path is taken."""
        if namespace.path in self._namespaces:
            raise ValueError(f"{namespace.path} exists")
        self._namespaces[namespace.path] = namespace

    def get(self, path: str) -> Namespace | None:
        return self._namespaces.get(path)

    def namespaces(self) -> tuple[Namespace, ...]:
        """In the order they were added."""
        return tuple(self._namespaces.values())


def as_deferred(result: Awaitable[Any]) -> Deferred[Any]:
    """What a handler returned: the Deferred itself, or one for the coroutine."""
    if isinstance(result, Deferred):
        return result
    return Deferred.fromCoroutine(result if iscoroutine(result) else _wait(result))


async def _wait(result: Awaitable[Any]) -> Any:
    return await result
