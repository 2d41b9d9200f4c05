"""Failures that have a word of OpenAI's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from newage.errors import NotFound
from newage.web.json_errors import HttpRefusal, Sort

NO_MODEL: Final = Sort(404, "invalid_request_error", "model_not_found")


@contextmanager
def model_not_found() -> Iterator[None]:
    """What is not found in here is a model.

    :raises HttpRefusal: it is not.
    """
    try:
        yield
    except NotFound as error:
        raise HttpRefusal(NO_MODEL, str(error)) from error
