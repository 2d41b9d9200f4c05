"""HTTP long-polling as an ``IFrameSink``: a GET parks until there is something to send, a POST feeds the receiver.

One GET and one POST at a time: a second one while the first is open, or one that the peer cancels, ends the session
(contract 2.1). What is sent while no GET is parked waits; what is sent during one reactor turn leaves in one response.
Packet bodies are the gateway's business; this module knows CLOSE and NOOP, with which it says goodbye, and PING.

No number of packets ends a session (contract A30). What waits is judged by the gateway, in bytes and by time, as with a
WebSocket; until then there are two ways of pushing back. While much waits, a POST is not read on and not answered, so a
peer that asks for more than it fetches has to fetch first (``poll_hold_bytes``). And text that grows is not queued for
a reader who is behind: it keeps one place, and is written as one packet when a GET takes it (``offer``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from newage.errors import ProtocolError
from newage.ports import IPollingSink, IReceiver
from newage.protocol.engine_packet import CLOSE, NOOP, PING, decode_payload, encode_payload
from newage.telemetry.refusals import Refusals
from newage.web.request import HardenedRequest
from newage.web.responses import BAD_REQUEST, TEXT, address_of, answer, refuse
from newage.web.settings import WebSettings
from newage.web.transports.flushes import SHARE_SECONDS, FlushList
from newage.web.transports.nobody import NOBODY
from newage.web.transports.poll_queue import Draw, Packet, PollQueue

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure
    from twisted.web.http import Request

    from newage.protocol.engine_packet import SharedPacket

_NOT_PACKETS: Final = b"application/octet-stream"  # binary packets of older protocols; the reference refuses it, too
_NO_MORE: Final = b""
_ENDED: Final = "its session has just ended; a client begins a new one by itself"
_SECOND: Final = "a session has one GET and one POST at a time, and ends at a second; each client has to open its own"
_NOT_READ: Final = "its body is no Engine.IO, and ends its session; a client of Socket.IO 3 or newer sends such"


def _is_python(request: Request) -> bool:
    """By its User-Agent, which requests and aiohttp, the HTTP clients of python-engineio, write into each request."""
    return b"python" in (request.getHeader(b"User-Agent") or b"").lower()


class _State(Enum):
    OPEN = auto()
    OVERFLOWED = auto()  # too much waited and was dropped; nothing is taken or sent, and in the next turn it ends
    CLOSED = auto()


@implementer(IPollingSink)
class PollingSink:
    """The polling side of one connection.

    ``linger`` is called with this sink when it is closed while messages wait and no GET is parked: whoever keeps it
    may answer one more GET by ``last_poll``.
    """

    __slots__ = (
        "_clock",
        "_delivering",
        "_flushes",
        "_hold_call",
        "_inbox",
        "_linger",
        "_may_fetch",
        "_merge_after",
        "_packet",
        "_park_call",
        "_parked",
        "_paused",
        "_peer_closed",
        "_post",
        "_queue",
        "_receiver",
        "_refusals",
        "_settings",
        "_state",
        "_upgrading",
    )
    name = "polling"

    def __init__(
        self,
        settings: WebSettings,
        clock: IReactorTime,
        flushes: FlushList,
        linger: Callable[[PollingSink], None],
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._flushes = flushes
        self._linger = linger
        self._refusals = refusals
        self._receiver: IReceiver = NOBODY
        self._queue = PollQueue()  # what no GET took yet
        self._merge_after = settings.poll_merge_packets
        self._parked: Request | None = None
        self._park_call: IDelayedCall | None = None
        self._post: Request | None = None  # whose body is arriving or being delivered
        self._inbox: Iterator[bytes] | None = None  # the packets of that POST; None: they are not here yet
        self._packet = _NO_MORE  # the next of them to be delivered
        self._delivering = False
        self._may_fetch = True  # a GET may come while a POST is open
        self._hold_call: IDelayedCall | None = None  # while it waits
        self._paused = False
        self._upgrading = False
        self._state = _State.OPEN
        self._peer_closed = False  # the peer sent CLOSE itself

    # ---------------------------------------------------------------------------------------------------- from HTTP

    def poll(self, request: Request) -> None:
        """A GET: answered at once when something waits, else parked. A second one ends the session."""
        settings = self._settings
        self._merge_after = settings.poll_python_max_packets if _is_python(request) else settings.poll_merge_packets
        if self._state is not _State.OPEN:
            self._refuse(request, _ENDED)
        elif self._parked is not None:
            self._end("transport error")
            self._refuse(request, _SECOND)
        elif self._queue or self._upgrading:
            self._respond(request)
        else:
            self._parked = request
            request.notifyFinish().addErrback(self._poll_lost, request)
            self._park_call = self._clock.callLater(settings.poll_park_seconds, self._park_expired)

    def last_poll(self, request: Request) -> None:
        """The GET after ``linger``: what waited, and CLOSE."""
        self._queue.append((False, CLOSE))
        self._respond(request)

    def reserve_post(self, request: Request) -> bool:
        """The headers of a POST are there, its body is to come. False: another POST is open, so it will be refused."""
        if self._state is not _State.OPEN or self._post is not None:
            return False
        self._post = request
        request.notifyFinish().addErrback(self._post_lost, request)
        return True

    def post(self, request: Request, body: bytes) -> None:
        """A whole POST: its packets are delivered, then it is answered. A second open one ends the session.

        Delivery pauses with the receiver, and while much waits for a GET.
        """
        if self._state is not _State.OPEN:
            self._refuse(request, _ENDED)
            return
        if self._post is not request and not self.reserve_post(request):
            self._end("transport error")
            self._refuse(request, _SECOND)
            return
        try:
            self._inbox = self._decode(request, body)
            self._packet = next(self._inbox)
        except ProtocolError as error:
            self._refusals.tell("400", address_of(request), _NOT_READ, of=str(error))
            self._end("transport error")
            return
        self._deliver()

    def _refuse(self, request: Request, why: str) -> None:
        self._refusals.tell("400", address_of(request), why)
        refuse(request, BAD_REQUEST)

    def cut(self) -> None:
        """End at once, by a fault (a POST beyond the limit, for one); the receiver learns of it."""
        self._end("transport error")

    def _decode(self, request: Request, body: bytes) -> Iterator[bytes]:
        if request.getHeader(b"Content-Type") == _NOT_PACKETS:
            raise ProtocolError("a body of a wrong type")
        if not body.isascii():
            body = body.decode(errors="replace").encode()  # as the reference reads what is no UTF-8
        return decode_payload(body)

    def _deliver(self) -> None:
        """Give the packets of the POST to the receiver until it pauses, or enough waits; answer when all are taken."""
        inbox = self._inbox
        if inbox is None or self._delivering:
            return  # resumed twice: what is open by now is another POST, whose body still comes
        self._delivering = True
        seconds = self._flushes.seconds
        until = seconds() + SHARE_SECONDS
        try:
            while self._packet != _NO_MORE and self._state is _State.OPEN:
                if self._paused or self._holds():
                    return
                if seconds() >= until:  # others want their turn
                    self._clock.callLater(0, self._deliver)
                    return
                packet, self._packet = self._packet, next(inbox, _NO_MORE)
                self._peer_closed = self._peer_closed or packet == CLOSE
                self._receiver.text_received(packet)
        finally:
            self._delivering = False
        self._finish_post(ok=self._state is _State.OPEN or self._peer_closed)

    def _holds(self) -> bool:
        """Whether the peer has to fetch what waits before more of its POST is read.

        It has ``poll_hold_seconds`` to do so. One that does one thing after the other fetches nothing while its POST
        is open: it is not held again, and what waits for it is the gateway's to judge.
        """
        if self._queue.bytes <= self._settings.poll_hold_bytes or not self._may_fetch:
            return False
        if self._hold_call is None:
            self._hold_call = self._clock.callLater(self._settings.poll_hold_seconds, self._hold_expired)
        return True

    def _hold_expired(self) -> None:
        self._hold_call = None
        self._may_fetch = False
        self._deliver()

    def _read_on(self) -> None:
        """A GET took something: read on in what is held."""
        self._may_fetch = self._may_fetch or self._post is not None
        if self._end_hold():
            self._clock.callLater(0, self._deliver)

    def _end_hold(self) -> bool:
        """:return: whether a POST was held."""
        call, self._hold_call = self._hold_call, None
        if call is not None:
            call.cancel()
        return call is not None

    def _finish_post(self, ok: bool) -> None:
        post, self._post, self._inbox, self._packet = self._post, None, None, _NO_MORE
        self._end_hold()
        if post is None:
            return
        if ok:
            answer(post, 200, b"ok", b"text/html")
        elif isinstance(post, HardenedRequest) and post.is_arriving():
            post.refuse_the_rest()
        else:
            refuse(post, BAD_REQUEST)

    def _poll_lost(self, failure: Failure, request: Request) -> None:
        if self._parked is request:
            self._unpark()
            self._end("transport error")

    def _post_lost(self, failure: Failure, request: Request) -> None:
        if self._post is request:
            self._post = None
            self._end("transport error")

    def _park_expired(self) -> None:
        self._park_call = None
        self._release()

    # --------------------------------------------------------------------------------------------------- to the peer

    def flush(self) -> None:
        """The end of a reactor turn in which something was sent."""
        if self._queue and self._parked is not None:
            self._release()

    def _release(self) -> None:
        """Answer the parked GET with what waits, or NOOP."""
        request = self._unpark()
        if request is not None:
            self._respond(request)

    def _unpark(self) -> Request | None:
        request, self._parked = self._parked, None
        if self._park_call is not None:
            self._park_call.cancel()
            self._park_call = None
        return request

    def _respond(self, request: Request) -> None:
        limit = self._settings.poll_python_max_packets if self._state is _State.OPEN and _is_python(request) else None
        packets = self._queue.take(limit)
        answer(request, 200, encode_payload(packets) if packets else NOOP, TEXT)
        self._read_on()

    def _send(self, binary: bool, packet: bytes) -> None:
        if self._state is not _State.OPEN:
            return
        queue = self._queue
        if queue.bytes > self._settings.poll_max_bytes:
            self._overflow()
            return
        if packet == PING and not binary:
            queue.put_first((binary, packet))  # it would be late behind much, and answers nothing
        else:
            queue.append((binary, packet))
        if self._parked is not None and len(queue) == 1:
            self._flushes.add(self)

    def _overflow(self) -> None:
        """Too much waits. The sender must not meet its own end within ``send_``, so that follows in the next turn."""
        self._refusals.say("a polling session was cut off with {pending} bytes pending", pending=self._queue.bytes)
        self._queue.clear()
        self._state = _State.OVERFLOWED
        self._clock.callLater(0, self._end, "transport error")

    def _end(self, reason: str) -> None:
        """The session ends by the transport's own fault or its peer's; the receiver learns of it."""
        if self._state is not _State.CLOSED:
            receiver = self._receiver
            self.abort(reason)
            receiver.sink_closed(self, reason)

    # ---------------------------------------------------------------------------------------------------- IFrameSink

    def send_text(self, packet: bytes) -> None:
        self._send(False, packet)

    def send_binary(self, payload: bytes) -> None:
        self._send(True, payload)

    def send_shared(self, packet: SharedPacket) -> None:
        self._send(False, packet.packet)

    def offer(self, draw: Draw) -> None:
        if self._state is not _State.OPEN:
            return
        queue = self._queue
        if len(queue) < self._merge_after and queue.bytes <= self._settings.poll_hold_bytes:
            for packet in draw():
                self._send(False, packet)
        else:
            queue.add_place(draw)

    def pending_bytes(self) -> int:
        return self._queue.bytes

    def drained(self) -> bool:
        return self._parked is not None and not self._queue

    def arriving_bytes(self) -> int:
        post = self._post
        return post.received_bytes() if isinstance(post, HardenedRequest) and post.is_arriving() else 0

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            if self._inbox is not None:
                self._clock.callLater(0, self._deliver)

    def bind(self, receiver: IReceiver) -> None:
        self._receiver = receiver

    def close(self, reason: str) -> None:
        if self._state is not _State.OPEN:
            self.abort(reason)  # what was queued is dropped already
            return
        parked = self._close()
        if parked is not None:
            self._queue.append((False, NOOP if self._peer_closed else CLOSE))
            self._respond(parked)
        elif self._queue.holds_messages():
            self._linger(self)
        self._refuse_post()

    def abort(self, reason: str) -> None:
        if self._state is _State.CLOSED:
            return
        parked = self._close()
        self._queue.clear()
        if parked is not None:
            answer(parked, 200, CLOSE, TEXT)
        self._refuse_post()

    def set_upgrading(self, upgrading: bool) -> None:
        self._upgrading = upgrading and self._state is _State.OPEN
        if self._upgrading:
            self._release()

    def take_pending(self) -> list[Packet]:
        packets = self._queue.take()
        parked = self._close()
        if parked is not None:
            self._respond(parked)
        self._refuse_post()
        return packets

    def _close(self) -> Request | None:
        """:return: the GET that was parked, to be answered."""
        self._state = _State.CLOSED
        self._receiver = NOBODY
        return self._unpark()

    def _refuse_post(self) -> None:
        """An open POST whose packets are not being delivered at the moment."""
        if not self._delivering:
            self._finish_post(ok=False)
