"""Receivers of the configuration: told of what happens, counted, and shown to who operates the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.web.client import Agent

from corekit import ThreadedClock, nothing
from hubkit import Kit
from newage.assembly.core import Core, make_core
from newage.assembly.inspection import Inspection, shown
from newage.config import Config, ServerSettings
from newage.domain.webhooks import Said
from webhookkit import SECRET, PlayedPoster, webhook


def core(home: Path, agent: Any) -> Core:
    config = Config(server=ServerSettings(home=str(home), ephemeral=True), webhooks=(webhook(), webhook("other")))
    return make_core(config, ThreadedClock(), set_debug=nothing, log_folder=None, port=lambda: 0, agent=agent)


def test_there_is_one_line_for_each_where_something_can_be_sent(tmp_path: Path) -> None:
    hub = core(tmp_path, Agent(ThreadedClock()))
    assert [line.name for line in hub.talk.webhooks.lines] == ["bot", "other"]
    shown = Inspection(hub).webhooks()
    assert shown.splitlines()[0] == "bot at https://bot.test: 0 wait, 0 delivered, 0 given up, 0 left out"
    assert SECRET not in repr(hub.basis.config)
    assert core(tmp_path, None).talk.webhooks.lines == []
    assert Inspection(core(tmp_path, None)).webhooks() == "none"


def test_the_operator_sees_what_fails() -> None:
    kit = Kit(poster=PlayedPoster(answers=[Said(410)]), webhooks=(webhook(),))
    kit.talk.webhooks.start()
    ann = kit.connect("ann")
    kit.group("den", "ann")
    kit.remark(ann, "hi", room="den")
    (line,) = kit.talk.webhooks.lines
    assert shown(line).startswith("bot at https://bot.test: 1 wait, 0 delivered, 0 given up, 0 left out; answered with")
    assert shown(line).endswith("410; wants no more until the next start")
    kit.close()
