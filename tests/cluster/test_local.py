"""The cluster of one process."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from newage.cluster.local import LocalAdapter
from newage.domain.delivery import EVERYBODY, Emission
from newage.ports import IClusterAdapter


def test_emissions_are_delivered_at_once_and_in_order() -> None:
    delivered: list[Emission] = []
    adapter = LocalAdapter(delivered.append)
    assert verifyObject(IClusterAdapter, adapter)
    emissions = [Emission("/", name, (), (EVERYBODY,)) for name in "abc"]
    for emission in emissions:
        adapter.broadcast(emission)
    assert delivered == emissions
