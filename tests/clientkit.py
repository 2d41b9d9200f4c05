"""A hub for the client in Python that needs neither a network nor time.

Packets are kept in order on each line, and a cut loses those that are under way. The clock jumps to what is due next.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, ParamSpec

from newage_client._connection import Acked, EngineEars
from newage_client._door import Door
from newage_client._extension import Extension
from newage_client._failure import Failure
from newage_client._hub import Hub

LLM = "/llm"
P = ParamSpec("P")


class _Jumping(selectors.DefaultSelector):
    """It is later at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits for ever"
        self.now += max(timeout, 0)
        return super().select(0)


class StillLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.faults: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.faults.append(context))

    def time(self) -> float:
        return self._jumping.now


def still(scene: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Play it without time. Nothing may be left of it but clients that are open, and nothing may have gone wrong."""

    @functools.wraps(scene)
    def play(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = StillLoop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(scene(*args, **kwargs))
        assert loop.faults == []

    return play


async def settle() -> None:
    """What is on its way arrives."""
    await asyncio.sleep(0.001)


def now() -> float:
    return asyncio.get_running_loop().time()


class FakeEngine:
    """One line of one client."""

    def __init__(self, hub: FakeHub, ears: EngineEars) -> None:
        self.hub = hub
        self.ears = ears
        self.dead = False
        self.namespaces: set[str] = set()
        self.auth: dict[str, Any] = {}
        self.transport = "websocket"

    async def open(self, namespace: str, auth: dict[str, Any]) -> None:
        if self.hub.down:
            raise Failure("The hub cannot be reached: refused", code="disconnected")
        self.hub.lines.append(self)
        await self.join(namespace, auth)

    async def join(self, namespace: str, auth: dict[str, Any]) -> None:
        self.auth = auth
        if namespace in self.hub.unknown:
            self.later(lambda: self.ears.left(namespace, "Invalid namespace"))
        else:
            self.later(lambda: self._joined(namespace))

    async def emit(self, namespace: str, event: str, payload: Any, acked: Acked | None = None) -> None:
        if namespace not in self.namespaces:
            return
        self.hub.said.append((event, payload))
        said = json.loads(json.dumps(payload))
        self.later(lambda: self._hear(event, said, acked))

    async def close(self) -> None:
        self.cut()

    def later(self, run: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_soon(lambda: None if self.dead else run())

    def tell(self, event: str, payload: Mapping[str, Any], namespace: str = LLM) -> None:
        body = json.loads(json.dumps(payload))
        self.later(lambda: self._tell(namespace, event, body) if namespace in self.namespaces else None)

    def cut(self) -> None:
        if not self.dead:
            self.dead = True
            if self in self.hub.lines:
                self.hub.lines.remove(self)
            self.ears.gone("")

    def _joined(self, namespace: str) -> None:
        self.namespaces.add(namespace)
        self.ears.joined(namespace)
        refusal = self.hub.refuses.get(namespace)
        if refusal is not None:
            self.tell("ERROR", refusal, namespace)
            self.later(lambda: self._put_out(namespace))
        elif namespace == LLM:
            for output in self.hub.live():
                self.tell("SERVER_STREAM_START", self.hub.start(output))

    def _tell(self, namespace: str, event: str, body: Any) -> None:
        answer = self.ears.heard(namespace, event, body)
        if answer is not None:
            self.hub.acking = asyncio.ensure_future(self._acked(event, answer))

    async def _acked(self, event: str, answer: Awaitable[Any]) -> None:
        self.hub.acks.append((event, await answer))

    def _put_out(self, namespace: str) -> None:
        self.namespaces.discard(namespace)
        self.ears.left(namespace)

    def _hear(self, event: str, payload: Any, acked: Acked | None) -> None:
        if self.hub.refuses.get(LLM):
            return
        body = self.hub.hear(event, payload)
        if acked is not None and body is not None:
            told = json.loads(json.dumps(body))
            self.later(lambda: acked(told))


Body = dict[str, Any]


def ok(**members: Any) -> Body:
    return {"status": "ok", "success": True, **members}


def refused(message: str, code: int) -> Body:
    return {"status": "error", "success": False, "message": message, "errorCode": code}


class FakeHub:
    """It keeps outputs, and has one room. ``answers[event](payload)`` says what it acks, None that it does not."""

    def __init__(self) -> None:
        self.lines: list[FakeEngine] = []
        self.said: list[tuple[str, Any]] = []
        self.acks: list[tuple[str, Any]] = []  # of what was told
        self.acking: asyncio.Future[None] | None = None  # the last one
        self.outputs: dict[str, Body] = {}
        self.epoch = "e1"
        self.down = False
        self.refuses: dict[str, Body] = {}  # by namespace
        self.unknown: set[str] = set()  # namespaces
        self.messages: list[Body] = []
        self.most = {"outputs": 64, "requests": 64}  # in one RESUME_OUTPUTS
        self.requests: dict[str, Body] = {}  # where they stand
        self.resumed: list[float] = []  # when it was asked
        self.busy = 0  # so often
        self.answers: dict[str, Callable[[Body], Body | None]] = {
            "GET_MESSAGES": lambda _: ok(messages=self.messages, hasMore=False, seq=len(self.messages)),
            "LLM_REQUEST": lambda said: ok(
                requestId=said["requestId"], messageId=f"q-{said['requestId']}", state="forwarded"
            ),
        }

    def asked(self, event: str = "LLM_REQUEST") -> list[Any]:
        return [payload for name, payload in self.said if name == event]

    def hear(self, event: str, payload: Body) -> Body | None:
        if event == "RESUME_OUTPUTS":
            return self.resume(payload)
        answer = self.answers.get(event)
        return answer(payload) if answer else None

    def tell(self, event: str, payload: Mapping[str, Any], namespace: str = LLM) -> None:
        for line in tuple(self.lines):
            line.tell(event, payload, namespace)

    def status(self, request_id: str, status: str, **more: Any) -> None:
        self.tell("REQUEST_STATUS_UPDATE", {"requestId": request_id, "status": status, **more})

    def cut(self) -> None:
        for line in tuple(self.lines):
            line.cut()

    # ---- outputs

    def live(self) -> list[Body]:
        return [output for output in self.outputs.values() if output["state"] == "live"]

    def start(self, output: Body) -> Body:
        whose = {name: output[name] for name in ("outputId", "requestId", "requester", "rev", "identity")}
        return {"type": 1, **whose, "roomName": "me", "at": len16(output["text"]), "epoch": self.epoch}

    def begin(self, output_id: str, request_id: str, *, identity: str = "", requester: str = "me") -> Body:
        whose = {"outputId": output_id, "requestId": request_id, "identity": identity, "requester": requester}
        output = self.outputs[output_id] = {**whose, "text": "", "reasoning": "", "rev": 0, "state": "live"}
        self.tell("SERVER_STREAM_START", self.start(output))
        return output

    def grow(self, output: Body, data: str, kind: str = "text") -> None:
        at = len16(output[kind])
        output[kind] += data
        self.tell("SERVER_STREAM_DATA", {**self._ids(output), "data": data, "at": at, "kind": kind})

    def reset(self, output: Body, at: int, kind: str = "text") -> None:
        output[kind] = output[kind].encode("utf-16-le")[: 2 * at].decode("utf-16-le")
        output["rev"] += 1
        self.tell("SERVER_STREAM_RESET", {**self._ids(output), "kind": kind, "at": at, "rev": output["rev"]})

    def end(self, output: Body, state: str = "ended") -> None:
        output["state"] = state
        ids, message_id = self._ids(output), f"a-{output['outputId']}"
        seq = len(self.messages) + 1
        texts = {"message": output["text"], "reasoning": output["reasoning"]}
        self.messages.append({**ids, **texts, "messageId": message_id, "isResponse": True, "seq": seq})
        end = {"data": output["text"], "reasoning": output["reasoning"], "failed": state == "failed"}
        self.tell("SERVER_STREAM_END", {**ids, **end, "messageId": message_id, "finishReason": "stop"})
        self.status(output["requestId"], "failed" if state == "failed" else "completed")

    def resume(self, said: Body) -> Body:
        self.resumed.append(now())
        if self.busy:
            self.busy -= 1
            return refused("Too many events.", 9)
        for of in ("requests", "outputs"):
            if len(said.get(of, ())) > self.most[of]:
                return refused(f"At most {self.most[of]} {of} at once.", 3)
        wishes = said["outputs"] or [{"outputId": each["outputId"]} for each in self.live()]
        ack = ok(epoch=self.epoch, outputs=[self._piece(wish, said.get("epoch")) for wish in wishes])
        if "requests" in said:
            stand = {"status": "gone", "live": False}
            ack["requests"] = [{"requestId": each, **stand, **self.requests.get(each, {})} for each in said["requests"]]
        return ack

    def _piece(self, wish: Body, epoch: str | None) -> Body:
        output = self.outputs.get(wish["outputId"])
        if output is None:
            return {"outputId": wish["outputId"], "state": "gone"}
        same = wish.get("rev", 0) == output["rev"] and epoch in (None, self.epoch)
        piece = {**self._ids(output), "state": output["state"], "rev": output["rev"]}
        for kind, wanted, start in (("text", "at", "from"), ("reasoning", "reasoningAt", "reasoningFrom")):
            at = wish.get(wanted, 0) if same and wish.get(wanted, 0) <= len16(output[kind]) else 0
            piece |= {start: at, kind: output[kind].encode("utf-16-le")[2 * at :].decode("utf-16-le")}
        return piece

    def _ids(self, output: Body) -> Body:
        return {"outputId": output["outputId"], "requestId": output["requestId"], "roomName": "me"}


def len16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def client(hub: FakeHub, *, timeout: float | None = 30.0, random: float = 0.5, **who: str) -> Hub:
    """One that is called "me"."""
    ids = itertools.count(1)
    who = {"clientId": "me", "clientType": "client", **who}
    return Hub(
        lambda ears: FakeEngine(hub, ears),
        who,
        timeout=timeout,
        random=lambda: random,
        new_id=lambda: f"id-{next(ids)}",
    )


class Audience:
    """What a hub makes of an extension's words: it takes the place of ``answers`` for its stream events."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        self.heard: dict[str, Body] = {}  # by the id of an output
        self.words: list[tuple[str, Body]] = []  # last ones
        self.lost: set[str] = set()  # outputs of which the hub knows nothing any more
        hub.answers["CLIENT_STREAM_START"] = self._start
        for event in ("FIRST", "MIDDLE"):
            hub.answers[f"CLIENT_STREAM_DATA_{event}"] = self._data
        hub.answers["CLIENT_STREAM_RESET"] = self._reset
        hub.answers["CLIENT_STREAM_END"] = self._end
        for event in ("ERROR", "BUSY"):
            hub.answers[event] = partial(self._word, event)

    def ask(self, request_id: str, message: str = "Hello?", **more: Any) -> None:
        self.hub.tell("LLM_REQUEST", {"requestId": request_id, "message": message, "roomName": "club", **more})

    @property
    def outputs(self) -> list[Body]:
        return list(self.heard.values())

    def _start(self, said: Body) -> Body | None:
        known = self.heard.get(said["outputId"])
        if not said.get("resume"):
            assert known is None, "an output begins once"
            self.heard[said["outputId"]] = {**said, "text": "", "reasoning": "", "rev": 0, "end": None}
            return None
        if known is None or known["end"] or said["outputId"] in self.lost:
            return refused("Unknown output", 7)
        known["streamId"] = said["streamId"]
        return ok(at=len16(known["text"]), reasoningAt=len16(known["reasoning"]), rev=known["rev"])

    def _data(self, said: Body) -> None:
        output = self._live(said)
        output[said["kind"]] += said["data"]

    def _reset(self, said: Body) -> None:
        output = self._live(said)
        output["rev"] += 1
        output[said["kind"]] = output[said["kind"]].encode("utf-16-le")[: 2 * said["at"]].decode("utf-16-le")

    def _end(self, said: Body) -> None:
        self._live(said)["end"] = said

    def _word(self, event: str, said: Body) -> None:
        self.words.append((event, said))

    def _live(self, said: Body) -> Body:
        output = self.heard[said["outputId"]]
        assert output["end"] is None
        assert output["streamId"] == said["streamId"]
        return output


def extension(hub: FakeHub, *, door: Door | None = None, **who: Any) -> Extension:
    """One that is called "SillyTavern-me"."""
    ids = itertools.count(1)
    return Extension(
        lambda ears: FakeEngine(hub, ears),
        {"clientId": "SillyTavern-me", "clientType": "SillyTavern", **who},
        door=door,
        random=lambda: 0.5,
        new_id=lambda: f"id-{next(ids)}",
    )
