"""HTTP long-polling as an ``IFrameSink``: a GET parks until there is something to send, a POST feeds the receiver.

One GET and one POST at a time: a second one while the first is open, or one that the peer cancels, ends the session
(contract 2.1). What is sent while no GET is parked waits, bounded; what is sent during one reactor turn leaves in one
response. Packet bodies are the gateway's business; this module knows only CLOSE and NOOP, with which it says goodbye.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from newage.errors import ProtocolError
from newage.ports import IPollingSink, IReceiver
from newage.protocol.engine_packet import CLOSE, MESSAGE, NOOP, decode_payload, encode_payload
from newage.web.channel import HardenedRequest
from newage.web.fastframes import SHARE_SECONDS, FlushList
from newage.web.responses import BAD_REQUEST, TEXT, answer, refuse
from newage.web.settings import WebSettings
from newage.web.websocket import NOBODY

if TYPE_CHECKING:
    from twisted.python.failure import Failure
    from twisted.web.http import Request

    from newage.protocol.engine_packet import SharedPacket

_log = Logger()
# Bodies that a web page can send across origins without a preflight, and that Engine.IO v4 never uses.
_NOT_PACKETS: Final = (b"application/octet-stream", b"multipart/form-data", b"application/x-www-form-urlencoded")


def _is_python(request: Request) -> bool:
    """By its User-Agent, which requests and aiohttp, the HTTP clients of python-engineio, write into each request."""
    return b"python" in (request.getHeader(b"User-Agent") or b"").lower()


@implementer(IPollingSink)
class PollingSink:
    """The polling side of one connection.

    ``linger`` is called with this sink when it is closed while messages wait and no GET is parked: whoever keeps it
    may answer one more GET by ``last_poll``.
    """

    __slots__ = (
        "_arrived",
        "_bytes",
        "_clock",
        "_closed",
        "_delivering",
        "_flushes",
        "_inbox",
        "_linger",
        "_packets",
        "_park_call",
        "_parked",
        "_paused",
        "_peer_closed",
        "_post",
        "_receiver",
        "_settings",
        "_upgrading",
        "sid",
    )
    name = "polling"

    def __init__(
        self, settings: WebSettings, clock: IReactorTime, flushes: FlushList, linger: Callable[[PollingSink], None]
    ) -> None:
        self.sid = ""
        self._settings = settings
        self._clock = clock
        self._flushes = flushes
        self._linger = linger
        self._receiver: IReceiver = NOBODY
        self._packets: list[tuple[bool, bytes]] = []  # that no GET took yet
        self._bytes = 0  # of _packets
        self._parked: Request | None = None
        self._park_call: Any = None
        self._post: Request | None = None  # whose body is arriving or being delivered
        self._inbox: deque[tuple[bool, bytes]] = deque()  # packets of that POST not yet delivered
        self._arrived = False  # the whole of that POST
        self._delivering = False
        self._paused = False
        self._upgrading = False
        self._closed = False
        self._peer_closed = False  # the peer sent CLOSE itself

    # ---------------------------------------------------------------------------------------------------- from HTTP

    def poll(self, request: Request) -> None:
        """A GET: answered at once when something waits, else parked. A second one ends the session."""
        if self._closed:
            refuse(request, BAD_REQUEST)
        elif self._parked is not None:
            self._end("transport error")
            refuse(request, BAD_REQUEST)
        elif self._packets or self._upgrading:
            self._respond(request)
        else:
            self._parked = request
            request.notifyFinish().addErrback(self._poll_lost, request)
            self._park_call = self._clock.callLater(self._settings.poll_park_seconds, self._parked_long)

    def last_poll(self, request: Request) -> None:
        """The GET after ``linger``: what waited, and CLOSE."""
        self._packets.append((False, CLOSE))
        self._respond(request)

    def reserve_post(self, request: Request) -> bool:
        """The headers of a POST are there, its body is to come. False: another POST is open, so it will be refused."""
        if self._closed or self._post is not None:
            return False
        self._post = request
        request.notifyFinish().addErrback(self._post_lost, request)
        return True

    def post(self, request: Request, body: bytes) -> None:
        """A whole POST: its packets are delivered, then it is answered. A second open one ends the session."""
        if self._closed:
            refuse(request, BAD_REQUEST)
            return
        if self._post is not request and not self.reserve_post(request):
            self._end("transport error")
            refuse(request, BAD_REQUEST)
            return
        try:
            self._inbox.extend(self._decode(request, body))
        except ProtocolError as error:
            _log.debug("a polling body was refused: {reason}", reason=str(error))
            self._end("transport error")
            return
        self._arrived = True
        self._deliver()

    def cut(self) -> None:
        """End at once, by a fault (a POST beyond the limit, for one); the receiver learns of it."""
        self._end("transport error")

    def _decode(self, request: Request, body: bytes) -> list[tuple[bool, bytes]]:
        kind = (request.getHeader(b"Content-Type") or b"").partition(b";")[0].strip().lower()
        if kind in _NOT_PACKETS:
            raise ProtocolError("a body of a wrong type")
        if not body.isascii():
            try:
                body.decode()
            except UnicodeDecodeError:
                raise ProtocolError("a body that is not UTF-8") from None
        return decode_payload(body, self._settings.poll_max_body_packets)

    def _deliver(self) -> None:
        """Give the packets of the POST to the receiver until it pauses; answer when all are taken."""
        if not self._arrived:
            return  # resumed twice: what is open by now is another POST, whose body still comes
        self._delivering = True
        seconds = self._flushes.seconds
        until = seconds() + SHARE_SECONDS
        try:
            while self._inbox and not self._paused and not self._closed:
                if seconds() >= until:  # others want their turn
                    self._clock.callLater(0, self._deliver)
                    break
                binary, packet = self._inbox.popleft()
                if binary:
                    self._receiver.binary_received(packet)
                else:
                    self._peer_closed = self._peer_closed or packet == CLOSE
                    self._receiver.text_received(packet)
        finally:
            self._delivering = False
        if self._closed or not self._inbox:
            self._finish_post(ok=not self._closed or self._peer_closed)

    def _finish_post(self, ok: bool) -> None:
        post, self._post, self._arrived = self._post, None, False
        self._inbox.clear()
        if post is None:
            return
        if ok:
            answer(post, 200, b"ok", b"text/html")
        elif isinstance(post, HardenedRequest) and not post.arrived:
            post.channel.refuse(b"400 Bad Request")  # its body is still coming
        else:
            refuse(post, BAD_REQUEST)

    def _poll_lost(self, failure: Failure, request: Request) -> None:
        if self._parked is request:
            self._forget_parked()
            self._end("transport error")

    def _post_lost(self, failure: Failure, request: Request) -> None:
        if self._post is request:
            self._post = None
            self._end("transport error")

    def _parked_long(self) -> None:
        self._park_call = None
        self._release()

    # --------------------------------------------------------------------------------------------------- to the peer

    def flush(self) -> None:
        """The end of a reactor turn in which something was sent."""
        if self._packets and self._parked is not None:
            self._release()

    def _release(self) -> None:
        """Answer the parked GET with what waits, or NOOP."""
        request = self._forget_parked()
        if request is not None:
            self._respond(request)

    def _forget_parked(self) -> Request | None:
        request, self._parked = self._parked, None
        if self._park_call is not None:
            self._park_call.cancel()
            self._park_call = None
        return request

    def _respond(self, request: Request) -> None:
        packets, self._packets, self._bytes = self._packets, [], 0
        limit = self._settings.poll_python_max_packets
        if len(packets) > limit and not self._closed and _is_python(request):
            packets, self._packets = packets[:limit], packets[limit:]
            self._bytes = sum(len(packet) for _, packet in self._packets)
        answer(request, 200, encode_payload(packets) if packets else NOOP, TEXT)

    def _send(self, binary: bool, packet: bytes) -> None:
        if self._closed:
            return
        settings = self._settings
        if self._bytes > settings.poll_max_bytes or len(self._packets) >= settings.poll_max_packets:
            _log.info("a polling session was cut off with {pending} bytes pending", pending=self._bytes)
            self._packets.clear()
            self._closed = True
            self._clock.callLater(0, self._overflowed)  # the sender must not meet its own end inside send_*
            return
        self._packets.append((binary, packet))
        self._bytes += len(packet)
        if self._parked is not None and len(self._packets) == 1:
            self._flushes.add(self)

    def _overflowed(self) -> None:
        self._closed = False
        self._end("transport error")

    def _end(self, reason: str) -> None:
        """The session ends by the transport's own fault or its peer's; the receiver learns of it."""
        if self._closed:
            return
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

    def pending_bytes(self) -> int:
        return self._bytes

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            if self._inbox:
                self._clock.callLater(0, self._deliver)

    def bind(self, receiver: IReceiver) -> None:
        self._receiver = receiver

    def close(self, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._receiver = NOBODY
        parked = self._forget_parked()
        if parked is not None:
            self._packets.append((False, NOOP if self._peer_closed else CLOSE))
            self._respond(parked)
        elif any(binary or packet.startswith(MESSAGE) for binary, packet in self._packets):
            self._linger(self)
        if not self._delivering:
            self._finish_post(ok=False)

    def abort(self, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._receiver = NOBODY
        self._packets.clear()
        self._bytes = 0
        parked = self._forget_parked()
        if parked is not None:
            answer(parked, 200, CLOSE, TEXT)
        if not self._delivering:
            self._finish_post(ok=False)

    def set_upgrading(self, upgrading: bool) -> None:
        self._upgrading = upgrading and not self._closed
        if self._upgrading:
            self._release()

    def take_pending(self) -> list[tuple[bool, bytes]]:
        packets, self._packets, self._bytes = self._packets, [], 0
        self._closed = True
        self._receiver = NOBODY
        self._release()
        if not self._delivering:
            self._finish_post(ok=False)
        return packets
