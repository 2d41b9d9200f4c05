"""Under which names the small values are stored that outlive a restart; once used, a name keeps its meaning."""

from __future__ import annotations

from typing import Final

DEFAULT_MODE: Final = "messageRequestMode"
CONNECTION_POLICY: Final = "connectionPolicy"
ROOM_ASSIGNMENTS: Final = "roomAssignments"  # room id -> extensions
MANUAL_ASSIGNMENTS: Final = "manualAssignments"  # room name -> extensions, of before rooms had ids
