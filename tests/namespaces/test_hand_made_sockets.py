"""The sockets that tests make by hand are sockets: they cannot offer to handlers what the gateway does not."""

from __future__ import annotations

from pathlib import Path

from zope.interface.verify import verifyObject

from authkit import FakeSocket, Gatehouse
from hubkit import HandSocket, Kit
from newage.ports import ISocket


def test_of_a_kit(kit: Kit) -> None:
    assert verifyObject(ISocket, HandSocket(kit, kit.connect("web1")))


def test_of_a_house(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, network_safe=True)
    assert verifyObject(ISocket, FakeSocket(house, house.door.open("/llm")).connect({"clientId": "web1"}))
