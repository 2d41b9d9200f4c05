"""One receiver: told in order, again until it takes it, given up in time; it holds up nobody else."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from deferreds import value
from logkit import Logged
from newage.domain.webhooks import Delivery, Due, Queue, Said
from newage.errors import Unavailable
from newage.ports import IWebhookStore
from newage.protocol.json_text import dumps
from newage.services.webhooks.line import DELIVERED, GIVEN_UP, LEFT_OUT, Line
from newage.services.world import World
from newage.storage.stores import memory_stores
from webhookkit import SECRET, URL, PlayedPoster, webhook

BROKEN = Said(500)
EVENT = "session.connected"


@define(eq=False)
class Played:
    clock: Clock = field(factory=Clock)
    poster: PlayedPoster = field(factory=PlayedPoster)
    store: IWebhookStore = field(factory=lambda: memory_stores().webhooks)
    lines: list[Line] = field(factory=list)
    number: int = 0

    def make(self, name: str = "bot", *, store: Any = None, poster: Any = None, **settings: Any) -> Line:
        def body(due: Due, with_texts: bool) -> bytes:
            return dumps({"type": due.delivery.event, "number": due.delivery.id, "texts": with_texts})

        self.lines.append(
            Line(
                webhook=webhook(name, **{"events": EVENT, **settings}),
                world=World(clock=self.clock, wall=lambda: 1_700_000_000 + self.clock.seconds(), new_id=str),
                store=store or self.store,
                poster=poster or self.poster,
                running=self.clock.seconds,
                chance=lambda: 0.999_999,
                body=body,
            )
        )
        return self.lines[-1]

    def queue(self, line: Line, count: int = 1, event: str = EVENT) -> None:
        for _ in range(count):
            self.number += 1
            since = self.clock.seconds()
            told = Delivery(
                id=f"msg_{self.number}", webhook=line.name, event=event, at="t", since=since, data={}, most=99
            )
            value(self.store.add_deliveries([told]))
            line.queued()

    def waiting(self, line: Line) -> int:
        return int(value(self.store.queue_of(line.name)).length)

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.poster.sent]


@pytest.fixture
def played() -> Iterator[Played]:
    played = Played()
    yield played
    for line in played.lines:
        line.close()
        line.close()
    assert played.clock.getDelayedCalls() == []


def test_what_waits_at_the_start_and_what_comes_then_is_told_in_order(played: Played) -> None:
    line = played.make()
    played.queue(line, 2)
    assert played.ids == []
    line.start()
    played.queue(line)
    assert played.ids == ["msg_1", "msg_2", "msg_3"]
    assert (played.waiting(line), line.length, line.outcomes[DELIVERED], line.failures) == (0, 0, 3, 0)


def test_it_is_signed(played: Played) -> None:
    line = played.make(with_texts=False, timeout_seconds=7)
    line.start()
    played.clock.advance(5.75)
    played.queue(line)
    (sent,) = played.poster.sent
    assert (sent.url, sent.seconds, sent.told["texts"]) == (URL, 7, False)
    assert sent.headers["webhook-timestamp"] == "1700000005"
    signed = b"msg_1.1700000005." + sent.body
    wanted = hmac.new(b64decode(SECRET.removeprefix("whsec_")), signed, "sha256").digest()
    assert sent.headers["webhook-signature"] == "v1," + b64encode(wanted).decode()
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["User-Agent"].startswith("newage/")
    assert SECRET not in repr(line)


def test_one_at_a_time(played: Played) -> None:
    line = played.make()
    played.poster.held = True
    line.start()
    played.queue(line, 3)
    for number in (1, 2, 3):
        assert played.ids == [f"msg_{n}" for n in range(1, number + 1)]
        played.poster.answer()


def test_it_is_told_again_with_the_same_id_and_a_new_time(played: Played) -> None:
    line = played.make()
    played.poster.answers = [BROKEN, Said(why="does not run"), Said(302), BROKEN]
    line.start()
    played.queue(line, 2)
    for due in (5, 10, 20, 40):
        assert played.waiting(line) == 2
        sent = len(played.ids)
        played.clock.advance(due - 0.1)
        assert len(played.ids) == sent
        played.clock.advance(0.1)
        assert len(played.ids) > sent
    assert played.ids == ["msg_1"] * 5 + ["msg_2"]
    times = [int(each.headers["webhook-timestamp"]) for each in played.poster.sent]
    assert times == sorted(times) and times[0] + 74 <= times[4]
    assert (line.failures, line.outcomes[DELIVERED], line.trouble_now) == (4, 2, "")


def test_what_comes_meanwhile_does_not_hurry_it(played: Played) -> None:
    line = played.make()
    played.poster.answers = [BROKEN]
    line.start()
    played.queue(line, 5)
    assert (played.ids, line.length, line.trouble_now) == (["msg_1"], 5, "answered with status 500")
    played.clock.advance(5)
    assert len(played.ids) == 6


def test_it_is_asked_when_it_wants_to_be(played: Played) -> None:
    line = played.make(retry_after_most_seconds=100.0)
    played.poster.answers = [Said(429, 60.0), Said(503, 9e9)]
    line.start()
    played.queue(line)
    played.clock.advance(59)
    assert len(played.ids) == 1
    played.clock.advance(1)
    assert len(played.ids) == 2
    played.clock.advance(100)
    assert (len(played.ids), played.waiting(line)) == (3, 0)


def test_one_that_wants_no_more_is_left_alone_until_the_next_start(played: Played) -> None:
    line = played.make()
    played.poster.answers = [Said(410)]
    line.start()
    with Logged() as log:
        played.queue(line, 2)
        played.clock.advance(9_999)
    assert (played.ids, line.gone, played.waiting(line)) == (["msg_1"], True, 2)
    assert "it wants no more" in only(log)
    later = played.make()
    later.start()
    assert (played.ids, played.waiting(later)) == (["msg_1", "msg_1", "msg_2"], 0)


def test_it_is_given_up_in_time_with_one_line(played: Played) -> None:
    line = played.make(give_up_seconds=100.0, retry_first_seconds=30.0)
    played.poster.answers = [BROKEN] * 99
    line.start()
    with Logged() as log:
        played.queue(line, 3)
        assert "https://bot.test answered with status 500" in only(log)
        assert "hook" not in only(log).replace("webhook", "")
    with Logged() as log:
        for _ in range(8):
            played.clock.advance(30)
    assert (played.ids, played.waiting(line), line.outcomes[GIVEN_UP]) == (["msg_1"] * 3, 0, 3)
    assert "3 events were given up after 100 seconds: https://bot.test answered with status 500" in only(log)
    played.poster.answers = []
    with Logged() as log:
        played.queue(line)
    assert (played.ids[-1], line.outcomes[DELIVERED]) == ("msg_4", 1)
    assert "takes events again" in only(log)


def test_what_was_never_asked_is_given_up_too(played: Played) -> None:
    line = played.make(give_up_seconds=10.0)
    played.queue(line)
    played.clock.advance(11)
    with Logged() as log:
        line.start()
    assert (played.ids, line.outcomes[GIVEN_UP]) == ([], 1)
    assert "was not asked" in only(log)


def test_one_that_fails_holds_up_no_other(played: Played) -> None:
    hangs = PlayedPoster(held=True)
    bad, good = played.make("bad", poster=hangs), played.make("good")
    for line in (bad, good):
        line.start()
        played.queue(line, 2)
    assert (len(hangs.sent), len(played.ids)) == (1, 2)
    bad.close()
    assert hangs.taken_back == 1


def test_what_is_not_configured_any_more_is_not_told(played: Played) -> None:
    line = played.make()
    played.queue(line, event="session.disconnected")
    played.queue(line)
    line.start()
    assert (played.ids, played.waiting(line), line.outcomes[DELIVERED]) == (["msg_2"], 0, 1)


def test_what_has_no_place_is_counted_and_said_once(played: Played) -> None:
    line = played.make()
    with Logged() as log:
        for _ in range(3):
            line.left_out()
    assert line.outcomes[LEFT_OUT] == 3
    assert "10000 events wait" in only(log)


@frozen
class _Refusing:
    """Says no so often, then does as another one."""

    store: Any
    left: list[int]

    def drop_older(self, webhook: str, since: float) -> Deferred[int]:
        if self.left[0]:
            self.left[0] -= 1
            return fail(Unavailable("The store refused."))
        dropped: Deferred[int] = self.store.drop_older(webhook, since)
        return dropped

    def queue_of(self, webhook: str) -> Deferred[Queue]:
        found: Deferred[Queue] = self.store.queue_of(webhook)
        return found

    def drop_delivery(self, delivery_id: str) -> Deferred[None]:
        dropped: Deferred[None] = self.store.drop_delivery(delivery_id)
        return dropped


def test_a_store_that_refuses_is_asked_again(played: Played) -> None:
    line = played.make(store=_Refusing(played.store, [2]))
    with Logged() as log:
        line.start()
        played.queue(line)
        played.clock.advance(5)
        assert played.ids == []
        played.clock.advance(5)
    assert played.ids == ["msg_1"]
    assert len(log()) == 2


def test_what_comes_while_it_looks_is_not_missed(played: Played) -> None:
    looks: list[Deferred[Queue]] = []

    @frozen
    class Slow(_Refusing):
        def queue_of(self, webhook: str) -> Deferred[Queue]:
            looks.append(Deferred())
            return looks[-1]

    line = played.make(store=Slow(played.store, [0]))
    line.start()
    played.queue(line)
    looks[0].callback(Queue(0))
    looks[1].callback(value(played.store.queue_of("bot")))
    assert played.ids == ["msg_1"]
    looks[2].callback(Queue(0))
    assert len(looks) == 3


def only(log: Logged) -> str:
    (line,) = log()
    return line
