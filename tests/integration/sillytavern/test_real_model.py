"""SillyTavern with a real language model; ``make real`` runs it. Order and texts are judged, never speed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from desk import Desk
from harness import free_port
from real_model import NAME, RealModel
from tab import Browser
from tavern import SillyTavern

TOKEN = "() => newageProbe.filter(([name]) => name === 'STREAM_TOKEN_RECEIVED').length"
DONE = (
    "() => ['GENERATION_STOPPED', 'GENERATION_ENDED'].every((wanted) => newageProbe.some(([name]) => name === wanted))"
)


@pytest.fixture(scope="module")
def llm() -> Iterator[RealModel]:
    model = RealModel(free_port())
    yield model
    model.close()


@pytest.fixture(scope="module")
def real_tavern(llm: RealModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SillyTavern]:
    ours = {
        "custom_model": NAME,
        "temp_openai": 0,
        "openai_max_tokens": 1000,
        "custom_include_body": "ignore_eos: true",
    }
    tavern = SillyTavern(tmp_path_factory.mktemp("real") / "data", llm.url, settings={"oai_settings": ours})
    tavern.add_character("Ann")
    tavern.add_probe()
    yield tavern.start()
    tavern.stop()


def test_an_answer_streams_and_a_stopped_one_frees_its_slot(
    real_tavern: SillyTavern, llm: RealModel, browser: Browser
) -> None:
    desk = Desk.sit_down(browser, real_tavern.url)
    desk.open_chat("Ann")
    desk.say("Count from one to three hundred, one number after the other.")
    desk.wait(f"() => ({TOKEN})() > 5", timeout=60)
    assert llm.busy == 1
    desk.stop()
    desk.wait(DONE)
    llm.wait_idle()
    partial = desk.texts[-1]
    assert partial
    seen = desk.run("() => newageProbe.filter(([name]) => name === 'STREAM_TOKEN_RECEIVED').map(([, text]) => text)")
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert seen[-1].strip() == partial.strip()
    desk.close()
