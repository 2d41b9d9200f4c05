"""What answers over HTTP beside Socket.IO."""

from __future__ import annotations

from pathlib import Path

from apikit import ApiHouse
from corekit import ThreadedClock, ephemeral_core
from newage.assembly.api import make_apis
from newage.bridge.upstream_settings import Upstream, UpstreamSettings
from newage.domain.urls import is_reserved


def test_it_is_below_reserved_paths(tmp_path: Path) -> None:
    apis = make_apis(ephemeral_core(tmp_path, ThreadedClock()))
    assert "v1" in apis
    assert all(is_reserved(f"/{segment}/x") for segment in apis)


def test_without_a_key_there_are_the_model_servers_that_say_so(tmp_path: Path) -> None:
    open_one = UpstreamSettings(url="http://127.0.0.1:9/v1", local_keyless=True)
    paid = UpstreamSettings(url="http://127.0.0.1:9/v1")
    hub = ApiHouse(tmp_path, upstreams=(Upstream(name="own", settings=open_one), Upstream(name="paid", settings=paid)))
    names = [each["id"] for each in hub.ask("/v1/models").json["data"]]
    assert names == ["newage", "llm:own"]
    named = [each["id"] for each in hub.ask("/v1/models", key=hub.key()).json["data"]]
    assert named == ["newage", "llm:own", "llm:paid"]
    hub.close()
