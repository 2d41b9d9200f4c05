"""Who answers in a test: a stand-in of the reference extension, or a model server of the configuration.

A test that is marked ``on_both`` runs once with each, in the same words: ``hub.extension(...)`` gives it one, which has
the methods of ``harness.Extension`` from ``packet`` on. What goes over the extension's own socket alone cannot be said
by a model server; a test of that is marked ``of_its_socket`` with the reason, and docs/scenarios.md lists them.

A model server is not told which request a prompt belongs to, so each gets a seed of its own, which is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from fake_model import FOR_EVER, Asked, FakeModel, Script
from harness import Daemon, Driver, Hub, Socket

STAND_IN, MODEL_SERVER = "stand-in", "model-server"
_NAME = re.compile(r"^(?:web|boss)-\d+(?:-tab)?: ")  # before the words of one of several people


def both(*fixtures: str) -> pytest.MarkDecorator:
    """Of that fixture, a hub."""
    return pytest.mark.parametrize(fixtures[0], [STAND_IN, MODEL_SERVER], indirect=True)


on_both = both("hub")
on_both_brisk = both("brisk_hub")
of_its_socket = pytest.mark.of_its_socket


def on_both_for_each(name: str, values: Sequence[Any]) -> pytest.MarkDecorator:
    """With a stand-in for each of these; with a model server for the last, as the rest has nothing to do with it."""
    cases = [pytest.param(STAND_IN, value, id="-".join((STAND_IN, *value))) for value in values]
    cases.append(pytest.param(MODEL_SERVER, values[-1], id="-".join((MODEL_SERVER, *values[-1]))))
    return pytest.mark.parametrize(("hub", name), cases, indirect=["hub"])


def _seed(request_id: str) -> int:
    return crc32(request_id.encode()) & 0x7FFFFFFF


class _Asking(Socket):
    """Its questions have the seed of their id."""

    def __init__(self, asked: dict[int, str], driver: Driver, name: str, engine: str) -> None:
        super().__init__(driver, name, engine)
        self._asked = asked

    def _seeded(self, args: Sequence[Any]) -> Sequence[Any]:
        match args:
            case ["LLM_REQUEST", {"requestId": str(request_id)} as body]:
                seed = _seed(request_id)
                self._asked[seed] = request_id
                return ["LLM_REQUEST", {**body, "options": {"seed": seed}}]
        return args

    def emit(self, *args: Any) -> None:
        super().emit(*self._seeded(args))

    def post_call(self, *args: Any, timeout: float = 20.0) -> int:
        return super().post_call(*self._seeded(args), timeout=timeout)


class ModelServer:
    """One of those that a hub was configured with, for one test."""

    def __init__(self, name: str, model: FakeModel, asked: Mapping[int, str]) -> None:
        self.client_id = f"llm-{name}"
        self.model = model
        self._ids = asked
        self._never: set[str] = set()

    def _id(self, asked: Asked) -> str | None:
        return self._ids.get(asked.body.get("seed"))

    def start_quickly(self) -> ModelServer:
        """It is there from the beginning on."""
        return self

    start = start_quickly

    def answers(
        self,
        kind: str,
        *,
        text: str = "",
        tokens: Sequence[str] = (),
        chunks: Sequence[str] = (),
        gap: float = 0,
        **_of_the_socket: Any,
    ) -> ModelServer:
        """As the stand-in of the extension is told; ``gap`` in milliseconds."""
        script = {
            "silent": Script(first_after=FOR_EVER),
            "error": Script(status=500),
            "message": Script(tokens=(text,)),
            "tokens": Script(tokens=tokens, gap=gap / 1000),
            "docs": Script(tokens=chunks, gap=gap / 1000),
        }[kind]
        if kind == "silent":  # not towards what an earlier test has left
            self.model.answers(script, to=lambda asked: self._id(asked) is not None)
        else:
            self.model.answers(script)
        return self

    def packet(self, request_id: str) -> Any:
        """It gets none, but comes back when it has been asked."""
        self._prompt(request_id)

    def _prompt(self, request_id: str) -> Asked:
        """The newest question under that id."""

        def asked(all_: list[Asked]) -> list[Asked]:
            return [each for each in all_ if self._id(each) == request_id]

        found: Asked = self.model.wait(asked, f"the question {request_id}")[-1]
        return found

    def asked_for(self, request_id: str, *words: str, **_members: Any) -> None:
        """These words stand last in its prompt, in the order in which they were said."""
        self._never.discard(request_id)
        last = self.context_of(request_id)[-len(words) :]
        assert sorted(line.strip() for line in last) == sorted(words)

    def not_asked(self, *request_ids: str) -> None:
        """None of these has come, and none will until the test is over, unless it is asked for."""
        self._never.update(request_ids)
        assert not [each for each in self.model.requests if self._id(each) in request_ids]

    def context_of(self, request_id: str) -> list[str]:
        """What was said, line by line."""
        messages = self._prompt(request_id).body["messages"]
        lines = [line for each in messages if each["role"] != "system" for line in each["content"].split("\n")]
        return [_NAME.sub("", line) for line in lines]

    def reply(self, request_id: str, text: str) -> None:
        self.model.tell(self._prompt(request_id), Script(tokens=(text,)))

    def fail(self, request_id: str) -> None:
        self.model.tell(self._prompt(request_id), Script(status=500))

    def begin(self, request_id: str, pieces: Sequence[str], at_first: int) -> Callable[[], None]:
        self.model.tell(self._prompt(request_id), Script(tokens=pieces, held_after=at_first))
        return self.model.release

    def end(self) -> None:
        """The test is over."""
        asked = {self._id(each) for each in self.model.requests}
        self.model.reset()
        assert not asked & self._never


class ServedHub(Hub):
    """A hub of ``served`` as one test sees it."""

    def __init__(self, daemon: Daemon, driver: Driver, models: Mapping[str, FakeModel]) -> None:
        self._asked: dict[int, str] = {}
        super().__init__(daemon, driver, partial(_Asking, self._asked))
        self._models = dict(models)
        self._given: list[ModelServer] = []

    def extension(self, port: str | None = None, *, declares: Any = None, kind: str = "silent", **how: Any) -> Any:
        """One of the model servers that has places for so many answers, and that the test has not yet."""
        places = str((declares or {}).get("capacity", 1))
        name = next(name for name in self._models if name.endswith(f"-{places}"))
        given = ModelServer(name, self._models.pop(name), self._asked).answers(kind, **how)
        self._given.append(given)
        return given

    def end(self) -> None:
        for each in self._given:
            each.end()


class Lasting:
    """A daemon that may be started again, and its model servers, which go on meanwhile; none: stand-ins connect."""

    def __init__(self, daemon: Daemon, driver: Driver, models: Mapping[str, FakeModel] | None = None) -> None:
        self.daemon = daemon
        self._driver = driver
        self._models = models

    def hub(self) -> Hub:
        """For one test."""
        if self._models is None:
            return Hub(self.daemon, self._driver)
        return ServedHub(self.daemon, self._driver, self._models)

    def start(self) -> Hub:
        """Again, too: without the clients that there were."""
        self._driver.reset()
        self.daemon.start()
        return self.hub()


@contextmanager
def served(folder: Path, driver: Driver, names: Sequence[str], settings: str = "") -> Iterator[Lasting]:
    """With model servers of these names, each of which ends with how many it answers at once. Not started."""
    models = {name: FakeModel() for name in names}
    tables = [
        f'[upstream.{name}]\nurl = "{model.url}"\ncapacity = {name.rpartition("-")[2]}\n'
        for name, model in models.items()
    ]
    daemon = Daemon.configured(folder, settings + "".join(tables))
    try:
        yield Lasting(daemon, driver, models)
    finally:
        daemon.end()
        for model in models.values():
            model.close()
