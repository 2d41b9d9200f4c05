"""What can be sent to the hub: JSON, without the numbers that Python adds to it. It cuts who sends anything else."""

from __future__ import annotations

import json
from typing import Any

loads = json.loads


def dumps(value: Any, **how: Any) -> str:
    """:raises TypeError: :raises ValueError: it is none."""
    return json.dumps(value, allow_nan=False, **how)


def check(value: Any) -> None:
    """As ``dumps``."""
    dumps(value)
