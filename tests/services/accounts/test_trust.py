"""Trust lists from settings/*.json and at run time; passwords in those files (contract 2.7, 2.8.8, 8.2)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from authkit import Gatehouse, quick_hash
from deferreds import SteppedWorkers, outcome, value
from logkit import Logged
from newage.domain.model import Kind
from newage.errors import Unavailable


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path)


def trusted(house: Gatehouse, client_id: str, *, network_safe: bool = False) -> bool:
    found: bool = value(house.trust.is_trusted(client_id, network_safe=network_safe))
    return found


class TestFiles:
    def test_the_member_decides_not_the_name(self, house: Gatehouse) -> None:
        house.write("settings/anything.json", {"clientId": "web1", "isTrust": True})
        house.write("settings/web2.json", {"clientId": "web2", "isTrust": False})
        house.write("settings/web3-settings.json", {"clientId": "web3", "isTrust": 1})
        house.write("settings/web4.json", {"clientId": "web4"})
        house.write("settings/server_settings.json", {"clientId": "server5", "isTrust": True})
        house.write("settings/.hidden.json", {"clientId": "web6", "isTrust": True})
        house.write("settings/web7.txt", {"clientId": "web7", "isTrust": True})
        value(house.trust.load())
        ids = ["web1", "web2", "web3", "web4", "server5", "web6", "web7", "anything"]
        assert [trusted(house, client_id) for client_id in ids] == [True, False, True] + [False] * 5

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", '"text"', b"\xff\xfe", '{"clientId": 7}', '{"clientId": "a/b", "isTrust": true}', "{}"],
    )
    def test_a_bad_file_harms_only_itself(self, house: Gatehouse, content: str | bytes) -> None:
        house.write("settings/bad.json", content)
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": True})
        value(house.trust.load())
        assert trusted(house, "web1")
        assert not trusted(house, "bad")

    def test_no_folder_at_all(self, house: Gatehouse) -> None:
        value(house.trust.load())
        assert not trusted(house, "web1")

    def test_a_byte_order_mark_is_no_mistake(self, house: Gatehouse) -> None:
        house.write("settings/web1.json", b'\xef\xbb\xbf{"clientId": "web1", "isTrust": true}')
        value(house.trust.load())
        assert trusted(house, "web1")

    def test_a_new_file_is_found_on_a_miss_every_two_seconds(self, house: Gatehouse) -> None:
        value(house.trust.load())
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": True})
        assert not trusted(house, "web1")
        house.clock.advance(1.9)
        assert not trusted(house, "web1")
        house.clock.advance(0.1)
        assert trusted(house, "web1")

    def test_trust_taken_back_in_a_file_is_noticed_within_half_a_minute(self, house: Gatehouse) -> None:
        house.trusts("web1")
        house.clock.advance(5)
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": False, "Remember_me": True})
        assert trusted(house, "web1")
        house.clock.advance(25)
        assert not trusted(house, "web1")

    def test_a_file_that_goes_takes_its_trust_along(self, house: Gatehouse) -> None:
        house.trusts("web1")
        (house.home / "settings/web1.json").unlink()
        value(house.trust.rescan())
        assert not trusted(house, "web1")

    def test_unchanged_files_are_not_read_again(self, house: Gatehouse) -> None:
        house.trusts("web1")
        path = house.home / "settings/web1.json"
        before = path.stat()
        path.write_text(path.read_text().replace("web1", "web9"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        value(house.trust.rescan())
        assert trusted(house, "web1")

    def test_who_asks_during_a_reading_waits_for_it(self, house: Gatehouse) -> None:
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": True})
        workers = house.trust._workers = SteppedWorkers()
        found = [outcome(house.trust.is_trusted("web1", network_safe=False)) for _ in range(3)]
        assert len(workers.waiting) == 1
        workers.flush()
        assert found == [[True]] * 3

    def test_a_reading_that_fails_leaves_what_was_known(self, house: Gatehouse) -> None:
        house.trusts("web1")
        house.trust._workers = SteppedWorkers()
        house.trust._workers.closed = True
        with Logged() as logged:
            value(house.trust.rescan())
        assert house.trust.knows("web1", network_safe=False)
        assert any("could not be read" in str(event.get("log_format")) for event in logged.events)

    def test_only_so_many_files_are_read(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, max_client_files=2)
        house.trusts("a1", "a2", "a3")
        assert [trusted(house, client_id) for client_id in ("a1", "a2", "a3")] == [True, True, False]

    def test_two_files_of_one_client_are_one_client(self, house: Gatehouse) -> None:
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": True})
        house.write(
            "settings/web1-settings.json", {"clientId": "web1", "isAdmin": True, "sillyTavernPassWord": "$2b$x"}
        )
        value(house.trust.load())
        assert trusted(house, "web1")
        assert house.trust.password_hash("web1") == "$2b$x"
        assert not house.trust.permits("web1", Kind.ADMIN, network_safe=False)  # its file is not a trusted one


class TestPasswords:
    def test_a_clear_password_is_hashed_and_written_back(self, house: Gatehouse) -> None:
        path = house.write(
            "settings/SillyTavern-8000-settings.json",
            {"clientId": "SillyTavern-8000", "isTrust": True, "sillyTavernPassWord": "secret", "Remember_me": True},
        )
        value(house.trust.load())
        hashed = quick_hash(b"secret")
        assert house.trust.password_hash("SillyTavern-8000") == hashed
        assert house.read("settings/SillyTavern-8000-settings.json") == {
            "clientId": "SillyTavern-8000",
            "isTrust": True,
            "sillyTavernPassWord": hashed,
            "Remember_me": True,
        }
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    def test_a_hash_is_left_alone(self, house: Gatehouse) -> None:
        path = house.write("settings/x.json", {"clientId": "x", "sillyTavernPassWord": "$2b$10$abc"})
        before = path.stat().st_mtime_ns, path.stat().st_ino
        value(house.trust.load())
        assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
        assert house.trust.password_hash("x") == "$2b$10$abc"

    @pytest.mark.parametrize("password", ["", "x" * 73, "nul\0", None, 7])
    def test_what_cannot_be_hashed_never_matches(self, house: Gatehouse, password: object) -> None:
        house.write("settings/x.json", {"clientId": "x", "isTrust": True, "sillyTavernPassWord": password})
        value(house.trust.load())
        assert house.trust.password_hash("x") is None
        assert house.read("settings/x.json")["sillyTavernPassWord"] == password

    def test_the_master_key_is_removed_from_the_file(self, house: Gatehouse) -> None:
        house.write("settings/x.json", {"clientId": "x", "isTrust": True, "sillyTavernMasterKey": "k"})
        value(house.trust.load())
        assert house.read("settings/x.json") == {"clientId": "x", "isTrust": True}

    def test_a_file_that_cannot_be_written_still_counts(self, tmp_path: Path) -> None:
        from newage.services.home.files import FileSettings

        house = Gatehouse(tmp_path, files=FileSettings(read_only=True))
        house.write("settings/x.json", {"clientId": "x", "isTrust": True, "sillyTavernPassWord": "secret"})
        value(house.trust.load())
        assert house.trust.password_hash("x") == quick_hash(b"secret")
        assert house.read("settings/x.json")["sillyTavernPassWord"] == "secret"


class TestKinds:
    @pytest.mark.parametrize(
        ("client_id", "kind", "permitted"),
        [
            ("SillyTavern-8000", Kind.EXTENSION, True),
            ("web1", Kind.EXTENSION, False),
            ("SillyTavern-9000", Kind.EXTENSION, False),
            ("monitor", Kind.ADMIN, True),
            ("boss", Kind.ADMIN, True),
            ("web1", Kind.ADMIN, False),
            ("SillyTavern-8000", Kind.ADMIN, False),
            ("unknown", Kind.ADMIN, False),
            ("web1", Kind.CLIENT, True),
            ("unknown", Kind.CLIENT, True),
        ],
    )
    def test_trust_covers_the_kind_or_not(self, house: Gatehouse, client_id: str, kind: Kind, permitted: bool) -> None:
        house.trusts("SillyTavern-8000", "monitor", "web1")
        house.trusts("boss", isAdmin=True)
        assert house.trust.permits(client_id, kind, network_safe=False) is permitted


class TestRunTime:
    def test_is_durable_and_can_be_taken_back(self, house: Gatehouse, tmp_path: Path) -> None:
        value(house.trust.trust("web1"))
        value(house.trust.trust("web1"))
        assert trusted(house, "web1")
        again = Gatehouse(tmp_path, store=house.store)
        value(again.trust.load())
        assert trusted(again, "web1")
        value(again.trust.distrust("web1"))
        value(again.trust.distrust("web1"))
        assert not trusted(again, "web1")
        assert value(house.store.load_trusted()) == ()

    def test_cannot_take_back_what_a_file_says(self, house: Gatehouse) -> None:
        house.trusts("web1")
        value(house.trust.distrust("web1"))
        assert trusted(house, "web1")

    def test_is_bounded(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, max_runtime_trusted=2)
        value(house.trust.trust("a"))
        value(house.trust.trust("b"))
        with pytest.raises(Unavailable):
            value(house.trust.trust("c"))

    def test_an_extension_trusts_itself_in_network_safe_mode_only(self, house: Gatehouse) -> None:
        assert house.trust.trust_itself("SillyTavern-8000")
        assert trusted(house, "SillyTavern-8000", network_safe=True)
        assert not trusted(house, "SillyTavern-8000", network_safe=False)
        assert value(house.store.load_trusted()) == ()
        assert not house.trust.trust_itself("SillyTavern-mine")

    def test_only_so_many_trust_themselves(self, house: Gatehouse) -> None:
        trusted_ones = [house.trust.trust_itself(f"SillyTavern-{port}") for port in range(40)]
        assert trusted_ones.count(True) == 32
        assert house.trust.trust_itself("SillyTavern-5")
