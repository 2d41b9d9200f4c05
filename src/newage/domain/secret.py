"""A string that nobody shall read by accident."""

from __future__ import annotations

from typing import Final

SHOWN: Final = "(secret)"


class Secret:
    """Whatever prints, formats or pickles it gets ``SHOWN``; who needs it says ``reveal``. An empty one is false."""

    __slots__ = ("__value",)

    def __init__(self, value: str = "") -> None:
        self.__value = value

    def reveal(self) -> str:
        return self.__value

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.__value == self.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __repr__(self) -> str:
        return SHOWN

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (SHOWN,)
