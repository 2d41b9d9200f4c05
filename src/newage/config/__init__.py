"""The configuration: its tables, where their values are said, and the sample of all of them."""

from __future__ import annotations

from newage.config.load import ENV_PREFIX, MEMBERS, load, members
from newage.config.sample import sample
from newage.config.tables import Config, Key, ServerSettings, is_exposed, sections

__all__ = [
    "ENV_PREFIX",
    "MEMBERS",
    "Config",
    "Key",
    "ServerSettings",
    "is_exposed",
    "load",
    "members",
    "sample",
    "sections",
]
