"""What a client has asked and what becomes of it: each question is heard once, and each answer is over once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import Any

from newage_client._answer import Answer
from newage_client._failure import Failure
from newage_client._line import Line
from newage_client._output import Output
from newage_client._outputs import LLM, Outputs
from newage_client._types import Standing, Stopped

ASK_TRIES = 6  # the line is cut each time that this is said: it is too large for the hub, perhaps
SETTLE_SECONDS = 10.0  # for the end of an output whose request is completed
TAKE_BACK_SECONDS = 600.0  # so long the hub is told at a return that a question is not wanted; then it gives it up
STOP_SECONDS = 2.0  # for the hub to say that it stops what nobody reads any more
READ = 200  # messages that are looked through for an answer
BUSY = 9  # errorCode: too many events
BEGUN = ("accepted", "processing")  # more than that it was forwarded
DUPLICATE = "Duplicate requestId."

Said = Mapping[str, Any]


class Asking:
    """A question that is being asked: await it for its `Answer`, or enter it for one that is stopped at the end of the
    block, however that comes."""

    def __init__(self, requests: Requests, event: str, answer: Answer, said: Said) -> None:
        self._requests = requests
        self._answer = answer
        self._work = requests._ask(answer, event, said)

    def __await__(self) -> Generator[Any, None, Answer]:
        return self._work.__await__()

    async def done(self) -> Answer:
        """The answer, when it is over. Who stops waiting for it, by a timeout say, stops it.

        :raises Failure: it failed, or was not asked.
        """
        answer = await self._work
        try:
            return await answer.done()
        except asyncio.CancelledError:
            self._requests._take_back(answer)
            raise

    async def __aenter__(self) -> Answer:
        return await self._work

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._requests._leave(self._answer)


class Requests:
    """:param identity: who asks.
    :param new_id: makes the id of a request.
    """

    def __init__(self, line: Line, outputs: Outputs, identity: str, new_id: Callable[[], str]) -> None:
        self._line = line
        self._outputs = outputs
        self._identity = identity
        self._new_id = new_id
        self._answers: dict[str, Answer] = {}  # by request
        self._merged: dict[str, str] = {}  # a request that was merged into another
        self._problems: dict[str, Said] = {}  # what went wrong, by request
        self._asking: dict[Answer, Failure | None] = {}  # what is being said, and that it failed where that is known
        self._told: set[Answer] = set()  # what was said at least once: the hub may have heard it

    def ask(self, event: str, said: Said, room: str, request_id: str) -> Asking:
        answer = Answer(request_id or self._new_id(), room, self.stop)
        return Asking(self, event, answer, {**said, "requestId": answer.request_id})

    async def stop(self, answer: Answer) -> Stopped:
        """:raises Failure: the hub cannot be asked, or refuses."""
        if not answer.over:
            try:
                stopped: Stopped = await self._line.call(LLM, "CANCEL_REQUEST", {"requestId": answer.request_id})
                return stopped
            except Failure:
                if not answer.over:  # else it was over before the hub could say so
                    raise
        return {"requestId": answer.request_id, "state": answer.state, "outputs": []}

    @property
    def waiting(self) -> list[str]:
        """Of which the hub has yet to say what became of them."""
        return list(self._answers)

    # ---- what the hub says

    def began(self, output: Output) -> None:
        """Its answer knows an output before its first token."""
        output.on("end", lambda: self._output_over(output))
        for answer in self._answers_to(output):
            answer._join(output)

    def status(self, said: Said) -> None:
        """REQUEST_STATUS_UPDATE"""
        answer = self._answers.get(str(said.get("requestId")))
        if answer is None:
            return
        answer._status(said)
        status = said.get("status")
        if status == "merged" and isinstance(said.get("mergedInto"), str):
            self._merged[answer.request_id] = said["mergedInto"]
        elif status == "rerouted":
            answer._restart()
        elif status == "completed":
            self._settle(answer)
        elif status in ("cancelled", "ignored", "recorded"):
            self._end(answer, None)
        elif status in ("failed", "expired"):
            self._failed(answer, self._failure_of(answer, said))

    def queued(self, said: Said) -> None:
        """QUEUE_UPDATE"""
        answer = self._answers.get(str(said.get("requestId")))
        if answer is not None:
            answer._status(said)

    def problem(self, said: Said) -> None:
        """ERROR: why a request failed is said before that it did."""
        request_id = said.get("requestId")
        if isinstance(request_id, str) and request_id in self._answers:
            self._problems[request_id] = said

    def stands(self, said: Said) -> None:
        """What was said of it while the line was down, but how it ended: whom it went to, what it was merged into."""
        answer = self._answers.get(said["requestId"])
        if answer is None:
            return
        if isinstance(said.get("mergedInto"), str):
            self._merged[answer.request_id] = said["mergedInto"]
        if isinstance(said.get("targets"), list):
            answer._restart(said["targets"])
        for output in self._outputs.all:
            if answer in self._answers_to(output):
                answer._join(output)
        if said.get("live") and not (said.get("status") == "forwarded" and answer.state in BEGUN):
            answer._status(said)

    async def returned(self) -> None:
        """The hub has let us in again. Of what was asked before: is it being answered, or was it meanwhile?"""
        for answer in list(self._answers.values()):
            standing = self._outputs.standings.get(answer.request_id)
            if answer.over or answer.state == "asking" or standing is None or standing["live"]:
                continue
            unread: Failure | None = None  # its room is gone, say
            try:
                await self._recover(answer)
            except Failure as failure:
                if failure.lost or failure.code == BUSY:
                    return  # at the next return
                unread = failure
            self._stood(answer, standing, unread)

    def close(self, failure: Failure) -> None:
        for answer in list(self._answers.values()):
            self._end(answer, failure)

    # ---- inside: what becomes of it

    def _stood(self, answer: Answer, said: Standing, unread: Failure | None = None) -> None:
        """How it ended, once what is stored of it has been read."""
        if answer.over or said.get("live"):
            return
        if unread is not None and said["status"] == "completed" and not answer.outputs:
            self._end(answer, unread)
        elif said["status"] != "gone":
            self.status(said)
        elif answer.outputs:
            self._end(answer, self._unfinished(answer))
        else:
            self._end(answer, Failure("The hub does not know this request any more.", code="gone"))

    def _answers_to(self, output: Output) -> list[Answer]:
        """Those of which an output is: the one that was asked for it, and all that were merged into what was."""
        mine = output.requester in ("", self._identity)
        ids = [output.request_id] if mine else []
        ids += [merged for merged, into in self._merged.items() if into == output.request_id]
        return [self._answers[each] for each in ids if each in self._answers]

    def _failure_of(self, answer: Answer, said: Said) -> Failure:
        problem = self._problems.get(answer.request_id, {})
        body = {**problem, **said, "message": problem.get("message") or said.get("message") or said.get("status")}
        if "errorCode" in problem:
            body["errorCode"] = problem["errorCode"]
        return Failure.of(body)

    def _output_over(self, output: Output) -> None:
        for answer in self._answers_to(output):
            if output not in answer.outputs:
                continue
            if answer.state == "completed":
                self._settle(answer)
            elif output.state == "gone":
                self._line.spawn(self._found(answer))

    def _settle(self, answer: Answer) -> None:
        """All has been said of a request: it is over with its outputs."""
        if any(output.state == "live" for output in answer.outputs):
            self._line.later(SETTLE_SECONDS, lambda: self._settle_now(answer))
        else:
            self._end(answer, self._unfinished(answer))

    def _settle_now(self, answer: Answer) -> None:
        if self._line.state == "connected":  # else it is told at the next return
            self._end(answer, self._unfinished(answer))

    def _unfinished(self, answer: Answer) -> Failure | None:
        """Why nothing of an answer was finished."""
        if not answer.outputs or any(output.state not in ("failed", "gone") for output in answer.outputs):
            return None
        return self._failure_of(answer, {"message": "The answer was not finished."})

    def _failed(self, answer: Answer, failure: Failure) -> None:
        if failure.code == "unknown" and answer in self._asking:
            self._asking[answer] = failure  # its ack says why
        else:
            self._end(answer, failure)

    def _end(self, answer: Answer, failure: Failure | None, state: str = "") -> None:
        self._answers.pop(answer.request_id, None)
        self._merged.pop(answer.request_id, None)
        self._problems.pop(answer.request_id, None)
        self._told.discard(answer)
        if not answer.over:
            answer.state = state or answer.state
            answer._end(failure)

    # ---- inside: a request, heard once

    async def _ask(self, answer: Answer, event: str, said: Said) -> Answer:
        """:raises Failure: the hub refuses it, or it could not be asked."""
        if answer.request_id in self._answers:
            raise Failure("This request is being answered.", code="duplicate")
        self._answers[answer.request_id] = answer
        try:
            await self._say(answer, event, said)
        except Failure as failure:
            self._end(answer, failure)
        except asyncio.CancelledError:
            self._take_back(answer)
            raise
        if answer.failure is not None and not answer.outputs:
            raise answer.failure.again()
        return answer

    async def _say(self, answer: Answer, event: str, said: Said) -> None:
        asked = unread = 0  # unread: how often in a row the line was cut while what is stored was read
        while not answer.over:
            try:
                await self._line.up()
                if asked:
                    unread += 1
                    if await self._recover(answer) or self._standing(answer):
                        self._heard(answer)
                        return
                    unread = 0
                asked += 1
                answer._status(await self._say_once(answer, event, said))
                return
            except Failure as failure:
                if failure.lost and asked < ASK_TRIES and unread < ASK_TRIES:
                    continue  # heard or not? what is stored says so
                if asked < 2 or failure.message != DUPLICATE:
                    raise
                self._heard(answer)
                return

    async def _say_once(self, answer: Answer, event: str, said: Said) -> Any:
        """Its ack. That it failed is said before: the ack says why, and is waited for."""
        self._asking[answer] = None
        self._told.add(answer)
        try:
            ack = await self._line.ask(LLM, event, said)
        except Failure as failure:
            raise (self._asking[answer] if failure.lost else None) or failure from None
        else:
            if (known := self._asking[answer]) is not None:
                raise known
            return ack
        finally:
            del self._asking[answer]

    def _heard(self, answer: Answer) -> None:
        """The hub has a question whose ack was lost; whatever it said of it meanwhile may be lost, too."""
        if answer.state == "asking":
            answer._status({"state": "forwarded"})
        known = self._standing(answer)
        if known is not None:
            self._stood(answer, known)

    def _standing(self, answer: Answer) -> Standing | None:
        """Where it stood at the last return, if the hub knew it then."""
        standing = self._outputs.standings.get(answer.request_id)
        return standing if standing is not None and standing["status"] != "gone" else None

    async def _found(self, answer: Answer) -> None:
        try:
            await self._recover(answer)
        except Failure:
            return  # at the next return

    async def _recover(self, answer: Answer) -> bool:
        """Look for a question and what was answered in what is stored.

        :return: whether the hub has it.
        """
        into = self._merged.get(answer.request_id)
        where = {"roomName": answer.room} if answer.room else {}
        read = await self._line.ask(LLM, "GET_MESSAGES", {**where, "limit": READ})
        found = False
        for message in read["messages"]:
            if message.get("requestId") not in (answer.request_id, into):
                continue
            if message.get("fromClient") and message.get("identity") == self._identity:
                found = True
                answer.question_id = answer.question_id or message["messageId"]
            elif message.get("isResponse"):
                question = message.get("questionId")
                if answer.question_id and question and question != answer.question_id and not into:
                    continue
                found = True
                output = self._outputs.of({**message, "outputId": message.get("outputId") or message["messageId"]})
                answer._join(output)
                if output.state in ("live", "gone"):
                    output._ended(message)
        return found

    # ---- inside: what nobody wants any more

    async def _leave(self, answer: Answer) -> None:
        """Who asked reads no more: the hub is told, and is waited for a moment."""
        if not answer.over:
            await asyncio.wait({self._cancel(answer)}, timeout=STOP_SECONDS)
            self._end(answer, None, "cancelled")

    def _take_back(self, answer: Answer) -> None:
        if answer.over:
            return
        if answer in self._told:
            self._cancel(answer)
        self._end(answer, None, "cancelled")

    def _cancel(self, answer: Answer) -> asyncio.Task[Any]:
        return self._line.spawn(self._cancelled(answer.request_id), leaving=True)

    async def _cancelled(self, request_id: str) -> None:
        try:
            await self._line.call(LLM, "CANCEL_REQUEST", {"requestId": request_id}, TAKE_BACK_SECONDS)
        except Failure:
            return  # it was over, or the hub gives it up itself
