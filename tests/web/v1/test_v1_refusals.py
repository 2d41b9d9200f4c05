"""Failures that have a word of OpenAI's own."""

from __future__ import annotations

import pytest

from newage.errors import NotAuthorised, NotFound
from newage.web.json_errors import HttpRefusal
from newage.web.v1.refusals import NO_MODEL, model_not_found


def test_a_model_that_is_not_there_has_its_own() -> None:
    with pytest.raises(HttpRefusal, match=r"None\.") as refused, model_not_found():
        raise NotFound("None.")
    assert refused.value.sort == NO_MODEL
    with pytest.raises(NotAuthorised), model_not_found():
        raise NotAuthorised("Not you.")
