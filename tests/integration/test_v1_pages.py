"""A keyless /v1 and the pages of a real browser: somebody else's makes no model speak (rows 53, 54)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from fake_model import FakeModel
from harness import Daemon
from page_origins import ask, localhost, web_server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    with web_server() as port:
        yield port


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with closing(FakeModel()) as model:
        yield model


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Daemon]:
    """One whose model server answers everybody of this machine, without a key."""
    settings = f'[upstream.open]\nurl = "{model.url}"\nlocal_keyless = true\n'
    with Daemon.configured(tmp_path_factory.mktemp("v1_pages"), settings) as daemon:
        yield daemon
    model.reset()


@pytest.mark.parametrize(
    ("name", "read"), [("evil.example", set()), ("nas.local", {401}), ("192.168.77.7", {401})], ids=str
)
def test_v1_foreign_page_reaches_no_model(
    hub: Daemon, model: FakeModel, elsewhere: int, name: str, read: set[int]
) -> None:
    """By no way, with a preflight or without. Pages of private addresses may come with a key, and read that they have
    shown none."""
    found = ask(f"http://{name}:{elsewhere}", "v1", localhost(hub), model="llm:open")
    assert set(found.values()) == read
    assert model.requests == []


def test_v1_page_of_this_machine_asks_in_json_alone(hub: Daemon, model: FakeModel, elsewhere: int) -> None:
    """The same ways from a page of another loopback port, which may ask: they are ways."""
    read = ask(f"http://localhost:{elsewhere}", "v1", localhost(hub), model="llm:open")
    plain = dict.fromkeys(("text/plain", "fields", "after the beacons"), 415)
    assert read.items() >= {**plain, "JSON": 200, "JSON with a key": 200, "models": 200}.items()
    words = [asked.body["messages"][-1]["content"] for asked in model.requests]
    assert set(words) == {"from a page"}
    assert len(words) in (2, 3)  # a beacon of JSON is one more, where the browser sends it
