"""Admission: the checks of contract 2.4 in their order, with A1, as one table; limits and races."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from authkit import LOCAL, REMOTE, Gatehouse, quick_hash
from deferreds import SteppedWorkers, outcome, value
from newage.domain.model import Agent, Caller, Kind, Peer, Rank, Scope, nobodys
from newage.errors import AuthenticationFailed, NewAgeError, NotAuthorised, NotFound, Unavailable
from newage.services.accounts.auth import ANYBODY, EXTENSIONS, STAFF, HandshakeRequest
from newage.services.accounts.keys import Grant

ADMIN_ADDRESS = Peer("198.51.100.5", admin=True)
LAN = Peer("10.0.0.7", near=True)
OTHER_USER = LOCAL._replace(owned=nobodys)  # a program of another system user on this machine
FOREIGN_PAGE = LOCAL._replace(agent=Agent.PAGE)  # of another loopback port, in a browser of the hub's user
OWN_PAGE = LOCAL._replace(agent=Agent.OWN_PAGE)
BOOTSTRAP_ADDRESS = Peer("198.51.100.6", bootstrap=True)

EXTENSION = "SillyTavern-8000"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path)
    house.trusts("web1", EXTENSION, "monitor")
    house.write("settings/pw.json", {"clientId": "pw", "isTrust": True, "sillyTavernPassWord": "secret"})
    value(house.trust.rescan())
    return house


def admitting(house: Gatehouse, client_id: str, *, namespace: str = "/llm", peer: Peer = LOCAL, **request: Any) -> Any:
    gate = {"/debug": STAFF, "/sillytavern": EXTENSIONS}.get(namespace, ANYBODY)
    request.setdefault("identity", client_id)
    wanted = HandshakeRequest(client_id=client_id, **request)
    return house.auth.admit(wanted, sid="sid", namespace=namespace, peer=peer, gate=gate)


def admit(house: Gatehouse, client_id: str, **options: Any) -> Caller:
    caller: Caller = value(admitting(house, client_id, **options))
    return caller


def verdict(house: Gatehouse, client_id: str, **options: Any) -> str:
    """'ok', with its rights, or the refusal."""
    try:
        caller = admit(house, client_id, **options)
    except NewAgeError as error:
        return str(error)
    as_kind = "" if caller.kind is Kind.of(caller.session.client_type) else f" as {caller.kind.value}"
    return "ok" + as_kind + " sensitive" * caller.sensitive + " bootstrap" * caller.bootstrap


TYPES = {"client": "web-app", "extension": "SillyTavern", "admin": "monitor"}
UNTRUSTED, BAD_KEY, NOT_YOU = "Client is not trusted.", "Invalid key.", "Unauthorized"

# networkSafe, peer, claimed kind, client id, key ('good', 'wrong', 'getKey' or None), namespace -> verdict
TABLE: list[tuple[bool, Peer, str, str, str | None, str, str]] = [
    # networkSafe and local: what is local is trusted; kinds are believed, gates hold
    (True, LOCAL, "client", "nobody", None, "/llm", "ok"),
    (True, LOCAL, "client", "nobody", "wrong", "/llm", "ok"),
    (True, LOCAL, "client", "nobody", "getKey", "/auth", "ok"),
    (True, LOCAL, "extension", "SillyTavern-1", None, "/llm", "ok sensitive"),
    (True, LOCAL, "extension", "my-extension", None, "/sillytavern", "ok sensitive"),
    (True, LOCAL, "admin", "monitor", "wrong", "/debug", "ok sensitive"),
    (True, LOCAL, "admin", "nobody", None, "/clients", "ok sensitive"),
    (True, LOCAL, "client", "nobody", None, "/debug", NOT_YOU),
    # B2: without a credential sensitive rights are for the hub's own system user, administration for his programs
    (True, OTHER_USER, "client", "nobody", None, "/llm", "ok"),
    (True, OTHER_USER, "extension", "SillyTavern-1", None, "/llm", "ok"),
    (True, OTHER_USER, "extension", "SillyTavern-1", None, "/sillytavern", "ok"),
    (True, OTHER_USER, "admin", "monitor", None, "/llm", "ok as client"),
    (True, OTHER_USER, "admin", "monitor", None, "/debug", NOT_YOU),
    (True, FOREIGN_PAGE, "extension", "SillyTavern-1", None, "/clients", "ok sensitive"),
    (True, FOREIGN_PAGE, "admin", "monitor", None, "/llm", "ok as client"),
    (True, OWN_PAGE, "admin", "monitor", None, "/llm", "ok as client"),
    (True, OWN_PAGE, "admin", "monitor", "wrong", "/llm", "ok as client"),
    (True, OWN_PAGE, "admin", "monitor", "wrong", "/debug", NOT_YOU),
    # a page, and another user's program, show an administrator's key
    (True, OWN_PAGE, "admin", "monitor", "good", "/debug", "ok sensitive"),
    (True, OWN_PAGE, "admin", "nobody", "good", "/llm", "ok as client"),
    (True, FOREIGN_PAGE, "admin", "monitor", "good", "/llm", "ok as client"),
    (True, OTHER_USER, "admin", "monitor", "good", "/llm", "ok sensitive"),
    (True, OTHER_USER, "extension", "SillyTavern-1", "good", "/llm", "ok"),
    (True, LAN, "admin", "monitor", "good", "/llm", "ok sensitive"),
    (True, LAN._replace(agent=Agent.PAGE), "admin", "monitor", "good", "/llm", "ok as client"),
    (True, LOCAL, "client", "SillyTavern-1", None, "/sillytavern", NOT_YOU),
    (True, LOCAL, "admin", "monitor", None, "/sillytavern", NOT_YOU),
    # networkSafe and remote: every step, and no administration except from adminAddresses
    (True, REMOTE, "client", "nobody", "good", "/llm", UNTRUSTED),
    (True, REMOTE, "client", "nobody", None, "/auth", UNTRUSTED),
    (True, REMOTE, "client", "web1", None, "/llm", BAD_KEY),
    (True, REMOTE, "client", "web1", "wrong", "/llm", BAD_KEY),
    (True, REMOTE, "client", "web1", "getKey", "/auth", BAD_KEY),
    (True, REMOTE, "client", "web1", "good", "/llm", "ok"),
    (True, REMOTE, "extension", EXTENSION, "good", "/llm", "ok"),
    (True, REMOTE, "extension", EXTENSION, None, "/sillytavern", BAD_KEY),
    (True, REMOTE, "extension", "web1", "good", "/llm", NOT_YOU),
    (True, REMOTE, "admin", "web1", "good", "/llm", NOT_YOU),
    (True, REMOTE, "admin", "monitor", "good", "/clients", "ok as client"),
    (True, ADMIN_ADDRESS, "admin", "monitor", "good", "/clients", "ok sensitive"),
    (True, ADMIN_ADDRESS, "extension", EXTENSION, "good", "/clients", "ok sensitive"),
    (True, ADMIN_ADDRESS, "client", "web1", "good", "/clients", "ok"),
    (True, ADMIN_ADDRESS, "admin", "monitor", "wrong", "/clients", BAD_KEY),
    (True, BOOTSTRAP_ADDRESS, "extension", EXTENSION, None, "/sillytavern", "ok bootstrap"),
    # strict: every step for everybody; an administrator's key counts from here, private and admin addresses
    (False, LOCAL, "client", "nobody", "good", "/llm", UNTRUSTED),
    (False, LOCAL, "client", "nobody", None, "/auth", UNTRUSTED),
    (False, LOCAL, "client", "web1", "wrong", "/llm", BAD_KEY),
    (False, LOCAL, "client", "web1", "good", "/llm", "ok"),
    (False, LOCAL, "client", "web1", "good", "/debug", NOT_YOU),
    (False, LOCAL, "extension", EXTENSION, "good", "/llm", "ok sensitive"),
    (False, LOCAL, "extension", "web1", "good", "/llm", NOT_YOU),
    (False, LOCAL, "admin", "web1", "good", "/llm", NOT_YOU),
    (False, LOCAL, "admin", "monitor", "good", "/debug", "ok sensitive"),
    (False, OTHER_USER, "admin", "monitor", "good", "/debug", "ok sensitive"),
    (False, LAN, "admin", "monitor", "good", "/debug", "ok sensitive"),
    (False, ADMIN_ADDRESS, "admin", "monitor", "good", "/debug", "ok sensitive"),
    (False, REMOTE, "admin", "monitor", "good", "/debug", NOT_YOU),
    (False, REMOTE, "admin", "monitor", "good", "/llm", "ok as client"),
    (False, FOREIGN_PAGE, "admin", "monitor", "good", "/llm", "ok as client"),
    (False, REMOTE, "extension", EXTENSION, "good", "/llm", "ok sensitive"),
    (False, REMOTE, "client", "web1", "good", "/llm", "ok"),
    # strict, without a key yet (contract 2.8.4)
    (False, LOCAL, "extension", EXTENSION, None, "/sillytavern", "ok bootstrap"),
    (False, LOCAL, "extension", EXTENSION, "getKey", "/sillytavern", "ok bootstrap"),
    (False, LOCAL, "extension", EXTENSION, None, "/function_call", "ok bootstrap"),
    (False, LOCAL, "client", "web1", "getKey", "/auth", "ok bootstrap"),
    (False, LOCAL, "client", "web1", "", "/auth", "ok bootstrap"),
    (False, LOCAL, "admin", "monitor", "getKey", "/auth", "ok as client bootstrap"),
    # ... is for the hub's own system user; an administrator's first key is for a program of his
    (False, OTHER_USER, "extension", EXTENSION, None, "/sillytavern", BAD_KEY),
    (False, OTHER_USER, "client", "web1", "getKey", "/auth", BAD_KEY),
    (False, FOREIGN_PAGE, "extension", EXTENSION, None, "/sillytavern", "ok bootstrap"),
    (False, FOREIGN_PAGE, "admin", "monitor", "getKey", "/auth", BAD_KEY),
    (False, FOREIGN_PAGE, "client", "monitor", "getKey", "/auth", BAD_KEY),
    (False, OWN_PAGE, "client", "monitor", "getKey", "/auth", BAD_KEY),
    (False, BOOTSTRAP_ADDRESS, "client", "monitor", "getKey", "/auth", "ok bootstrap"),
    (False, LOCAL, "client", "web1", None, "/sillytavern", NOT_YOU),
    (False, LOCAL, "admin", "web1", None, "/auth", NOT_YOU),
    (False, LOCAL, "client", "web1", "getKey", "/llm", BAD_KEY),
    (False, LOCAL, "client", "web1", None, "/", BAD_KEY),
    (False, LOCAL, "client", "web1", "wrong", "/auth", BAD_KEY),
    (False, REMOTE, "client", "web1", "getKey", "/auth", BAD_KEY),
    (False, BOOTSTRAP_ADDRESS, "client", "web1", "getKey", "/auth", "ok bootstrap"),
    (False, ADMIN_ADDRESS, "client", "web1", "getKey", "/auth", BAD_KEY),
]


@pytest.mark.parametrize(("network_safe", "peer", "kind", "client_id", "key", "namespace", "expected"), TABLE)
def test_order_and_rights(
    house: Gatehouse,
    network_safe: bool,
    peer: Peer,
    kind: str,
    client_id: str,
    key: str | None,
    namespace: str,
    expected: str,
) -> None:
    good = house.issue(client_id)
    house.network_safe = network_safe
    found = verdict(
        house,
        client_id,
        namespace=namespace,
        peer=peer,
        client_type=TYPES[kind],
        key=good if key == "good" else key,
    )
    assert found == expected


def test_whose_connection_it_is_is_asked_before_any_file_is_read(house: Gatehouse) -> None:
    """By polling, what asked may be gone then; what is known of it is remembered."""
    known: list[bool] = []

    def owned() -> bool:
        if not known and not house.trust.knows("late", network_safe=False):
            known.append(True)
        return bool(known)

    house.clock.advance(house.settings.trust_refresh_seconds)
    house.write("settings/late.json", {"clientId": "late", "isTrust": True})
    peer = LOCAL._replace(owned=owned)
    assert (
        verdict(house, "web1", namespace="/auth", peer=peer, client_type=TYPES["client"], key="getKey")
        == "ok bootstrap"
    )
    assert house.trust.knows("late", network_safe=False)


@pytest.mark.parametrize("key", [{}, [], 7, True, "x" * 100, "nul\0"])
def test_a_key_of_any_type_is_just_wrong(house: Gatehouse, key: object) -> None:
    assert verdict(house, "web1", key=key) == BAD_KEY
    assert verdict(house, "web1", key=key, namespace="/auth") == BAD_KEY


def test_a_hash_is_no_key(house: Gatehouse) -> None:
    house.issue("web1")
    assert verdict(house, "web1", key=house.keys.newest_hash("web1")) == BAD_KEY


def test_a_change_of_mode_concerns_new_connections(house: Gatehouse) -> None:
    house.network_safe = True
    assert verdict(house, "nobody") == "ok"
    house.network_safe = False
    assert verdict(house, "nobody") == UNTRUSTED


class TestIdentity:
    @pytest.mark.parametrize("identity", ["other-1", "", "server", "web1/x", "x" * 129, "monitor"])
    @pytest.mark.parametrize("network_safe", [True, False])
    def test_must_be_ones_own(self, house: Gatehouse, identity: str, network_safe: bool) -> None:
        house.network_safe = network_safe
        assert verdict(house, "web1", identity=identity, key=house.issue("web1")) == "Invalid identity."

    def test_may_be_an_instance(self, house: Gatehouse) -> None:
        house.network_safe = True
        assert admit(house, "web1", identity="web1-tab").identity == "web1-tab"

    def test_must_not_be_a_trusted_client(self, house: Gatehouse) -> None:
        house.network_safe = True
        assert verdict(house, "mon", identity="monitor") == "Invalid identity."

    @pytest.mark.parametrize("identity", ["web1", "web1-tab", "web10"])
    def test_must_not_belong_to_a_trusted_client_with_a_longer_id(self, house: Gatehouse, identity: str) -> None:
        """``web1`` is trusted and away; its identities, with their rooms and history, are not ``web``'s to take."""
        house.network_safe = True
        assert verdict(house, "web", identity=identity) == "Invalid identity."
        assert admit(house, "web", identity="web-1").identity == "web-1"
        assert admit(house, "web1", identity=identity).identity == identity

    def test_must_not_be_held_by_somebody_else(self, house: Gatehouse) -> None:
        house.network_safe = True
        house.caller("web", identity="web9")
        assert verdict(house, "web9") == "Invalid identity."
        assert verdict(house, "web", identity="web9") == "ok"

    def test_must_not_be_a_connected_client(self, house: Gatehouse) -> None:
        house.network_safe = True
        house.caller("web9", identity="web9-tab")
        assert verdict(house, "web", identity="web9") == "Invalid identity."

    def test_is_looked_at_again_after_the_key(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, stepped=True)
        house.trusts("web", "web9")
        found = outcome(admitting(house, "web", identity="web77", key=house.imports("web", "a key")))
        house.caller("web7", identity="web77")
        house.flush_hashes()
        assert found[0].check(AuthenticationFailed)
        assert found[0].getErrorMessage() == "Invalid identity."

    def test_and_so_is_trust(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, stepped=True)
        value(house.trust.trust("web"))
        found = outcome(admitting(house, "web", key=house.imports("web", "a key")))
        value(house.trust.distrust("web"))
        house.flush_hashes()
        assert found[0].getErrorMessage() == UNTRUSTED


class TestPassword:
    def test_opens_auth_and_sillytavern_only(self, house: Gatehouse) -> None:
        assert verdict(house, "pw", password="secret", namespace="/auth", peer=REMOTE) == "ok"
        assert verdict(house, "pw", password="secret", namespace="/llm", peer=REMOTE) == BAD_KEY

    def test_decides_where_it_is_given(self, house: Gatehouse) -> None:
        good = house.issue("pw")
        assert verdict(house, "pw", password="wrong", namespace="/auth") == BAD_KEY
        assert verdict(house, "pw", password="x" * 73, namespace="/auth") == BAD_KEY
        assert verdict(house, "pw", password="wrong", key=good, namespace="/llm") == "ok"

    def test_means_nothing_where_none_is_set(self, house: Gatehouse) -> None:
        assert verdict(house, "web1", password="secret", namespace="/auth", peer=REMOTE) == BAD_KEY
        assert verdict(house, "web1", password="secret", key=house.issue("web1"), namespace="/auth") == "ok"

    def test_log_in(self, house: Gatehouse) -> None:
        caller = admit(house, "pw", key="getKey", namespace="/auth")
        assert caller.bootstrap
        after = value(house.auth.log_in(caller, "pw", "secret"))
        assert not after.bootstrap
        assert after.session == caller.session

    @pytest.mark.parametrize(
        ("client_id", "password", "error", "text"),
        [
            ("pw", "wrong", AuthenticationFailed, "Incorrect password."),
            ("pw", "x" * 73, AuthenticationFailed, "Incorrect password."),
            ("pw", quick_hash(b"secret"), AuthenticationFailed, "Incorrect password."),
            ("web1", "secret", AuthenticationFailed, "Invalid login data."),
            (None, "secret", AuthenticationFailed, "Invalid login data."),
            ("pw", None, AuthenticationFailed, "Invalid login data."),
            ("pw", "", AuthenticationFailed, "Invalid login data."),
            ("pw", {}, AuthenticationFailed, "Invalid login data."),
        ],
    )
    def test_log_in_refused(
        self, house: Gatehouse, client_id: object, password: object, error: type[Exception], text: str
    ) -> None:
        caller = admit(house, "pw", key="getKey", namespace="/auth")
        with pytest.raises(error, match=text):
            value(house.auth.log_in(caller, client_id, password))

    def test_log_in_without_a_password_set(self, house: Gatehouse) -> None:
        caller = admit(house, "web1", key="getKey", namespace="/auth")
        with pytest.raises(NotFound, match=r"Password not set on server\."):
            value(house.auth.log_in(caller, "web1", "secret"))

    def test_guessing_passwords_is_limited(self, house: Gatehouse) -> None:
        caller = admit(house, "pw", key="getKey", namespace="/auth")
        for _ in range(10):
            with pytest.raises(AuthenticationFailed, match="Incorrect"):
                value(house.auth.log_in(caller, "pw", "guess"))
        with pytest.raises(AuthenticationFailed, match=r"Too many attempts\."):
            value(house.auth.log_in(caller, "pw", "secret"))


class TestAttempts:
    @pytest.mark.parametrize(
        ("client_id", "options"),
        [
            ("web1", {"key": "wrong"}),
            ("web1", {"key": {}}),
            ("pw", {"password": "wrong", "namespace": "/auth"}),
        ],
    )
    def test_ten_failures_then_a_minute_of_refusal(
        self, house: Gatehouse, client_id: str, options: dict[str, Any]
    ) -> None:
        first = [verdict(house, client_id, **options) for _ in range(10)]
        assert set(first) <= {BAD_KEY, UNTRUSTED}
        computed = len(house.compared)
        assert verdict(house, client_id, **options) == "Too many attempts."
        assert len(house.compared) == computed
        assert verdict(house, client_id, peer=REMOTE, **options) in (BAD_KEY, UNTRUSTED)
        house.clock.advance(60)
        assert verdict(house, client_id, **options) in (BAD_KEY, UNTRUSTED)

    @pytest.mark.parametrize(
        ("client_id", "options", "refusal"),
        [
            ("web1", {"key": "getKey"}, BAD_KEY),
            ("web1", {}, BAD_KEY),
            ("unknown", {"key": "x"}, UNTRUSTED),
            ("web1", {"key": "0f8fad5b-d9cb-469f-a165-70867728950e"}, BAD_KEY),
            ("web1", {"key": "sk-newage-00000000-" + "a" * 26}, BAD_KEY),
        ],
    )
    def test_what_guesses_nothing_is_refused_for_what_it_is(
        self, house: Gatehouse, client_id: str, options: dict[str, Any], refusal: str
    ) -> None:
        assert {verdict(house, client_id, **options) for _ in range(30)} == {refusal}

    def test_wrong_random_keys_lock_nobody(self, house: Gatehouse) -> None:
        """Ten wrong keys for SillyTavern-8000 from behind a proxy locked out whoever came from there."""
        good, other = house.issue(EXTENSION), house.issue("web1")
        for _ in range(300):
            assert verdict(house, EXTENSION, key=str(uuid4()), client_type="SillyTavern") == BAD_KEY
        assert verdict(house, EXTENSION, key=good, client_type="SillyTavern") == "ok sensitive"
        assert verdict(house, "web1", key=other) == "ok"
        assert house.compared == []
        house.network_safe = True
        assert verdict(house, EXTENSION, client_type="SillyTavern") == "ok sensitive"

    def test_nor_does_a_right_one_wait_while_others_are_guessed(self, house: Gatehouse) -> None:
        good = house.issue("web1")
        for number in range(200):
            verdict(house, "web1", key=f"guess {number}", peer=Peer(f"203.0.113.{number}"))
        assert verdict(house, "web1", key="one more", peer=REMOTE) == "Too many attempts."
        assert verdict(house, "web1", key=good, peer=REMOTE) == "ok"
        assert len(house.compared) == house.settings.max_failed_attempts_per_id

    def test_two_hundred_addresses_guess_fifty_passwords(self, house: Gatehouse) -> None:
        def tried(number: int, peer: Peer) -> str:
            return verdict(house, "pw", password=f"guess {number}", namespace="/auth", peer=peer)

        said = [tried(number, Peer(f"203.0.113.{number}")) for number in range(200)]
        assert (said.count(BAD_KEY), said.count("Too many attempts.")) == (50, 150)
        house.clock.advance(90)
        said = [tried(number, Peer(f"203.0.113.{number}")) for number in range(200)]
        assert said.count(BAD_KEY) == 3

    def test_ipv6_counts_by_64(self, house: Gatehouse) -> None:
        for number in range(10):
            verdict(house, "pw", password="x", namespace="/auth", peer=Peer(f"2001:db8::{number}"))
        options: dict[str, Any] = {"password": "secret", "namespace": "/auth"}
        assert verdict(house, "pw", peer=Peer("2001:db8::abcd"), **options) == "Too many attempts."
        assert verdict(house, "pw", peer=Peer("2001:db8:0:1::1"), **options) == "ok"

    def test_a_known_good_pair_is_never_held(self, house: Gatehouse) -> None:
        key = house.imports("pw", "a key of foreign form")
        assert verdict(house, "pw", key=key, peer=REMOTE) == "ok"
        for number in range(200):
            peer = REMOTE if number % 2 else Peer(f"203.0.113.{number}")
            verdict(house, "pw", key=f"guess {number}", peer=peer)
        assert verdict(house, "pw", key=key, peer=REMOTE) == "ok"
        assert verdict(house, "pw", key=key, peer=LOCAL) == "Too many attempts."

    def test_a_password_from_a_known_place_is_not_held_by_what_others_guess(self, house: Gatehouse) -> None:
        options: dict[str, Any] = {"password": "secret", "namespace": "/auth"}
        assert verdict(house, "pw", peer=REMOTE, **options) == "ok"
        for number in range(200):
            verdict(house, "pw", password="x", namespace="/auth", peer=Peer(f"203.0.113.{number + 10}"))
        assert verdict(house, "pw", peer=LOCAL, **options) == "Too many attempts."
        assert verdict(house, "pw", peer=REMOTE, **options) == "ok"

    def test_one_wrong_key_in_many_namespaces_is_one_failure(self, house: Gatehouse) -> None:
        """A page opens five namespaces with what was typed: three typing errors locked out the right key."""
        key = house.imports("web1", "right")
        for number in range(9):
            for namespace in ("/", "/llm", "/rooms", "/auth", "/clients"):
                assert verdict(house, "web1", key=f"typo {number}", namespace=namespace, peer=REMOTE) == BAD_KEY
        assert len(house.compared) == 9
        assert verdict(house, "web1", key=key, peer=REMOTE) == "ok"

    def test_a_local_peer_that_needs_no_key_is_never_locked_out(self, house: Gatehouse) -> None:
        """What it shows is looked at for more rights; too many wrong ones are not looked at, and it comes in."""
        house.trusts("monitor")
        house.imports("monitor", "a key")
        house.network_safe = True
        options: dict[str, Any] = {"client_type": "monitor", "peer": OWN_PAGE}
        for number in range(30):
            assert verdict(house, "monitor", key=f"guess {number}", **options) == "ok as client"
        assert len(house.compared) == 10
        house.clock.advance(60)
        assert verdict(house, "monitor", key="a key", **options) == "ok sensitive"

    def test_others_are_not_concerned(self, house: Gatehouse) -> None:
        for _ in range(11):
            verdict(house, "web1", key="wrong", peer=REMOTE)
        assert verdict(house, "monitor", client_type="monitor", key=house.issue("monitor"), peer=REMOTE) != BAD_KEY
        assert verdict(house, "web1", key=house.issue("web1")) == "ok"

    def test_being_unauthorised_is_no_guess(self, house: Gatehouse) -> None:
        key = house.issue("web1")
        for _ in range(20):
            assert verdict(house, "web1", key=key, namespace="/debug") == NOT_YOU


class TestFlood:
    """Fifty wrong keys at once (scenario 68): few hashes, nobody else waits long."""

    @pytest.fixture
    def busy(self, tmp_path: Path) -> tuple[Gatehouse, SteppedWorkers]:
        house = Gatehouse(tmp_path, stepped=True)
        house.trusts("web1", "web2")
        workers = house.hash_workers
        assert isinstance(workers, SteppedWorkers)
        return house, workers

    def test_only_ten_are_hashed(self, busy: tuple[Gatehouse, SteppedWorkers]) -> None:
        house, workers = busy
        outcome(house.keys.generate("web1", local=True))
        workers.flush()
        found = [outcome(admitting(house, "web1", key=f"guess {n}", peer=REMOTE)) for n in range(50)]
        assert len(workers.waiting) == 2
        workers.flush()
        said = [failure[0].getErrorMessage() for failure in found]
        assert said.count(BAD_KEY) == 10
        assert said.count("Too many attempts.") == 40
        assert len(house.compared) == 10

    def test_a_right_key_waits_for_a_hash_or_two(self, busy: tuple[Gatehouse, SteppedWorkers]) -> None:
        house, workers = busy
        key = house.imports("web2", "a key")
        for number in range(50):
            outcome(admitting(house, "web1", key=f"guess {number}", peer=Peer(f"203.0.113.{number}")))
        right = outcome(admitting(house, "web2", key=key, peer=LOCAL))
        for _ in range(2 + 1):  # those that run, and its own
            workers.step()
        assert right[0].client_id == "web2"

    def test_so_does_the_imported_key_of_whom_others_guess_at(self, busy: tuple[Gatehouse, SteppedWorkers]) -> None:
        house, workers = busy
        key = house.imports("web1", str(uuid4()))
        for number in range(50):
            outcome(admitting(house, "web1", key=f"guess {number}", peer=Peer(f"203.0.113.{number}")))
        right = outcome(admitting(house, "web1", key=key, peer=Peer("198.51.100.1")))
        for _ in range(2 + 1):
            workers.step()
        assert right[0].client_id == "web1"

    def test_a_key_of_the_hub_waits_for_nothing(self, busy: tuple[Gatehouse, SteppedWorkers]) -> None:
        house, workers = busy
        issued = outcome(house.keys.generate("web2", local=True))
        workers.flush()
        key = issued[0]
        for number in range(50):
            outcome(admitting(house, "web1", key=f"guess {number}"))
        assert outcome(admitting(house, "web2", key=key))[0].client_id == "web2"
        workers.flush()

    def test_five_sockets_with_one_key_cost_one_hash(self, busy: tuple[Gatehouse, SteppedWorkers]) -> None:
        house, workers = busy
        key = house.imports("web1", str(uuid4()))
        found = [outcome(admitting(house, "web1", key=key)) for _ in range(15)]
        assert workers.flush() == 1
        assert all(caller[0].client_id == "web1" for caller in found)

    def test_one_wrong_key_on_five_sockets_is_five_failures(self, busy: tuple[Gatehouse, SteppedWorkers]) -> None:
        """Sockets of one namespace: somebody who tries again and again."""
        house, workers = busy
        for expected in (1, 0):
            for _ in range(5):
                outcome(admitting(house, "web1", key="stale"))
            assert workers.flush() == expected
        assert outcome(admitting(house, "web1", key="x"))[0].getErrorMessage() == "Too many attempts."

    def test_too_busy_is_not_a_failed_attempt(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, stepped=True, hash_threads=1, hash_queue_limit=1)
        house.trusts("web1", "web2")
        outcome(admitting(house, "web1", key="a"))
        outcome(admitting(house, "web1", key="b", peer=REMOTE))
        for _ in range(20):
            assert outcome(admitting(house, "web2", key="c"))[0].check(Unavailable)
        house.flush_hashes()
        waiting = outcome(admitting(house, "web2", key="c"))
        house.flush_hashes()
        assert waiting[0].getErrorMessage() == BAD_KEY


@pytest.mark.parametrize("client_id", [EXTENSION, "SillyTavern-9999"])
@pytest.mark.parametrize(
    ("peer", "rank"),
    [
        (LOCAL, Rank.EXTENSION),
        (FOREIGN_PAGE, Rank.EXTENSION),
        (OTHER_USER, Rank.CLIENT),
        (OTHER_USER._replace(bootstrap=True), Rank.EXTENSION),
    ],
)
def test_an_extension_of_another_system_user_takes_hold_of_no_credential(
    house: Gatehouse, client_id: str, peer: Peer, rank: Rank
) -> None:
    """Neither a key nor a password nor trust, which would make it an extension from anywhere in strict mode (B2)."""
    house.network_safe = True
    caller = admit(house, client_id, client_type="SillyTavern", peer=peer, namespace="/auth")
    assert caller.rank is rank
    file, wanted = f"settings/{client_id}.json", {"clientId": client_id, "isTrust": True}
    assert value(house.functions.save(caller, file, wanted)) == {"success": True}
    assert house.trust.knows(client_id, network_safe=False) is (rank is Rank.EXTENSION or client_id == EXTENSION)
    attempts = (house.administration.assign(caller), house.functions.save(caller, file, {"sillyTavernPassWord": "x"}))
    for attempt in attempts:
        if rank is Rank.CLIENT:
            with pytest.raises(NotAuthorised):
                value(attempt)
        else:
            value(attempt)
    assert house.trust.password_hash(client_id) == (None if rank is Rank.CLIENT else quick_hash(b"x"))


def test_what_a_caller_is(house: Gatehouse) -> None:
    house.network_safe = True
    house.clock.advance(5)
    caller = admit(
        house,
        "web1",
        identity="web1-a",
        client_type="web-app",
        desc="d",
        html="<b>",
        stream_mode="ss",
        incremental=True,
        outputs=True,
    )
    assert (caller.sid, caller.namespace, caller.peer) == ("sid", "/llm", LOCAL)
    assert (caller.stream_mode, caller.incremental, caller.outputs, caller.kind) == ("ss", True, True, Kind.CLIENT)
    session = caller.session
    assert (session.client_id, session.identity, session.desc, session.html) == ("web1", "web1-a", "d", "<b>")
    assert session.connected_at == house.world.wall()


def test_secrets_are_not_shown() -> None:
    shown = repr(HandshakeRequest(client_id="a", identity="a", key="the key", password="the password"))
    assert "the key" not in shown
    assert "the password" not in shown


class TestRankOfKeys:
    """A key carries the rank and scope of its issue (B6)."""

    def test_is_admin_later_does_not_lift_old_key(self, house: Gatehouse) -> None:
        old = house.issue("web1")
        house.trusts("web1", isAdmin=True)
        for peer in (LOCAL, REMOTE, ADMIN_ADDRESS):
            assert verdict(house, "web1", key=old, client_type="monitor", peer=peer) == NOT_YOU
            assert verdict(house, "web1", key=old, peer=peer) == "ok"
        new = house.issue("web1")
        assert verdict(house, "web1", key=new, client_type="monitor") == "ok sensitive"
        house.trusts("web1", isAdmin=False)
        assert verdict(house, "web1", key=new, client_type="monitor") == NOT_YOU

    def test_not_with_a_restart_in_between(self, tmp_path: Path, house: Gatehouse) -> None:
        old = house.issue("web1")
        house.trusts("web1", isAdmin=True)
        after = Gatehouse(tmp_path, store=house.store)
        value(after.keys.load())
        value(after.trust.load())
        value(after.keys.give_ranks(lambda who: after.trust.rank(who, network_safe=False)))
        assert verdict(after, "web1", key=old, client_type="monitor") == NOT_YOU

    def test_nor_on_a_local_page_in_network_safe_mode(self, house: Gatehouse) -> None:
        old = house.issue("web1")
        house.trusts("web1", isAdmin=True)
        house.network_safe = True
        page = OWN_PAGE
        assert verdict(house, "web1", key=old, client_type="monitor", peer=page) == "ok as client"
        new = house.issue("web1")
        assert verdict(house, "web1", key=new, client_type="monitor", peer=page) == "ok sensitive"
        caller = admit(house, "web1", key=new, client_type="monitor", peer=page)
        assert (caller.rank, caller.credential) == (Rank.ADMIN, house.keys.records("web1")[-1].key_id)

    def test_what_the_operator_issued_makes_an_administrator_of_any_trusted_id(self, house: Gatehouse) -> None:
        grant = Grant(rank=Rank.ADMIN, scope=Scope.ADMIN)
        key = value(house.keys.generate("web1", local=True, grant=grant))
        assert verdict(house, "web1", key=key, client_type="monitor") == "ok sensitive"
        assert verdict(house, "web1", key=key) == "ok"
        assert verdict(house, "web1", key=key, client_type="SillyTavern") == NOT_YOU
        house.network_safe = True
        assert verdict(house, "web1", key=key, client_type="monitor", peer=OWN_PAGE) == "ok sensitive"

    @pytest.mark.parametrize(
        ("namespace", "expected"),
        [
            ("/llm", "ok"),
            ("/auth", "ok"),
            ("/clients", "ok"),
            ("/function_call", "ok"),
            ("/sillytavern", "ok"),
            ("/rooms", NOT_YOU),
            ("/", NOT_YOU),
            ("/debug", NOT_YOU),
        ],
    )
    def test_scope_extension(self, house: Gatehouse, namespace: str, expected: str) -> None:
        grant = Grant(rank=Rank.EXTENSION, scope=Scope.EXTENSION)
        key = value(house.keys.generate(EXTENSION, local=True, grant=grant))
        for peer in (REMOTE, ADMIN_ADDRESS, LOCAL):
            shown = {"key": key, "client_type": "SillyTavern", "namespace": namespace, "peer": peer}
            assert verdict(house, EXTENSION, **shown) == expected  # never with sensitive rights
        assert verdict(house, EXTENSION, key=key, namespace=namespace, peer=REMOTE) == NOT_YOU

    @pytest.mark.parametrize("scope", [Scope.API, Scope.WEBHOOK])
    @pytest.mark.parametrize("namespace", ["/llm", "/auth", "/"])
    def test_scope_of_http_opens_no_socket(self, house: Gatehouse, namespace: str, scope: Scope) -> None:
        key = value(house.keys.generate("web1", local=True, grant=Grant(scope=scope)))
        assert verdict(house, "web1", key=key, namespace=namespace) == NOT_YOU

    def test_a_key_that_is_over(self, house: Gatehouse) -> None:
        key = value(house.keys.generate("web1", local=True, grant=Grant(seconds=60)))
        assert verdict(house, "web1", key=key) == "ok"
        house.clock.advance(60)
        assert verdict(house, "web1", key=key) == BAD_KEY


class TestRankOfPasswords:
    """Whoever has an id may have chosen its password: it makes no administrator of an id that became one later."""

    def test_from_elsewhere_it_proves_no_administrator(self, house: Gatehouse) -> None:
        house.trusts("pw", isAdmin=True, sillyTavernPassWord="secret")
        options: dict[str, Any] = {"password": "secret", "client_type": "monitor", "namespace": "/auth"}
        assert verdict(house, "pw", peer=ADMIN_ADDRESS, **options) == NOT_YOU
        caller = admit(house, "pw", peer=ADMIN_ADDRESS, password="secret", namespace="/auth")
        assert (caller.kind, caller.rank, caller.credential) == (Kind.CLIENT, Rank.CLIENT, "password")
        assert verdict(house, "pw", peer=LOCAL, **options) == "ok sensitive"

    def test_log_in_gives_no_kind_that_was_claimed_in_vain(self, house: Gatehouse) -> None:
        house.network_safe = True
        caller = admit(house, "pw", client_type="monitor", namespace="/auth", peer=FOREIGN_PAGE)
        after = value(house.auth.log_in(caller, "pw", "secret"))
        assert (after.kind, after.sensitive, after.rank) == (Kind.CLIENT, False, Rank.CLIENT)

    def test_it_proves_an_extension(self, house: Gatehouse) -> None:
        house.trusts(EXTENSION, sillyTavernPassWord="secret")
        caller = admit(house, EXTENSION, password="secret", namespace="/auth", peer=REMOTE)
        assert (caller.rank, caller.credential) == (Rank.EXTENSION, "password")


# ------------------------------------------------------------------------------------------------------ pinned ids (B3)


class TestPinnedIds:
    """An extension's id that has used a key of scope extension needs one from everywhere."""

    def key(self, house: Gatehouse, scope: Scope = Scope.EXTENSION, client_id: str = EXTENSION) -> str:
        grant = Grant(rank=Rank.EXTENSION, scope=scope)
        key: str = value(house.keys.generate(client_id, local=True, grant=grant))
        return key

    @pytest.mark.parametrize("network_safe", [True, False])
    def test_second_socket_of_pinned_id_needs_key(self, house: Gatehouse, network_safe: bool) -> None:
        house.network_safe = network_safe
        key, other = self.key(house), self.key(house, Scope.ALL)
        said: dict[str, Any] = {"client_type": "SillyTavern"}
        if network_safe:
            assert verdict(house, EXTENSION, **said) == "ok sensitive"  # it was not used yet
        assert verdict(house, EXTENSION, key=key, **said) == "ok"
        for peer in (LOCAL, OTHER_USER, REMOTE, BOOTSTRAP_ADDRESS):
            for namespace in ("/llm", "/sillytavern", "/auth", "/function_call"):
                for shown in (None, "getKey", "wrong", other):
                    refused = verdict(house, EXTENSION, peer=peer, namespace=namespace, key=shown, **said)
                    assert refused == BAD_KEY, (peer, namespace, shown)
                assert verdict(house, EXTENSION, peer=peer, namespace=namespace, key=key, **said) == "ok"
        assert verdict(house, EXTENSION) == BAD_KEY  # as a plain client neither

    def test_its_identity_is_nobody_elses(self, house: Gatehouse) -> None:
        house.network_safe = True
        key = self.key(house, client_id="SillyTavern-9")
        assert verdict(house, "SillyTavern", identity="SillyTavern-9", client_type="SillyTavern") == "ok sensitive"
        assert verdict(house, "SillyTavern-9", key=key, client_type="SillyTavern") == "ok"
        assert verdict(house, "SillyTavern", identity="SillyTavern-9", client_type="SillyTavern") == "Invalid identity."

    def test_revoking_unpins(self, house: Gatehouse) -> None:
        house.network_safe = True
        key = self.key(house)
        admit(house, EXTENSION, key=key, client_type="SillyTavern")
        value(house.keys.remove(EXTENSION))
        assert verdict(house, EXTENSION, client_type="SillyTavern") == "ok sensitive"

    def test_ids_of_the_reference_extension_are_not_pinned(self, house: Gatehouse) -> None:
        house.network_safe = True
        admit(house, EXTENSION, key=self.key(house, Scope.ALL), client_type="SillyTavern")
        assert verdict(house, EXTENSION, client_type="SillyTavern") == "ok sensitive"
