"""What the hub remembers of itself from one run to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from attrs import field, frozen

from newage.domain.model import ConnectionPolicy, RequestMode, read_only

ManualAssignments: TypeAlias = "Mapping[str, tuple[str, ...]]"  # a room -> identities of extensions


@frozen(kw_only=True)
class HubState:
    """None, and the empty text, stand for what was never stored."""

    policy: ConnectionPolicy | None = None
    default_mode: RequestMode | None = None
    assignments: ManualAssignments = field(factory=dict, converter=read_only)  # by the room's id
    assignments_by_name: ManualAssignments = field(factory=dict, converter=read_only)  # of rooms that were not there
    extensions: tuple[str, ...] = ()  # in order of first connection ever
    running_seconds: float = 0.0  # how long the hub has run, in all its runs together
    keys_imported: str = ""  # when keys/clients.json was taken over: ISO-8601
