"""One Engine.IO connection: drives the protocol's machine and the layer above with one sink and one timer.

Whatever arrives is handled without raising: a peer that breaks the protocol, or a fault of ours, ends this connection
and no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

from attrs import field, frozen
from twisted.logger import Logger
from zope.interface import implementer

from newage.errors import ProtocolError
from newage.gateway.engineio.joinless import Joinless
from newage.gateway.engineio.slow_reader import SlowReader
from newage.gateway.engineio.timers import Timer, Timers
from newage.gateway.engineio.upgrade import Probe
from newage.gateway.engineio.upper import Upper
from newage.gateway.settings import GatewaySettings
from newage.ports import IFrameSink, IPollingSink, IReceiver
from newage.protocol.arrival import Arrival, Patience
from newage.protocol.engine_packet import MESSAGE, PING, PROBE_PONG, SharedPacket, decode_base64, is_base64
from newage.protocol.engine_session import EngineSession, EngineSettings, Signal
from newage.telemetry import LogQuota
from newage.telemetry.refusals import Refusals

if TYPE_CHECKING:
    from newage.domain.model import Peer

_log = Logger()

TRANSPORT_CLOSE = "transport close"
PING_TIMEOUT = "ping timeout"
PARSE_ERROR = "parse error"
SERVER_ERROR = "server error"
SLOW_CONSUMER = "slow consumer"

_PONG = b"3"
_TOO_SLOW = "a client at {address} reads too slowly and is cut"
_MESSAGE = 0x34

MakeUpper: TypeAlias = "Callable[[Connection], Upper]"  # called while the connection is made


@frozen(kw_only=True)
class EngineContext:
    """What the connections of one server share.

    :ivar forget: told of each connection that has ended, once.
    :ivar broken: how much is logged of clients that broke the protocol.
    :ivar joinless: those that were admitted nowhere yet.
    :ivar refusals: tells who was turned away, and why, and what else anybody may provoke.
    """

    engine: EngineSettings
    limits: GatewaySettings
    timers: Timers
    make_upper: MakeUpper
    forget: Callable[[Connection], None]
    broken: LogQuota
    joinless: Joinless[Connection]
    refusals: Refusals
    credit: int = field(init=False)  # bytes that may be sent until the sink's queue is looked at

    @credit.default
    def _part_of_the_limit(self) -> int:
        return self.limits.max_outbound_bytes // 16


@implementer(IReceiver)
class Connection:
    """``sid`` names it in URLs and is a secret of its client; ``sink`` is its transport of the moment."""

    __slots__ = (
        "_draining",
        "_inbox",
        "_inbox_bytes",
        "_patience",
        "_pauses",
        "_probe",
        "_reader",
        "_session",
        "_slow_path",
        "_spent",
        "_timer",
        "_upgrading",
        "_upper",
        "closed",
        "context",
        "credit",
        "peer",
        "sid",
        "sink",
    )

    def __init__(self, sid: str, sink: IFrameSink, peer: Peer, context: EngineContext) -> None:
        self.sid = sid
        self.sink = sink
        self.peer = peer
        self.context = context
        self.closed = False
        self.credit = context.credit
        self._session = EngineSession(context.engine, context.timers.now())
        self._reader = SlowReader(context.limits)
        self._upper: Upper = context.make_upper(self)
        self._probe: Probe | None = None
        self._inbox: deque[tuple[bool, bytes]] | None = None  # (is binary, packet): what arrived while paused
        self._inbox_bytes = 0
        self._patience = Patience(context.limits.least_bytes_per_second)
        self._upgrading = Arrival(context.limits.least_bytes_per_second)  # the POST that the client finishes meanwhile
        self._spent = 0  # bytes sent, but for those since the last look at the sink's queue
        self._pauses = 0
        self._draining = False
        self._slow_path = False  # what arrives is more than a message to hand on: see ``_intercept``
        self._timer: Timer | None = None
        self.arm()

    @property
    def has_to_join(self) -> bool:
        """Whether it is nothing before it has joined something."""
        return self._upper.has_to_join

    def seen(self, peer: Peer) -> None:
        """One more request of this session, judged like its first: it may take rights away, never add any."""
        self.peer = self.peer.joined(peer)

    # ------------------------------------------------------------------------------------------------------ receiving

    def text_received(self, packet: bytes) -> None:
        if self._slow_path and self._intercept(False, packet):
            return
        try:
            if 0 < len(packet) <= self._upper.cap and packet[0] == _MESSAGE:
                self._upper.text(packet)
            else:
                self._control(packet)
        except ProtocolError as error:
            self._broken(error)
        except Exception:
            self.faulty()

    def binary_received(self, payload: bytes) -> None:
        if self._slow_path and self._intercept(True, payload):
            return
        try:
            self._attachment(payload)
        except ProtocolError as error:
            self._broken(error)
        except Exception:
            self.faulty()

    def _attachment(self, payload: bytes) -> None:
        if len(payload) > self.context.engine.max_payload_bytes:
            raise ProtocolError("packet too large")
        self._upper.binary(payload)

    @property
    def paused(self) -> bool:
        """Nothing is taken from the transport at the moment."""
        return self._pauses > 0

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        if sink is self.sink and not self.closed:
            self._end(reason)

    def _control(self, packet: bytes) -> None:
        """Anything but a message of a permitted size. One within the announced size ends nothing (contract A30)."""
        if len(packet) > self.context.engine.max_payload_bytes:
            raise ProtocolError("packet too large")
        if packet[:1] == MESSAGE and len(packet) > self._upper.cap:
            self._upper.oversized(packet)
            return
        if is_base64(packet):
            self._attachment(decode_base64(packet))
            return
        signal = self._session.receive(packet, self.context.timers.now())
        if signal is Signal.CLOSED:
            self.close(TRANSPORT_CLOSE)
        else:
            self._choose_path()
            self.arm()  # after a PONG the next heartbeat may be due before that PONG was

    def _choose_path(self) -> None:
        self._slow_path = self._inbox is not None or self.closed or self._session.wants_to_hear

    def _intercept(self, binary: bool, packet: bytes) -> bool:
        """Ignore it after the end, keep it while paused, count it as a sign of life while a PONG is due.

        :return: whether the packet is dealt with.
        """
        if self.closed:
            return True
        if not binary and packet[:1] == _PONG:
            return False
        self._session.heard(self.context.timers.now())
        if self._inbox is None:
            self._choose_path()
            return False
        self._inbox.append((binary, packet))
        self._inbox_bytes += len(packet)
        # One read of a WebSocket or one POST may still arrive after pause_reading, no more.
        if self._inbox_bytes > 2 * self.context.engine.max_payload_bytes:
            self._broken(ProtocolError("too much at once"))
        return True

    def _broken(self, error: ProtocolError) -> None:
        unsaid = self.context.broken.take()
        if unsaid is not None:
            _log.info(
                "a client at {address} broke the protocol and is disconnected: {why} ({unsaid} more)",
                address=self.peer.address,
                why=str(error),
                unsaid=unsaid,
            )
        self.abort(PARSE_ERROR, str(error))

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
            self._slow_path = True
            self.sink.pause_reading()

    def resume(self) -> None:
        self._pauses -= 1
        inbox = self._inbox
        if self._draining or inbox is None:
            return
        self._draining = True
        while inbox and not self._pauses and not self.closed:
            self._slow_path = False
            binary, packet = inbox.popleft()
            self._inbox_bytes -= len(packet)
            (self.binary_received if binary else self.text_received)(packet)
        self._draining = False
        if not inbox and not self._pauses and not self.closed:
            self._inbox = None
            self.sink.resume_reading()
        self._choose_path()

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
        if self.sink.name == "polling":
            cast("IPollingSink", self.sink).offer(draw)
        else:
            for packet in draw():
                self.send_text(packet)

    def check_outbound(self) -> None:
        """Enough was sent to look at the queue of the sink; whoever is too slow is cut, in a later turn."""
        context = self.context
        self._spent += context.credit - self.credit
        self.credit = context.credit
        pending = self.sink.pending_bytes()
        if pending > context.limits.max_outbound_bytes and not self.closed:
            self._reader.exceeded(pending, context.timers.now())
            self.arm()

    def interpose(self, sink: IFrameSink, receiver: IReceiver) -> None:
        """Send through ``sink``, and receive through ``receiver``: both stand before the transport of the moment."""
        self.sink.bind(receiver)
        self.sink = sink

    # ---------------------------------------------------------------------------------------------------------- times

    def arm(self) -> None:
        """See to it that ``_tick`` runs at the next deadline; one that moved away is found out there."""
        if self.closed:
            return
        when = min(self._session.deadline, self._upper.deadline, self._reader.deadline)
        if self._timer is not None:
            if self._timer[0] <= when:
                return
            self.context.timers.cancel(self._timer)
        self._timer = self.context.timers.at(when, self._tick)

    def _tick(self, now: float) -> None:
        self._timer = None
        if self._pauses or (
            self._session.pong_overdue(now)
            and self._patience.lasts(
                arriving=self.sink.arriving_bytes(), taken=self._queued() - self.sink.pending_bytes(), now=now
            )
        ):
            self._session.restart_pong_timeout(now)
        if self._session.probe_overdue(now) and self._is_posting(now):
            self._session.prolong_probe(now)
        try:
            if self._reader.deadline <= now:  # before more is sent, which the transport could not have written yet
                self._judge_reader(now)
            while not self.closed and self._session.deadline <= now:
                self._act_on(self._session.tick(now))
            if not self.closed:
                self._upper.tick(now)
        except ProtocolError as error:
            self._broken(error)
        except Exception:
            self.faulty()
        self.arm()

    def _is_posting(self, now: float) -> bool:
        """Whether the client that is upgrading still sends its last POST."""
        return self._probe is not None and self._upgrading.goes_on(self._probe.polling.arriving_bytes(), now)

    def _queued(self) -> int:
        """Bytes that were ever sent, whoever has them."""
        return self._spent + self.context.credit - self.credit

    def _judge_reader(self, now: float) -> None:
        if self._reader.is_too_slow(self.sink.pending_bytes(), now):
            self.context.refusals.say(_TOO_SLOW, address=self.peer.address)
            self.abort(SLOW_CONSUMER)

    def _act_on(self, signal: Signal) -> None:
        if signal is Signal.SEND_PING:
            queued, now = self._queued(), self.context.timers.now()
            sink = self.sink
            taken = queued - sink.pending_bytes()
            self._patience.pinged(arriving=sink.arriving_bytes(), taken=taken, queued=queued, now=now)
            self.send_text(PING)
            self._slow_path = True
        elif signal is Signal.TIMED_OUT:
            self.abort(PING_TIMEOUT)
        elif signal is Signal.PROBE_FAILED and self._probe is not None:
            self._probe.sink.close("upgrade timeout")
            self._drop_probe(self._probe)

    # -------------------------------------------------------------------------------------------------------- upgrade

    def start_probe(self, sink: IFrameSink) -> None:
        """A WebSocket with this sid appeared: let it probe, or close it. One at a time, once, from polling only."""
        polling = self.sink
        if not IPollingSink.providedBy(polling) or not self._session.start_probe(self.context.timers.now()):
            sink.close("bad upgrade")
            return
        self._probe = Probe(self, sink, polling)
        self._upgrading.begin(polling.arriving_bytes(), self.context.timers.now())
        self.arm()

    def probe_received(self, probe: Probe, packet: bytes) -> None:
        """A packet of the probing transport."""
        if probe is not self._probe:
            return
        signal = self._session.probe_received(packet, self.context.timers.now())
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

    def abort(self, reason: str, words: str = "") -> None:
        """Close at once; idempotent.

        :param words: what the peer reads, if there is more to say than the reason.
        """
        if not self.closed:
            self.sink.abort(words or reason)
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.closed = self._slow_path = True
        self._session.close()
        self._inbox = None
        if self._timer is not None:
            self.context.timers.cancel(self._timer)
            self._timer = None
        if self._probe is not None:
            self._probe.sink.close(reason)
            self._probe = None
        self.context.forget(self)
        try:
            self._upper.closed(reason)
        except Exception:
            _log.failure("the end of a connection broke")
