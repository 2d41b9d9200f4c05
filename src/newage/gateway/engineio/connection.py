"""One Engine.IO connection: drives the protocol's machine and the layer above with one sink and one timer.

Whatever arrives is handled without raising: a peer that breaks the protocol, or a fault of ours, ends this connection
and no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.logger import Logger
from zope.interface import implementer

from newage.errors import ProtocolError
from newage.ports import IFrameSink, IPollingSink, IReceiver
from newage.protocol.engine_packet import MESSAGE, PING, PROBE_PONG, SharedPacket, decode_base64, is_base64
from newage.protocol.engine_session import NEVER, EngineSession, Signal

if TYPE_CHECKING:
    from newage.domain.model import Peer
    from newage.gateway.engineio.engines import Gateway
    from newage.gateway.engineio.timers import Timer

_log = Logger()

TRANSPORT_CLOSE = "transport close"
PING_TIMEOUT = "ping timeout"
PARSE_ERROR = "parse error"
SERVER_ERROR = "server error"
SLOW_CONSUMER = "slow consumer"

_PONG = b"3"
_MESSAGE = 0x34
_RECHECK_SECONDS = 0.25  # how often a slow reader is looked at


class Upper(Protocol):
    """The layer above: Socket.IO (``client.Client``), or plain messages (``plain.Plain``)."""

    @property
    def deadline(self) -> float: ...
    def text(self, packet: bytes) -> None: ...
    def binary(self, payload: bytes) -> None: ...
    def oversized(self, packet: bytes) -> None: ...
    def tick(self, now: float) -> None: ...
    def closed(self, reason: str) -> None: ...


@implementer(IReceiver)
class Connection:
    """``sid`` names it in URLs and is a secret of its client; ``sink`` is its transport of the moment."""

    __slots__ = (
        "_draining",
        "_gateway",
        "_inbox",
        "_inbox_bytes",
        "_pauses",
        "_probe",
        "_rare",
        "_session",
        "_slow_since",
        "_timer",
        "_upper",
        "_verdict",
        "cap",
        "closed",
        "credit",
        "peer",
        "sid",
        "sink",
    )

    def __init__(self, sid: str, sink: IFrameSink, peer: Peer, gateway: Gateway) -> None:
        self.sid = sid
        self.sink = sink
        self.peer = peer
        self.closed = False
        self.cap = gateway.first_cap  # bytes of a message that is read; the layer above raises it
        self.credit = gateway.credit  # bytes that may be sent until the sink's queue is looked at
        self._gateway = gateway
        self._session = EngineSession(gateway.engine, gateway.timers.now())
        self._upper: Upper = gateway.make_upper(self)
        self._probe: Probe | None = None
        self._inbox: deque[tuple[bool, bytes]] | None = None  # (is binary, packet): what arrived while paused
        self._inbox_bytes = 0
        self._pauses = 0
        self._draining = False
        self._rare = False  # something is unusual: look closer at what arrives
        self._slow_since = NEVER
        self._verdict: Timer | None = None
        self._timer: Timer | None = None
        self.arm()

    def seen(self, peer: Peer) -> None:
        """One more request of this session, judged like its first: it may take rights away, never add any."""
        self.peer = self.peer.joined(peer)

    # ------------------------------------------------------------------------------------------------------ receiving

    def text_received(self, packet: bytes) -> None:
        if self._rare and self._set_aside(False, packet):
            return
        try:
            if 0 < len(packet) <= self.cap and packet[0] == _MESSAGE:
                self._upper.text(packet)
            else:
                self._control(packet)
        except ProtocolError as error:
            self._broken(error)
        except Exception:
            self.faulty()

    def binary_received(self, payload: bytes) -> None:
        if self._rare and self._set_aside(True, payload):
            return
        try:
            self._attachment(payload)
        except ProtocolError as error:
            self._broken(error)
        except Exception:
            self.faulty()

    def _attachment(self, payload: bytes) -> None:
        if len(payload) > self._gateway.engine.max_payload_bytes:
            raise ProtocolError("packet too large")
        self._upper.binary(payload)

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        if sink is self.sink and not self.closed:
            self._end(reason)

    def _control(self, packet: bytes) -> None:
        """Anything but a message of a permitted size. One within the announced size ends nothing (contract A30)."""
        if len(packet) > self._gateway.engine.max_payload_bytes:
            raise ProtocolError("packet too large")
        if packet[:1] == MESSAGE and len(packet) > self.cap:
            self._upper.oversized(packet)
            return
        if is_base64(packet):
            self._attachment(decode_base64(packet))
            return
        signal = self._session.receive(packet, self._gateway.timers.now())
        if signal is Signal.CLOSED:
            self.close(TRANSPORT_CLOSE)
        else:
            self._look_closer()

    def _look_closer(self) -> None:
        self._rare = self._inbox is not None or self.closed or self._session.wants_to_hear

    def _set_aside(self, binary: bool, packet: bytes) -> bool:
        """:return: whether the packet is dealt with."""
        if self.closed:
            return True
        if not binary and packet[:1] == _PONG:
            return False
        self._session.heard(self._gateway.timers.now())
        if self._inbox is None:
            self._look_closer()
            return False
        self._inbox.append((binary, packet))
        self._inbox_bytes += len(packet)
        # One read of a WebSocket or one POST may still arrive after pause_reading, no more.
        if self._inbox_bytes > 2 * self._gateway.engine.max_payload_bytes:
            self._broken(ProtocolError("too much at once"))
        return True

    def _broken(self, error: ProtocolError) -> None:
        unsaid = self._gateway.broken.take()
        if unsaid is not None:
            _log.info(
                "a client at {address} broke the protocol and is disconnected: {why} ({unsaid} more)",
                address=self.peer.address,
                why=str(error),
                unsaid=unsaid,
            )
        self.abort(PARSE_ERROR)

    def faulty(self) -> None:
        """A mistake of ours, to be logged with the exception of the moment."""
        _log.failure("a connection of {address} is closed for a fault", address=self.peer.address)
        self.abort(SERVER_ERROR)

    # -------------------------------------------------------------------------------------------------------- pausing

    def pause(self) -> None:
        """Take nothing more from the transport; counted, each needs its ``resume``."""
        self._pauses += 1
        if self._inbox is None:
            self._inbox = deque()
            self._inbox_bytes = 0
            self._rare = True
            self.sink.pause_reading()

    def resume(self) -> None:
        self._pauses -= 1
        inbox = self._inbox
        if self._draining or inbox is None:
            return
        self._draining = True
        while inbox and not self._pauses and not self.closed:
            self._rare = False
            binary, packet = inbox.popleft()
            self._inbox_bytes -= len(packet)
            (self.binary_received if binary else self.text_received)(packet)
        self._draining = False
        if not inbox and not self._pauses and not self.closed:
            self._inbox = None
            self.sink.resume_reading()
        self._look_closer()

    # -------------------------------------------------------------------------------------------------------- sending

    def send_text(self, packet: bytes) -> None:
        """One Engine.IO text packet, its kind included."""
        self.sink.send_text(packet)
        self.credit -= len(packet)
        if self.credit < 0:
            self.check_outbound()

    def send_shared(self, packet: SharedPacket) -> None:
        self.sink.send_shared(packet)
        self.credit -= len(packet.packet)
        if self.credit < 0:
            self.check_outbound()

    def send_binary(self, payload: bytes) -> None:
        self.sink.send_binary(payload)
        self.credit -= len(payload)
        if self.credit < 0:
            self.check_outbound()

    def offer(self, draw: Callable[[], list[bytes]]) -> None:
        """Send the text packets that ``draw()`` returns, now or when a polling client comes for them."""
        sink: Any = self.sink
        if sink.name == "polling":
            sink.offer(draw)
        else:
            for packet in draw():
                self.send_text(packet)

    def check_outbound(self) -> None:
        """Enough was sent to look at the queue of the sink.

        A reader over ``max_outbound_bytes`` has a grace to catch up, for one large answer is not a slow reader; over
        ``max_outbound_burst_bytes`` there is none. Judged in the next turn: by then the transport had its chance to
        write.
        """
        gateway = self._gateway
        self.credit = gateway.credit
        pending = self.sink.pending_bytes()
        if pending <= gateway.settings.max_outbound_bytes or self.closed:
            return
        now = gateway.timers.now()
        if self._slow_since == NEVER:
            self._slow_since = now
        elif pending <= gateway.settings.max_outbound_burst_bytes:
            return
        if self._verdict is not None:
            gateway.timers.cancel(self._verdict)
        self._verdict = gateway.timers.at(now, self._judge)

    def _judge(self, now: float) -> None:
        gateway = self._gateway
        limit = gateway.settings.max_outbound_bytes
        pending = self.sink.pending_bytes()
        over = self._slow_since + gateway.settings.outbound_grace_seconds
        if pending <= limit:
            self._slow_since, self._verdict = NEVER, None
        elif pending > gateway.settings.max_outbound_burst_bytes or now >= over:
            _log.info("a client at {address} reads too slowly and is cut", address=self.peer.address)
            self.abort(SLOW_CONSUMER)
        else:
            self._verdict = gateway.timers.at(min(now + _RECHECK_SECONDS, over), self._judge)

    # ---------------------------------------------------------------------------------------------------------- times

    def arm(self) -> None:
        """See to it that ``_tick`` runs at the next deadline; one that moved away is found out there."""
        if self.closed:
            return
        when = min(self._session.deadline, self._upper.deadline)
        if self._timer is not None:
            if self._timer[0] <= when:
                return
            self._gateway.timers.cancel(self._timer)
        self._timer = self._gateway.timers.at(when, self._tick)

    def _tick(self, now: float) -> None:
        self._timer = None
        if self._pauses:
            self._session.excuse(now)
        try:
            while not self.closed and self._session.deadline <= now:
                self._obey(self._session.tick(now))
            if not self.closed:
                self._upper.tick(now)
        except ProtocolError as error:
            self._broken(error)
        except Exception:
            self.faulty()
        self.arm()

    def _obey(self, signal: Signal) -> None:
        if signal is Signal.SEND_PING:
            self.send_text(PING)
            self._rare = True
        elif signal is Signal.TIMED_OUT:
            self.abort(PING_TIMEOUT)
        elif signal is Signal.PROBE_FAILED and self._probe is not None:
            self._probe.sink.close("upgrade timeout")
            self._drop_probe(self._probe)

    # -------------------------------------------------------------------------------------------------------- upgrade

    def start_probe(self, sink: IFrameSink) -> None:
        """A WebSocket with this sid appeared: let it probe, or close it. One at a time, once, from polling only."""
        polling = self.sink
        if not IPollingSink.providedBy(polling) or not self._session.start_probe(self._gateway.timers.now()):
            sink.close("bad upgrade")
            return
        self._probe = Probe(self, sink, polling)
        self.arm()

    def probe_received(self, probe: Probe, packet: bytes) -> None:
        """A packet of the probing transport."""
        if probe is not self._probe:
            return
        signal = self._session.probe_received(packet, self._gateway.timers.now())
        if signal is Signal.PROBED:
            probe.sink.send_text(PROBE_PONG)
            probe.polling.set_upgrading(True)
        elif signal is Signal.UPGRADED:
            self._upgrade(probe)
        else:
            self._drop_probe(probe)
            probe.sink.close("bad upgrade")

    def probe_closed(self, probe: Probe) -> None:
        """The probing transport is gone: go on with polling."""
        if probe is self._probe:
            self._session.end_probe()
            self._drop_probe(probe)

    def _upgrade(self, probe: Probe) -> None:
        self._probe = None
        sink = self.sink = probe.sink
        sink.bind(self)
        for binary, packet in probe.polling.take_pending():
            (sink.send_binary if binary else sink.send_text)(packet)
        if self._inbox is not None:
            sink.pause_reading()

    def _drop_probe(self, probe: Probe) -> None:
        self._probe = None
        probe.polling.set_upgrading(False)

    # ------------------------------------------------------------------------------------------------------------ end

    def close(self, reason: str) -> None:
        """Send what is queued, then close; idempotent."""
        if not self.closed:
            self.sink.close(reason)
            self._end(reason)

    def abort(self, reason: str) -> None:
        """Close at once; idempotent."""
        if not self.closed:
            self.sink.abort(reason)
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.closed = self._rare = True
        self._session.close()
        self._inbox = None
        gateway = self._gateway
        for timer in (self._timer, self._verdict):
            if timer is not None:
                gateway.timers.cancel(timer)
        self._timer = self._verdict = None
        if self._probe is not None:
            self._probe.sink.close(reason)
            self._probe = None
        gateway.forget(self)
        try:
            self._upper.closed(reason)
        except Exception:
            _log.failure("the end of a connection broke")


@implementer(IReceiver)
class Probe:
    """What a WebSocket that wants to take over from polling feeds. It is bound until it won or lost."""

    __slots__ = ("_connection", "polling", "sink")

    def __init__(self, connection: Connection, sink: IFrameSink, polling: IPollingSink) -> None:
        self._connection = connection
        self.sink = sink
        self.polling = polling
        sink.bind(self)

    def text_received(self, packet: bytes) -> None:
        self._say(packet)

    def binary_received(self, payload: bytes) -> None:
        self._say(b"")  # nothing that a probe may say

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        self._connection.probe_closed(self)

    def _say(self, packet: bytes) -> None:
        try:
            self._connection.probe_received(self, packet)
        except Exception:
            self._connection.faulty()
