"""``python -m newage.config`` prints the text of ``conf/newage.toml``."""

from __future__ import annotations

import os

from newage.config.sample import sample

os.write(1, sample().encode("utf-8"))
