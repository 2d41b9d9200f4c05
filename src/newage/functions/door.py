"""``@function``: makes of a Python function one that clients can call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from attrs import frozen

from newage.functions.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


@frozen(eq=False)
class Offered(Generic[P, R]):
    """A function that clients may call. Called from Python, it is the function itself.

    ``quick``: a ``def`` that computes at once and runs in the hub's own thread; it may return a Deferred.
    """

    run: Callable[P, R]
    signature: Signature
    quick: bool = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.run(*args, **kwargs)


@overload
def function(run: Callable[P, R], /) -> Offered[P, R]: ...


@overload
def function(*, quick: bool = False) -> Callable[[Callable[P, R]], Offered[P, R]]: ...


def function(run: Callable[..., Any] | None = None, /, *, quick: bool = False) -> Any:
    """Offer a function to clients: ``@function``, or ``@function(quick=True)``.

    Its signature says what it takes: ``str int float bool list dict None``, ``list[int]``, ``dict[str, float]``,
    ``str | None``, ``Literal["a", "b"]``, ``Any``; a parameter of type ``Who`` is given the caller. It returns JSON.
    ``raise BadArguments("words")`` refuses an argument, ``raise CallFailed("words")`` says what went wrong; of any
    other exception the caller hears nothing but that there was one.

    An ``async def`` runs in the hub's thread and must never block; a ``def`` runs in a thread of its own.

    :raises TypeError: no client can give what the signature asks for.
    """
    if run is None:
        return lambda each: Offered(each, Signature.of(each), quick)
    return Offered(run, Signature.of(run), quick)
