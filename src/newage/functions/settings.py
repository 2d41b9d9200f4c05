"""What plug-ins may cost the hub and its people."""

from __future__ import annotations

from attrs import frozen

from newage.settings import limit


@frozen(kw_only=True)
class PluginSettings:
    """Limits of each function and plug-in that the operator has installed."""

    says_per_minute: int = limit(60, "messages that one plug-in may say in a minute, in all rooms")
    max_say_bytes: int = limit(65_536, "bytes of one of these as UTF-8")
    max_result_bytes: int = limit(524_288, "bytes of what a function returns, as JSON")
    max_plugin_rooms: int = limit(1000, "rooms that a plug-in waits for before they exist")
    handlers_at_once: int = limit(8, "messages that one plug-in is handling at the same time")
    max_waiting_messages: int = limit(256, "messages that wait for one plug-in; beyond, the oldest go")
    handler_seconds: int = limit(900, "seconds that the handling of one message may take")
    plugin_threads: int = limit(2, "threads of each plug-in and function that is no `async def`")
    max_thread_queue: int = limit(64, "calls that these threads have taken and not yet done")
