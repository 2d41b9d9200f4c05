"""Our copies of the outputs that the hub tells of, and how they catch up with it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from newage_client._connection import ACK_SECONDS, Connection
from newage_client._failure import Failure
from newage_client._line import Line
from newage_client._output import Output
from newage_client._types import Standing

LLM = "/llm"
RESUME_SECONDS = 0.25  # between two RESUME_OUTPUTS: 5 a second are allowed
RESUME_AT_ONCE = 3  # so many, too
RESUME_MOST = 64  # outputs, and requests, in one of them, unless the hub says less
LESS = re.compile(r"At most (\d+) (outputs|requests) at once\.")
BUSY = 9  # errorCode: too many events
BUSY_SECONDS = 1.0
BUSY_TRIES = 3
RESUME_TRIES = 4  # that bring nothing new
OUTPUTS_KEPT = 256

Said = Mapping[str, Any]
Ask = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class OutputEars:
    """Who is told.

    :ivar waiting: the requests of which one waits to hear.
    :ivar began: a new output, before it has a text; whose it is, it knows.
    :ivar stood: where a request stands, of those that were asked about at a return.
    """

    waiting: Callable[[], list[str]]
    began: Callable[[Output], None]
    stood: Callable[[Said], None]


class Outputs:
    """At each return, and whenever one is behind, the hub is asked for the rest.

    :ivar standings: where requests stood at the last return, by their ids.
    """

    def __init__(self, line: Line, ears: OutputEars) -> None:
        self._line = line
        self._ears = ears
        self._known: dict[str, Output] = {}
        self._tries: dict[Output, int] = {}  # fruitless ones
        self._epoch = ""
        self._resuming = False
        self._most = {"outputs": RESUME_MOST, "requests": RESUME_MOST}
        self.standings: dict[str, Standing] = {}

    @property
    def all(self) -> list[Output]:
        """Those that are live now, or were a while ago."""
        return list(self._known.values())

    def of(self, said: Said) -> Output:
        """The output that something is said of."""
        known = self._known.get(said["outputId"])
        if known is not None:
            return known
        output = Output(said["outputId"])
        output._describe(said)
        self._known[output.output_id] = output
        if len(self._known) > OUTPUTS_KEPT:
            over = next((old for old in self._known.values() if old.state != "live"), None)
            if over is not None:
                del self._known[over.output_id]
                self._tries.pop(over, None)
        self._ears.began(output)
        return output

    def grow(self, said: Said, change: Callable[[Output, Said], None]) -> None:
        """Something is said that changes one."""
        if not isinstance(said.get("outputId"), str):
            return
        output = self.of(said)
        change(output, said)
        if output._behind:
            self._resume_soon()

    def started(self, said: Said) -> None:
        """SERVER_STREAM_START"""
        if isinstance(said.get("epoch"), str):
            self._epoch = said["epoch"]
        self.grow(said, Output._started)

    async def greet(self, connection: Connection) -> None:
        """Ask what became of all that is under way: who is answered, has been let in.

        :raises Failure: the hub refuses us, or cannot be asked.
        """
        self.standings.clear()

        async def ask(question: dict[str, Any]) -> Any:
            return await connection.ask(LLM, "RESUME_OUTPUTS", question, ACK_SECONDS, self._stand)

        await self._pieces(self._live, self._ears.waiting(), ask)

    async def stand(self, requests: list[str]) -> list[Standing]:
        """Where requests stand that nobody waits for here; what there is of live outputs comes with it."""

        async def ask(question: dict[str, Any]) -> Any:
            return await self._line.call(LLM, "RESUME_OUTPUTS", question)

        return await self._pieces(self._live, requests, ask)

    def catch_up(self) -> None:
        """Of what is behind, or was too much to be asked at once."""
        if self._wanted():
            self._resume_soon()

    # ---- inside

    def _stand(self, ack: Any) -> None:
        """Told at once: what the hub says of a request after this is newer."""
        for said in _standings(ack):
            self.standings[said["requestId"]] = said
            self._ears.stood(said)

    @property
    def _live(self) -> list[Output]:
        return [output for output in self._known.values() if output.state == "live"]

    def _question(self, outputs: list[Output], requests: list[str]) -> dict[str, Any]:
        question: dict[str, Any] = {"outputs": [output._position for output in outputs]}
        if self._epoch:
            question["epoch"] = self._epoch
        if requests:
            question["requests"] = requests
        return question

    async def _pieces(self, outputs: list[Output], requests: list[str], ask: Ask) -> list[Standing]:
        """Where all of these requests stand, as many at once as the hub takes, and what there is of as many outputs;
        of the others, soon."""
        found: list[Standing] = []
        left, asked, busy = requests, 0, 0
        while True:
            if asked >= RESUME_AT_ONCE:
                await asyncio.sleep(RESUME_SECONDS)
            asked += 1
            now, piece = outputs[: self._most["outputs"]], left[: self._most["requests"]]
            try:
                ack = await ask(self._question(now, piece))
            except Failure as failure:
                if self._learn(failure):
                    continue
                busy += 1
                if failure.code != BUSY or busy > BUSY_TRIES:
                    raise
                await asyncio.sleep(BUSY_SECONDS)
                continue
            self._take(ack, outputs[len(now) :])
            found += _standings(ack)
            outputs, left = now[:1], left[len(piece) :]
            if not left or not piece:
                return found

    def _learn(self, failure: Failure) -> bool:
        """Whether the hub said that it takes less at once, and how much."""
        said = LESS.fullmatch(failure.message)
        if said is None or int(said[1]) >= self._most[said[2]]:
            return False
        self._most[said[2]] = int(said[1])
        return True

    def _take(self, ack: Any, later: list[Output]) -> None:
        """:param later: what is asked for soon."""
        body: Said = ack if isinstance(ack, Mapping) else {}
        for output in later:
            self._tries.setdefault(output, 0)
        if isinstance(body.get("epoch"), str):
            self._epoch = body["epoch"]
        for said in _with(body.get("outputs"), "outputId"):
            output = self.of(said)
            before = output._size
            more = output._resumed(said)
            tries = 0 if output._size > before else self._tries.get(output, 0) + 1
            if not more and not output._behind:
                self._tries.pop(output, None)
            elif tries < RESUME_TRIES:
                self._tries[output] = tries
            else:
                self._tries.pop(output, None)
                output._settle_for()
        self.catch_up()

    def _wanted(self) -> list[Output]:
        return [output for output in self._known.values() if output._behind or output in self._tries]

    def _resume_soon(self) -> None:
        if not self._resuming:
            self._resuming = True
            self._line.later(RESUME_SECONDS, lambda: self._line.spawn(self._resume()))

    async def _resume(self) -> None:
        try:
            wanted = self._wanted()[: self._most["outputs"]]
            if wanted and self._line.state == "connected":
                ack = await self._line.ask(LLM, "RESUME_OUTPUTS", self._question(wanted, []))
                self._take(ack, [])
        except Failure as failure:
            self._learn(failure)  # else the line was cut, and the next greeting asks; or the hub is busy
        finally:
            self._resuming = False
        if self._line.state == "connected":
            self.catch_up()


def _with(said: Any, member: str) -> list[Any]:
    """Those of a list that have that name."""
    return [each for each in said if isinstance(each, Mapping) and isinstance(each.get(member), str)] if said else []


def _standings(ack: Any) -> list[Standing]:
    return _with(ack.get("requests"), "requestId") if isinstance(ack, Mapping) else []
