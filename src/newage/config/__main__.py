"""``python -m newage.config > conf/newage.toml``: every key with its default and what it is for."""

from __future__ import annotations

import os

from newage.config.load import sample

os.write(1, sample().encode("utf-8"))
