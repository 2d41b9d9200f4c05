"""What plug-ins may cost the hub and its people."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge


@frozen(kw_only=True)
class PluginSettings:
    """Limits of each function and plug-in that the operator has installed."""

    says_per_minute: int = field(
        default=60, validator=ge(1), metadata={"doc": "messages that one plug-in may say in a minute, in all rooms"}
    )
    max_say_bytes: int = field(default=65_536, validator=ge(1), metadata={"doc": "bytes of one of these as UTF-8"})
    max_result_bytes: int = field(
        default=524_288, validator=ge(1), metadata={"doc": "bytes of what a function returns, as JSON"}
    )
    max_plugin_rooms: int = field(
        default=1000, validator=ge(1), metadata={"doc": "rooms that a plug-in waits for before they exist"}
    )
    handlers_at_once: int = field(
        default=8, validator=ge(1), metadata={"doc": "messages that one plug-in is handling at the same time"}
    )
    max_waiting_messages: int = field(
        default=256, validator=ge(1), metadata={"doc": "messages that wait for one plug-in; beyond, the oldest go"}
    )
    handler_seconds: int = field(
        default=900, validator=ge(1), metadata={"doc": "seconds that the handling of one message may take"}
    )
    plugin_threads: int = field(
        default=2, validator=ge(1), metadata={"doc": "threads of each plug-in and function that is no `async def`"}
    )
    max_thread_queue: int = field(
        default=64, validator=ge(1), metadata={"doc": "calls that these threads have taken and not yet done"}
    )
