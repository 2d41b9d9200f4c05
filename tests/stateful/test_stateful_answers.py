"""Nobody ever sees an answer to somebody else (contract 5.5; A17, A24, A31, A32).

Every question has a secret of its own and every answer consists of the secret of its question. The checker looks at
each event as it reaches each socket, while people come and go, rooms are made again, ids are reused and doubled, and
extensions are slow, silent, late or gone. That it would notice is shown on rules that are wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import orjson
import pytest
from attrs import define, field
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from extension_doubles import LabellingDouble, ReferenceDouble, question, secrets_in
from hubkit import Kit, Sent, result_of
from newage.domain.correlation import Desk, Nobody
from newage.domain.delivery import Emission
from newage.domain.model import RequestMode, Role
from newage.domain.request import Request
from newage.errors import NewAgeError
from newage.ports import Said
from newage.services.requests.limits import RequestSettings

FINAL = {"completed", "failed", "expired", "ignored", "recorded"}
PEOPLE = {"ann": "ann", "ann-2": "ann", "bob": "bob", "cid": "cid"}  # identity -> clientId
GROUPS = ("red", "blue")
REFERENCE, DOCUMENTED, MODERN = "SillyTavern-1", "SillyTavern-2", "SillyTavern-3"
FIRST_SIGN, TIMEOUT = 60, 200
ENDS = ("SERVER_STREAM_END", "streamed_end")
ANSWERS = (*ENDS, "SERVER_STREAM_DATA", "streamed_data", "message", "LLM_RESPONSE")


# --------------------------------------------------------------------------------------------------------- the checker


@define(eq=False)
class Question:
    secret: str
    who: str
    request_id: str
    room: str
    room_id: str
    extension: str
    ends: list[str] = field(factory=list)
    responses: list[str] = field(factory=list)  # responseIds that the asker was told


@define(eq=False)
class Checker:
    """Watches everything that leaves a kit for a socket; ``wrong`` is what should not have been.

    :param strict: extensions that name their requests. The others are told apart by room only: of several unanswered
        requests of one room nobody can say which one an answer without a label belongs to (A31).
    """

    kit: Kit
    strict: Collection[str] = ()
    questions: dict[str, Question] = field(factory=dict)  # by secret
    open: dict[tuple[str, str], Question] = field(factory=dict)  # (identity, requestId) -> the newest
    shown: dict[str, str] = field(factory=dict)  # responseId -> secret
    seen: set[tuple[str, str]] = field(factory=set)  # (identity, secret) of answers that one could see
    wrong: list[str] = field(factory=list)

    def watch(self) -> None:
        self.kit.outbox.on_sent = self._sent
        publish = self.kit.outbox.publish

        def published(*emissions: Emission) -> None:
            for emission in emissions:
                if emission.event == "REQUEST_STATUS_UPDATE":
                    self._status(emission.to[0].name, emission.args[0])
            publish(*emissions)

        self.kit.outbox.publish = published  # type: ignore[method-assign]

    def ask(self, sid: str, room: str, extension: str, request_id: str) -> Question | None:
        """:return: None when it was refused."""
        who = self.kit.caller(sid).identity
        secret = chr(0xE000 + len(self.questions))
        room_now = self.kit.rooms.get(room)
        asked = Question(secret, who, request_id, room, room_now.id if room_now is not None else "", extension)
        before = self.open.get((who, request_id))
        self.questions[secret] = self.open[who, request_id] = asked
        try:
            self.kit.submit(sid, question(secret), request_id, room=room, targets=(extension,))
        except NewAgeError as error:
            if "messageId" not in error.members:  # no request: the id is as it was
                del self.questions[secret]
                self.questions[secret] = asked
                asked.ends.append("refused")
                if before is not None:
                    self.open[who, request_id] = before
                return None
        return asked

    def _status(self, who: str, body: dict[str, Any]) -> None:
        asked = self.open.get((who, body["requestId"]))
        if asked is None:
            self.wrong.append(f"{who} is told of {body['requestId']}, which nobody asked")
            return
        if body.get("responseId"):
            asked.responses.append(body["responseId"])
        if body["status"] in FINAL:
            asked.ends.append(body["status"])

    def _sent(self, sent: Sent) -> None:
        caller = self.kit.sessions.caller(sent.sid)
        if caller is None or caller.identity not in PEOPLE:
            return
        who = caller.identity
        body = sent.body if isinstance(sent.body, dict) else {}
        for secret in self._answers_in(sent, body):
            asked = self.questions[secret]
            room = self.kit.rooms.with_id(asked.room_id)
            if room is not None and who in room.members:
                self.seen.add((who, secret))
            elif sent.event not in ENDS or (who, secret) not in self.seen:  # its end, as the room goes
                self.wrong.append(f"{who} sees {sent.event} with the answer to {asked}")
            if sent.event in ANSWERS:
                self._attributed(sent.event, body, asked)
                if sent.event == "LLM_RESPONSE":
                    self.shown[body["responseId"]] = secret

    def _answers_in(self, sent: Sent, body: dict[str, Any]) -> set[str]:
        """Secrets of answers: a question holds its secret once, an answer nothing else."""
        text = b"" if sent.event == "LLM_REQUEST" else orjson.dumps([a for a in sent.args if not isinstance(a, bytes)])
        raw = b"".join(arg for arg in sent.args if isinstance(arg, bytes))
        found = text.decode() + raw.decode()
        for secret in secrets_in(found):
            found = found.replace(question(secret), "")
        return secrets_in(found)

    def _attributed(self, event: str, body: dict[str, Any], asked: Question) -> None:
        if body["roomName"] != asked.room:
            self.wrong.append(f"{event} shows the answer to {asked} in room {body['roomName']}")
        if asked.extension in self.strict and body["requestId"] != asked.request_id:
            self.wrong.append(f"{event} gives the answer to {asked} to request {body['requestId']}")

    def ended(self) -> list[str]:
        """What is wrong with how requests ended, now that all are over."""
        found = []
        for asked in self.questions.values():
            if len(asked.ends) != 1:
                found.append(f"{asked} ended {len(asked.ends)} times")
            for response in asked.responses:
                secret = self.shown.get(response, asked.secret)  # nobody was there to see it
                other = self.questions[secret]
                if secret != asked.secret and (asked.extension in self.strict or other.room_id != asked.room_id):
                    found.append(f"{asked} was completed by the answer to {other}")
        return found


# --------------------------------------------------------------------------------------------------------- the machine


class Answers(RuleBasedStateMachine):
    make_desk: Any = staticmethod(Desk)
    max_in_flight = 1

    def __init__(self) -> None:
        super().__init__()
        limits = RequestSettings(
            llm_request_timeout_seconds=TIMEOUT,
            extension_first_sign_seconds=FIRST_SIGN,
            extension_max_in_flight=self.max_in_flight,
            request_rate=10_000,
        )
        self.kit = kit = Kit(requests=limits, make_desk=self.make_desk)
        self.checker = Checker(kit, strict=(DOCUMENTED, MODERN))
        self.checker.watch()
        self.sids: dict[str, str] = {}
        for who in PEOPLE:
            self.come(who)
        kit.group("red", "ann", RequestMode.IMMEDIATE, bob=Role.GUEST, cid=Role.GUEST)
        kit.group("blue", "bob", RequestMode.SEPARATE, ann_2=Role.GUEST)
        self.picked: Counter[str] = Counter()
        self.reference = ReferenceDouble(kit, REFERENCE)
        self.labelling = [LabellingDouble(kit, who, self.pick) for who in (DOCUMENTED, MODERN)]
        self.doubles: list[ReferenceDouble | LabellingDouble] = [self.reference, *self.labelling]
        for double in self.doubles:
            self.connect(double)

    def pick(self, kind: str) -> str:
        """Two ids over and over, and now and then a fresh one."""
        self.picked[kind] += 1
        number = self.picked[kind]
        return f"{kind}{number}" if number % 5 == 0 else f"{kind}-{number % 5 // 2}"

    def connect(self, double: ReferenceDouble | LabellingDouble) -> None:
        declared: dict[str, Any] = (
            {"capacity": 3, "features": frozenset({"accept"})} if double.identity == MODERN else {}
        )
        if double.identity == DOCUMENTED:
            declared = {"capacity": 2}
        self.kit.connect(double.identity, client_type="SillyTavern", link=double, **declared)

    # ------------------------------------------------------------------------------------------------------ people

    @rule(
        asks=st.lists(
            st.tuples(
                st.sampled_from(sorted(PEOPLE)),
                st.integers(0, 2),
                st.sampled_from([REFERENCE, DOCUMENTED, MODERN]),
                st.sampled_from(["1", "2", "fresh"]),
            ),
            min_size=1,
            max_size=3,
        )
    )
    def ask(self, asks: list[tuple[str, int, str, str]]) -> None:
        """Some ask at once, each in one of the rooms where he is."""
        for who, where, extension, request_id in asks:
            if who in self.sids:
                rooms = self.kit.rooms.rooms_of(who)
                chosen = self.kit.new_id() if request_id == "fresh" else request_id
                self.checker.ask(self.sids[who], rooms[where % len(rooms)], extension, chosen)

    @rule(
        what=st.sampled_from(["come or go", "join or leave", "make again", "sit down", "stand up", "reload", "read"]),
        who=st.sampled_from(sorted(PEOPLE)),
        which=st.integers(0, 2),
    )
    def upheaval(self, what: str, who: str, which: int) -> None:
        """Somebody comes or goes, a room is made again, somebody uses a SillyTavern, or reloads it."""
        match what:
            case "come or go":
                self.come_or_go(who)
            case "join or leave":
                self.join_or_leave(GROUPS[which % 2], who)
            case "make again":
                self.make_room_again(GROUPS[which % 2], who)
            case "reload":
                self.reload(self.doubles[which])
            case "read":
                self.read_streams(who)
            case _:
                self.reference.busy = what == "sit down"

    def come_or_go(self, who: str) -> None:
        if who in self.sids:
            self.kit.disconnect_all(who)
            del self.sids[who]
        else:
            self.come(who)

    def come(self, who: str) -> None:
        modes = {"bob": "ss", "cid": ""}  # who declares nothing is probed for what it reads
        self.sids[who] = self.kit.connect(
            PEOPLE[who], identity=who, stream_mode=modes.get(who, "plain"), incremental=who == "ann-2"
        )

    def join_or_leave(self, room: str, who: str) -> None:
        here = self.kit.rooms.get(room)
        if here is None or who not in self.sids:
            return
        if who not in here.members:
            result_of(self.kit.rooms.add(room, who))
        elif len(here.members) > 1:
            result_of(self.kit.rooms.remove(room, who, "leave"))

    def make_room_again(self, room: str, master: str) -> None:
        session = self.kit.sessions.by_identity(master)
        if session is None:
            return
        if self.kit.rooms.get(room) is not None:
            result_of(self.kit.rooms.delete(room))
        result_of(self.kit.rooms.create(room, session))
        self.kit.set_mode(room, RequestMode.IMMEDIATE)

    # ------------------------------------------------------------------------------------------ the reference extension

    @precondition(lambda self: self.reference.job is not None)
    @rule(
        tokens=st.lists(st.booleans(), max_size=3),
        then=st.sampled_from(["goes on", "is over", "is over", "fails", "anew"]),
    )
    def reference_answers(self, tokens: list[bool], then: str) -> None:
        """Some tokens, with a requestId of its own or without; a whole answer when it is over and there were none."""
        for labelled in tokens:
            self.reference.token(labelled=labelled)
        if then == "is over":
            self.reference.finish()
        elif then == "fails":
            self.reference.fail()
        elif then == "anew":
            self.reference.begin_anew()

    # ------------------------------------------------------------------------------------------ the ones that label

    @precondition(lambda self: any(double.jobs for double in self.labelling))
    @rule(
        packets=st.lists(
            st.tuples(
                st.integers(0, 5),
                st.sampled_from(["begin", "token", "token", "end", "message", "message", "fail", "fail_stream"]),
                st.booleans(),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def labelled_answers(self, packets: list[tuple[int, str, bool]]) -> None:
        """Packets of any of the answers that are under way, in any order; some come twice."""
        for which, what, flag in packets:
            under_way = [(double, job) for double in self.labelling for job in double.jobs]
            if not under_way:
                return
            double, job = under_way[which % len(under_way)]
            if what == "token":
                double.token(job, twice=flag)
            elif what == "message":
                double.message(job, twice=flag)
            elif what == "end":
                double.end(job, final=flag or None)
            else:
                getattr(double, what)(job)

    @rule(
        extension=st.sampled_from([DOCUMENTED, MODERN]),
        request_id=st.sampled_from([None, "1", "9"]),
        output_id=st.sampled_from(["o1", "o2", "o9"]),
        what=st.sampled_from(["start", "data", "end", "failed"]),
    )
    def noise(self, extension: str, request_id: str | None, output_id: str, what: str) -> None:
        """Packets without a text, under ids that are in use or are not."""
        streams, stream_id = self.kit.streams, output_id.replace("o", "s")
        if what == "start":
            streams.stream_started(Said(extension, stream_id, output_id, request_id))
        elif what == "data":
            streams.stream_data(Said(extension, stream_id, output_id, request_id), None, "")
        elif what == "end":
            streams.stream_ended(Said(extension, stream_id, output_id, request_id), None)
        else:
            streams.stream_failed(Said(extension, stream_id, output_id, request_id))

    def reload(self, double: ReferenceDouble | LabellingDouble) -> None:
        self.kit.disconnect_all(double.identity)
        double.reload()
        self.connect(double)

    # -------------------------------------------------------------------------------------------------------- time

    @rule(seconds=st.sampled_from((0.1, 1, 3, FIRST_SIGN, FIRST_SIGN + 5, TIMEOUT + 5)))
    def wait(self, seconds: float) -> None:
        """No model takes longer than the hub waits."""
        now = self.kit.clock.seconds()
        job = self.reference.job
        if job is not None and now + seconds - job.began_at > TIMEOUT - 10:
            self.reference.job = None
        self.pass_time(seconds)

    def read_streams(self, who: str) -> None:
        """A reader of the stream library takes what there is."""
        for sent in self.kit.outbox.got(self.sids.get(who, ""), "$stream"):
            self.kit.downstream.read(sent.sid, sent.args[1]["$stream"])
        for call in [call for call in self.kit.outbox.calls if call.sid == self.sids.get(who)]:
            self.kit.outbox.acknowledge(sid=call.sid)

    def pass_time(self, seconds: float) -> None:
        while seconds > 0:
            self.kit.clock.advance(min(seconds, 0.5 if seconds < 5 else 5))
            seconds -= 0.5 if seconds < 5 else 5

    # ------------------------------------------------------------------------------------------------------ always

    @invariant()
    def nobody_saw_what_is_not_his(self) -> None:
        assert self.checker.wrong == []

    def teardown(self) -> None:
        self.reference.job = None
        for _ in range(3 * len(self.checker.questions) + 3):
            if self.kit.ledger.live_count == 0:
                break
            self.reference.reload()
            for double in self.labelling:
                double.reload()
            self.pass_time(TIMEOUT + 10)
        wrong = [*self.checker.wrong, *self.checker.ended()]
        self.kit.close()
        assert wrong == []


Answers.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestAnswers = Answers.TestCase


# --------------------------------------------------------------------------------------------------------- wrong rules


class OldestUnanswered(Desk):
    """An answer without a label belongs to the oldest request that is not over, of whatever room."""

    def whose(self, request_id: str | None, output_id: str | None, bound: Request | None, *rest: Any) -> Any:
        named = self.named(request_id)
        return named or bound or next((r for r in self._asked if r.live), Nobody.NOTHING_ASKED)


SOON = 3  # a seed that finds each of them within seconds


class OutputBeatsRequest(Desk):
    """A known outputId says more than a requestId."""

    def whose(self, request_id: str | None, output_id: str | None, bound: Request | None, *rest: Any) -> Any:
        return bound or super().whose(request_id, output_id, bound, *rest)


class EverybodysIds(Desk):
    """Whoever uses a requestId last has it."""

    def ask(self, request: Request, now: float, new_id: Any) -> str:
        super().ask(request, now, new_id)
        self._names[request.request_id] = request
        return request.request_id


class SilenceIsOver(Desk):
    """What was given up is not waited for any more."""

    def given_up(self, request: Request, now: float) -> None:
        self.done(request)


@pytest.mark.timeout(600)  # it searches
@pytest.mark.parametrize(
    ("rule", "at_once"), [(OldestUnanswered, 0), (OutputBeatsRequest, 1), (EverybodysIds, 1), (SilenceIsOver, 1)]
)
def test_the_checker_notices_a_wrong_rule(rule: type[Desk], at_once: int) -> None:
    class Wrong(Answers):
        make_desk = rule
        max_in_flight = at_once

    searching = settings(
        max_examples=3000,
        stateful_step_count=50,
        deadline=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        database=None,
    )
    with pytest.raises(AssertionError, match="the answer to Question"):
        run_state_machine_as_test(seed(SOON)(Wrong), settings=searching)
