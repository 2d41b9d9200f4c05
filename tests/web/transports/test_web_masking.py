"""Autobahn's masking routine, and what guards against one that does not do what it should."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.protocol.websocket_frames import unmask
from newage.web.transports import masking
from newage.web.transports.masking import find_native, frame_rules, is_right


@given(st.binary(max_size=1_300), st.binary(min_size=4, max_size=4))
def test_it_does_what_big_integers_do(payload: bytes, mask: bytes) -> None:
    assert frame_rules(1, 1).unmask_large(payload, mask) == unmask(payload, mask)


def test_autobahn_has_it() -> None:
    """A new Autobahn without it is as right, and slower: to be looked at."""
    assert masking.native is not None
    assert is_right(masking.native)


def test_one_that_is_wrong_is_found_out() -> None:
    assert not is_right(lambda data, mask: data)
    assert not is_right(lambda data, mask: unmask(data[:-1], mask) + data[-1:])


def test_without_it_big_integers_do_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_nvx_xormasker", None)
    assert find_native() is None
    monkeypatch.setitem(sys.modules, "_nvx_xormasker", ModuleType("another of that name"))
    assert find_native() is None
