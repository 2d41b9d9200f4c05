"""Sessions counted by their sockets: registration, grace, availability of extensions, look-ups (contract 2.9-2.11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hubkit import HOME, Kit, Link
from newage.domain.delivery import Audience
from newage.domain.model import Caller, Kind, Room, Session
from newage.errors import Unavailable
from newage.ports import IExtensionHost, IOutbox, ISessionListener
from newage.services.sessions.sessions import SessionSettings


@implementer(ISessionListener)
class Diary:
    """Writes down what it is told, as (what, identity or sid)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def session_coming(self, session: Session) -> None:
        self.told.append(("coming", session.identity))

    def session_appeared(self, session: Session) -> None:
        self.told.append(("appeared", session.identity))

    def socket_attached(self, caller: Caller) -> None:
        self.told.append(("attached", caller.sid))

    def socket_detached(self, caller: Caller) -> None:
        self.told.append(("detached", caller.sid))

    def session_gone(self, session: Session) -> None:
        self.told.append(("gone", session.identity))

    def extension_available(self, session: Session) -> None:
        self.told.append(("available", session.identity))

    def extension_lost(self, session: Session) -> None:
        self.told.append(("lost", session.identity))

    def extension_gone(self, session: Session) -> None:
        self.told.append(("given up", session.identity))

    def session_put_out(self, session: Session) -> None:
        self.told.append(("put out", session.identity))


@pytest.fixture
def diary(kit: Kit) -> Diary:
    diary = Diary()
    assert verifyObject(ISessionListener, diary)
    kit.sessions.add_listener(diary)
    return diary


def test_it_is_where_in_process_extensions_plug_in(kit: Kit) -> None:
    assert verifyObject(IExtensionHost, kit.sessions)
    assert verifyObject(IOutbox, kit.outbox)


# -------------------------------------------------------------------------------------------------------- registration


@pytest.mark.parametrize("namespace", ["/", "/auth", "/llm", "/rooms", "/clients", "/function_call"])
def test_the_first_socket_in_any_namespace_registers(kit: Kit, diary: Diary, namespace: str) -> None:
    sid = kit.connect("web1", namespace, identity="web1-a")
    assert diary.told == [("coming", "web1-a"), ("appeared", "web1-a"), ("attached", sid)]
    assert kit.sessions.is_online("web1-a")
    assert not kit.sessions.is_online("web1")


def test_further_sockets_are_counted_not_registered(kit: Kit, diary: Diary) -> None:
    first, second = kit.connect("web1", "/llm"), kit.connect("web1", "/rooms")
    kit.disconnect(first)
    kit.clock.advance(10)
    assert diary.told[1:] == [("appeared", "web1"), ("attached", first), ("attached", second), ("detached", first)]
    assert kit.sessions.is_online("web1")


def test_a_socket_is_in_the_rooms_of_its_identity_client_and_kind(kit: Kit) -> None:
    sid = kit.connect("web1", "/rooms", identity="web1-a")
    wanted = {Audience.identity("web1-a"), Audience.client("web1"), Audience.of_kind(Kind.CLIENT)}
    assert wanted <= kit.outbox.audiences(sid)


def test_later_sockets_fill_in_what_the_first_left_out(kit: Kit) -> None:
    kit.connect("web1", "/", desc="first", html="<b>")
    kit.connect("web1", "/llm", desc="second")
    session = kit.sessions.by_identity("web1")
    assert session is not None
    assert (session.desc, session.html) == ("second", "<b>")


# --------------------------------------------------------------------------------------------------------------- grace


def test_a_session_outlives_its_last_socket_by_the_grace(kit: Kit, diary: Diary) -> None:
    sid = kit.connect("web1")
    kit.disconnect(sid)
    kit.clock.advance(1.9)
    assert kit.sessions.is_online("web1")
    kit.clock.advance(0.2)
    assert not kit.sessions.is_online("web1")
    assert kit.sessions.by_identity("web1") is None
    assert diary.told[-2:] == [("detached", sid), ("gone", "web1")]


def test_a_reconnect_within_the_grace_is_the_same_session(kit: Kit, diary: Diary) -> None:
    kit.disconnect(kit.connect("web1"))
    kit.clock.advance(1.9)
    again = kit.connect("web1")
    kit.clock.advance(60)
    assert diary.told[-1] == ("attached", again)
    assert [what for what, _ in diary.told].count("appeared") == 1


def test_a_reconnect_after_the_grace_appears_again(kit: Kit, diary: Diary) -> None:
    kit.disconnect(kit.connect("web1"))
    kit.clock.advance(2)
    kit.connect("web1")
    assert [what for what, _ in diary.told].count("appeared") == 2


def test_unknown_sids_go_unnoticed(kit: Kit, diary: Diary) -> None:
    kit.sessions.detach("nobody")
    kit.sessions.detach_extension("nobody")
    assert diary.told == []


def test_closing_stops_the_graces(kit: Kit, diary: Diary) -> None:
    kit.disconnect(kit.connect("web1"))
    kit.sessions.close()
    kit.clock.advance(10)
    assert ("gone", "web1") not in diary.told


# -------------------------------------------------------------------------------------------------------------- limits


def test_sessions_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(sessions=SessionSettings(max_sessions=2))
    kit.connect("a")
    kit.connect("b")
    with pytest.raises(Unavailable, match="Too many sessions"):
        kit.connect("c")
    kit.connect("a", "/rooms")
    assert [s.identity for s in kit.sessions.online_sessions()] == ["a", "b"]


def test_sockets_of_a_session_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(sessions=SessionSettings(max_sockets_per_session=2))
    first = kit.connect("a")
    kit.connect("a", "/rooms")
    with pytest.raises(Unavailable, match="Too many sockets"):
        kit.connect("a", "/clients")
    kit.disconnect(first)
    kit.connect("a", "/clients")
    assert len(kit.sessions.all_callers("a")) == 2


def test_the_grace_is_a_setting(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(sessions=SessionSettings(session_grace_ms=500))
    kit.disconnect(kit.connect("a"))
    kit.clock.advance(0.5)
    assert not kit.sessions.is_online("a")


# ---------------------------------------------------------------------------------------------------------- extensions


def test_an_extension_is_available_while_it_has_a_link(kit: Kit, diary: Diary) -> None:
    kit.connect("SillyTavern-8000", "/auth", client_type="SillyTavern")
    assert not kit.sessions.is_available("SillyTavern-8000")
    old, new = Link(), Link()
    first = kit.connect("SillyTavern-8000", client_type="SillyTavern", link=old)
    second = kit.connect("SillyTavern-8000", client_type="SillyTavern", link=new)
    assert kit.sessions.link("SillyTavern-8000") is new
    kit.disconnect(second)
    assert kit.sessions.link("SillyTavern-8000") is old
    assert [told for told in diary.told if told[0] in ("available", "lost")] == [("available", "SillyTavern-8000")]
    kit.disconnect(first)
    assert diary.told[-1] == ("lost", "SillyTavern-8000")
    assert kit.sessions.link("SillyTavern-8000") is None
    assert not kit.sessions.is_available("SillyTavern-8000")
    assert kit.sessions.is_online("SillyTavern-8000")


def test_an_extension_that_comes_back_within_its_grace_is_available_again(kit: Kit, diary: Diary) -> None:
    kit.disconnect(kit.connect("SillyTavern-1", client_type="extension", link=Link()))
    kit.connect("SillyTavern-1", client_type="extension", link=Link())
    assert [what for what, _ in diary.told if what in ("available", "lost")] == ["available", "lost", "available"]


@pytest.mark.parametrize(("features", "seconds"), [((), 10), (("accept", "resume"), 30)])
def test_an_extension_that_stays_away_is_given_up(
    kit: Kit, diary: Diary, features: tuple[str, ...], seconds: float
) -> None:
    kit.extension("SillyTavern-1", features=features)
    kit.disconnect_all("SillyTavern-1")
    assert [session.identity for session in kit.sessions.absent_extensions()] == ["SillyTavern-1"]
    kit.clock.pump([1] * (int(seconds) - 1))
    assert ("given up", "SillyTavern-1") not in diary.told
    kit.clock.advance(1)
    assert diary.told[-1] == ("given up", "SillyTavern-1")
    assert kit.sessions.absent_extensions() == ()


def test_an_extension_in_process_is_one_like_any_other(kit: Kit, diary: Diary) -> None:
    link = Link()
    session = Session(client_id="SillyTavern-demo", identity="SillyTavern-demo", client_type="SillyTavern")
    sid = kit.sessions.attach_extension(session, link, 7)
    assert [s.identity for s in kit.sessions.available_extensions()] == ["SillyTavern-demo"]
    assert kit.sessions.callers("SillyTavern-demo", "/llm")[0].peer.local
    answering = kit.sessions.answering("SillyTavern-demo")
    assert answering is not None
    assert (answering.sid, answering.capacity) == (sid, 7)
    kit.sessions.detach_extension(sid)
    assert ("lost", "SillyTavern-demo") in diary.told
    assert kit.sessions.answering("SillyTavern-demo") is None


# ------------------------------------------------------------------------------------------------------------- look-up


def test_a_target_is_an_identity_or_the_newest_session_of_a_client(kit: Kit) -> None:
    kit.connect("web1", identity="web1-a")
    kit.clock.advance(1)
    kit.connect("web1", identity="web1-b")
    kit.clock.advance(1)
    kit.connect("web1", "/rooms", identity="web1-a")
    found = [kit.sessions.resolve(target) for target in ("web1-a", "web1-b", "web1", "nobody")]
    assert [session and session.identity for session in found] == ["web1-a", "web1-b", "web1-b", None]


def test_an_extension_target_must_be_available(kit: Kit) -> None:
    kit.connect("SillyTavern-1", identity="SillyTavern-1-a", client_type="SillyTavern", link=Link())
    kit.clock.advance(1)
    gone = kit.connect("SillyTavern-1", identity="SillyTavern-1-b", client_type="SillyTavern", link=Link())
    kit.connect("SillyTavern-1", "/auth", identity="SillyTavern-1-b", client_type="SillyTavern")

    def found(target: str) -> str | None:
        session = kit.sessions.resolve_extension(target)
        return None if session is None else session.identity

    assert [found(t) for t in ("SillyTavern-1", "SillyTavern-1-b", "SillyTavern-1-a")] == [
        "SillyTavern-1-b",
        "SillyTavern-1-b",
        "SillyTavern-1-a",
    ]
    kit.disconnect(gone)
    assert [found(t) for t in ("SillyTavern-1", "SillyTavern-1-b")] == ["SillyTavern-1-a", None]


def test_who_declared_nothing_is_not_asked_where_another_identity_of_its_client_declared_features(kit: Kit) -> None:
    x = "SillyTavern-1"
    ours = kit.connect(x, identity=f"{x}-b", client_type="SillyTavern", link=Link(), features=("accept",))
    kit.clock.advance(1)
    plain = kit.connect(x, client_type="SillyTavern", link=Link())

    def found(target: str) -> str | None:
        session = kit.sessions.resolve_extension(target)
        return None if session is None else session.identity

    assert [kit.sessions.is_outranked(each) for each in (x, f"{x}-b", "nobody")] == [True, False, False]
    assert [found(x), found(f"{x}-b"), kit.sessions.instead_of(x)] == [f"{x}-b"] * 3
    kit.disconnect(ours)
    assert [found(x), kit.sessions.instead_of(x)] == [None, f"{x}-b"], "it may be back in a moment"
    kit.clock.pump([1] * 10)
    assert found(x) == x, "it has not come back"
    kit.disconnect(plain)
    assert found(x) is None


def test_an_absent_page_of_its_own_outranks_nobody(kit: Kit) -> None:
    x = "SillyTavern-1"
    ours = kit.connect(x, client_type="SillyTavern", link=Link(), features=("resume",))
    kit.disconnect(ours)
    kit.connect(x, client_type="SillyTavern", link=Link())
    assert not kit.sessions.is_outranked(x)


def test_sockets_are_found_by_identity_and_namespace_oldest_first(kit: Kit) -> None:
    old, rooms, new = kit.connect("web1"), kit.connect("web1", "/rooms"), kit.connect("web1")
    assert kit.sessions.sids("web1", "/llm") == (old, new)
    assert kit.sessions.newest("web1", "/llm") == new
    assert kit.sessions.newest("web1", "/debug") is None
    assert [caller.sid for caller in kit.sessions.all_callers("web1")] == [old, rooms, new]
    assert kit.sessions.callers("nobody", "/llm") == kit.sessions.all_callers("nobody") == ()
    caller = kit.sessions.caller(rooms)
    assert caller is not None
    assert caller.namespace == "/rooms"
    assert kit.sessions.caller("nobody") is None


def test_who_is_away_is_called_by_its_identity_unless_more_is_known(kit: Kit) -> None:
    kit.connect("web1", identity="web1-a")
    assert kit.sessions.named("web1-a") == kit.sessions.by_identity("web1-a")
    assert kit.sessions.named("web2-a") == Session(client_id="web2-a", identity="web2-a")
    assert kit.sessions.named("web2-a", "web2") == Session(client_id="web2", identity="web2-a")


# --------------------------------------------------------------------------------------------------------------- model


class SessionsMachine(RuleBasedStateMachine):
    """Any order of connects, disconnects and time against counting by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.kit = Kit()
        self.diary = Diary()
        self.kit.sessions.add_listener(self.diary)
        self.sockets: dict[str, tuple[str, bool]] = {}  # sid -> identity, has a link
        self.empty_since: dict[str, float] = {}

    @rule(identity=st.sampled_from(["c", "c-1", "d"]), linked=st.booleans())
    def connect(self, identity: str, linked: bool) -> None:
        link: dict[str, Any] = {"link": Link(), "client_type": "extension"} if linked else {}
        sid = self.kit.connect(identity[0], identity=identity, **link)
        self.sockets[sid] = (identity, linked)
        self.empty_since.pop(identity, None)

    @precondition(lambda self: self.sockets)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        sid = data.draw(st.sampled_from(sorted(self.sockets)))
        identity, _ = self.sockets.pop(sid)
        self.kit.disconnect(sid)
        if identity not in {who for who, _ in self.sockets.values()}:
            self.empty_since[identity] = self.kit.clock.seconds()

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0]))
    def wait(self, seconds: float) -> None:
        self.kit.clock.advance(seconds)
        for identity, since in list(self.empty_since.items()):
            if self.kit.clock.seconds() - since >= 2:
                del self.empty_since[identity]

    @invariant()
    def online_are_those_with_sockets_or_in_grace(self) -> None:
        sessions = self.kit.sessions
        expected = {identity for identity, _ in self.sockets.values()} | set(self.empty_since)
        assert {s.identity for s in sessions.online_sessions()} == expected
        assert {s.identity for s in sessions.available_extensions()} == {
            who for who, link in self.sockets.values() if link
        }
        for identity in expected:
            here = {sid for sid, (who, _) in self.sockets.items() if who == identity}
            assert set(sessions.sids(identity, "/llm")) == here

    @invariant()
    def whoever_appeared_is_here_or_has_gone(self) -> None:
        for what, back in (("appeared", "gone"), ("available", "lost"), ("attached", "detached")):
            first = [who for event, who in self.diary.told if event == what]
            last = [who for event, who in self.diary.told if event == back]
            for who in first:
                assert first.count(who) - last.count(who) in (0, 1)

    def teardown(self) -> None:
        self.kit.close()


SessionsMachine.TestCase.settings = hypothesis_settings(max_examples=40, stateful_step_count=25, deadline=None)
TestSessionsMachine = SessionsMachine.TestCase


def test_a_personal_room_exists_before_anybody_else_hears_of_the_session(kit: Kit) -> None:
    seen: list[Room | None] = []

    class Curious(Diary):
        def session_appeared(self, session: Session) -> None:
            seen.append(kit.rooms.get(session.identity))

    kit.sessions.add_listener(Curious())
    kit.connect("web1")
    assert [room and room.master for room in seen] == ["web1"]
    assert kit.caller(kit.connect("mon", client_type="monitor")).kind is Kind.ADMIN
    assert HOME.local


@pytest.mark.parametrize("ours_first", [True, False])
def test_of_one_identity_who_declared_features_serves(kit: Kit, ours_first: bool) -> None:
    """The reference extension beside ours under one id: ours is asked, whoever came last (contract 2.9)."""
    links = {ours: Link() for ours in ((True, False) if ours_first else (False, True))}
    sids = {
        ours: kit.connect(
            "SillyTavern-8000",
            client_type="SillyTavern",
            link=link,
            features=frozenset({"accept"} if ours else ()),
        )
        for ours, link in links.items()
    }
    assert kit.sessions.link("SillyTavern-8000") is links[True]
    answering = kit.sessions.answering("SillyTavern-8000")
    assert answering is not None
    assert answering.sid == sids[True]
    kit.disconnect(sids[True])
    assert kit.sessions.link("SillyTavern-8000") is links[False]
