"""One Engine.IO v4 session as a machine: heartbeat, upgrade, close. No sockets, no clock: time is an argument.

The driver feeds packets to ``receive`` (of the session's transport) and ``probe_received`` (of a WebSocket that wants
to take over) and does what the returned ``Signal`` says. It calls ``tick`` once ``deadline`` has passed. MESSAGE
packets are the upper layer's; a driver may hand these over without asking here, if it calls ``heard`` while a PONG is
due.
"""

from __future__ import annotations

from enum import Enum, auto

from attrs import frozen

from newage.errors import ProtocolError
from newage.protocol.engine_packet import CLOSE, KINDS, MESSAGE, PING, PONG, PROBE_PING, UPGRADE
from newage.settings import limit

NEVER = float("inf")
_LATE = 0.1  # of the ping timeout: a tick that is later is our own fault


@frozen(kw_only=True)
class EngineSettings:
    """Engine.IO's times and sizes (contract 2.1); part of the OPEN packet that every client obeys."""

    ping_interval_seconds: float = limit(25.0, "seconds between two heartbeats of a connection")
    ping_timeout_seconds: float = limit(20.0, "seconds a client may take to answer a heartbeat")
    max_payload_bytes: int = limit(
        1_000_000, "bytes of the largest inbound message, attachments included, and of a polling POST"
    )
    upgrade_timeout_seconds: float = limit(10.0, "seconds an upgrade from polling to WebSocket may take")
    connect_timeout_seconds: float = limit(10.0, "seconds without joining a namespace until the connection is closed")


class Signal(Enum):
    """What the driver has to do now."""

    NOTHING = auto()
    MESSAGE = auto()  # hand the packet to the upper layer
    SEND_PING = auto()  # send PING on the session's transport
    TIMED_OUT = auto()  # the peer is silent: close
    CLOSED = auto()  # the peer said CLOSE
    PROBED = auto()  # answer the probe with PROBE_PONG and let no GET park, or the client could not stop polling
    UPGRADED = auto()  # the probing transport is the session's from now on
    PROBE_FAILED = auto()  # close the probing transport, go on as before


class EngineSession:
    """The machine. Times are seconds on the caller's clock."""

    __slots__ = ("_extended", "_heartbeat", "_probe_limit", "_settings", "awaiting_pong", "closed")

    def __init__(self, settings: EngineSettings, now: float) -> None:
        self._settings = settings
        self._heartbeat = now + settings.ping_interval_seconds
        self._extended = False
        self._probe_limit = NEVER
        self.awaiting_pong = False
        self.closed = False

    @property
    def deadline(self) -> float:
        """When ``tick`` is due."""
        return min(self._heartbeat, self._probe_limit)

    @property
    def probing(self) -> bool:
        return self._probe_limit != NEVER

    @property
    def wants_to_hear(self) -> bool:
        """Whether ``heard`` would change anything."""
        return self.awaiting_pong and not self._extended

    def pong_overdue(self, now: float) -> bool:
        """Whether the next ``tick`` says TIMED_OUT, unless the PONG's time starts anew."""
        return self.awaiting_pong and now >= self._heartbeat

    def probe_overdue(self, now: float) -> bool:
        """Whether the next ``tick`` says PROBE_FAILED, unless the probe is prolonged."""
        return now >= self._probe_limit

    def receive(self, packet: bytes, now: float) -> Signal:
        """Take one text packet of the session's transport.

        :raises ProtocolError: empty, of unknown kind, or a PING: heartbeats go from server to client.
        """
        if self.closed:
            return Signal.NOTHING
        kind = packet[:1]
        if not kind or kind not in KINDS:
            raise ProtocolError("unknown packet kind")
        if kind == PING:
            raise ProtocolError("heartbeat in the wrong direction")
        if kind == PONG:
            # One that nobody waits for must not start anything (CVE-2026-48802).
            if self.awaiting_pong:
                self.awaiting_pong = False
                self._heartbeat = now + self._settings.ping_interval_seconds
            return Signal.NOTHING
        self.heard(now)
        if kind == MESSAGE:
            return Signal.MESSAGE
        if kind == CLOSE:
            self.close()
            return Signal.CLOSED
        return Signal.NOTHING

    def heard(self, now: float) -> None:
        """Any packet while a PONG is due proves life, and extends its deadline once."""
        if self.awaiting_pong and not self._extended:
            self._extended = True
            self._heartbeat = now + self._settings.ping_timeout_seconds

    def restart_pong_timeout(self, now: float) -> None:
        """The peer's PONG cannot arrive yet, for we do not read or something is before it: start its time anew."""
        if self.awaiting_pong:
            self._heartbeat = now + self._settings.ping_timeout_seconds

    def tick(self, now: float) -> Signal:
        """Do the one thing that is due; call again while ``deadline`` has passed."""
        if self.closed or now < self.deadline:
            return Signal.NOTHING
        if now >= self._probe_limit:
            self.end_probe()
            return Signal.PROBE_FAILED
        if self.awaiting_pong:
            self.close()
            return Signal.TIMED_OUT
        self.awaiting_pong = True
        self._extended = False
        # The usual millisecond by which a timer is late is not the peer's to gain, a process that stood still is.
        timeout = self._settings.ping_timeout_seconds
        late = now - self._heartbeat > timeout * _LATE
        self._heartbeat = timeout + (now if late else self._heartbeat)
        return Signal.SEND_PING

    def start_probe(self, now: float) -> bool:
        """A second transport appeared. :return: whether it may try; one at a time."""
        if self.closed or self.probing:
            return False
        self._probe_limit = now + self._settings.upgrade_timeout_seconds
        return True

    def prolong_probe(self, now: float) -> None:
        """The client has to finish what it does on the old transport first, and is at it."""
        self._probe_limit = now + self._settings.upgrade_timeout_seconds

    def probe_received(self, packet: bytes, now: float) -> Signal:
        """Take one text packet of the probing transport; anything but the two expected ones ends the probe.

        As lenient as the reference: a probe may be repeated or left out, and an upgrade may have data.
        """
        if self.closed or not self.probing:
            return Signal.NOTHING
        if packet == PROBE_PING:
            return Signal.PROBED
        upgraded = packet[:1] == UPGRADE
        self.end_probe()
        return Signal.UPGRADED if upgraded else Signal.PROBE_FAILED

    def end_probe(self) -> None:
        """The probing transport is gone, or won."""
        self._probe_limit = NEVER

    def close(self) -> None:
        """Nothing is due any more."""
        self.closed = True
        self.awaiting_pong = False
        self._heartbeat = NEVER
        self.end_probe()
