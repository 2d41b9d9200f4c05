"""readJsonFromFile and saveJsonToFile: who may read and write what (contract 7.4, 7.5, A10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import REMOTE, Gatehouse, quick_hash
from deferreds import value
from newage.config.load import load
from newage.domain.model import Caller
from newage.errors import BadArguments, NotAuthorised
from newage.services.home.files import FileSettings

RESTRICTED = "Access denied: File is restricted."
OUTSIDE = "Access denied: Path is outside the server directory."
EXTENSION = "SillyTavern-8000"
OWN = f"./settings/{EXTENSION}-settings.json"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path / "home", network_safe=True)
    house.home.mkdir()
    house.server_file.load(write_missing=True)
    house.write(OWN, {"clientId": EXTENSION, "isTrust": True, "Remember_me": True, "sillyTavernPassWord": "$2b$10$x"})
    house.write("settings/other.json", {"clientId": "web2", "isTrust": True})
    house.write("settings/note.json", {"no": "client"})
    house.write("keys/clients.json", {"web1": {"key": "$2b$"}})
    house.write("data/shared.json", {"shared": 1})
    house.write("data/web2/x/y.json", {"theirs": 1})
    house.write("package.json", {"name": "x"})
    value(house.trust.load())
    return house


def extension(house: Gatehouse, **caller: Any) -> Caller:
    return house.caller(EXTENSION, "/function_call", client_type="SillyTavern", **caller)


def client(house: Gatehouse, client_id: str = "web1", **caller: Any) -> Caller:
    return house.caller(client_id, "/function_call", **caller)


def monitor(house: Gatehouse, **caller: Any) -> Caller:
    return house.caller("monitor", "/function_call", client_type="monitor", **caller)


def read(house: Gatehouse, caller: Caller, path: object) -> Any:
    return value(house.functions.read(caller, path))


def save(house: Gatehouse, caller: Caller, path: object, content: object) -> Any:
    return value(house.functions.save(caller, path, content))


def saved(result: dict[str, Any]) -> str:
    """'ok' or why not."""
    return "ok" if result == {"success": True} else result["error"]


class TestReading:
    def test_flat_and_nested_at_once(self, house: Gatehouse) -> None:
        content = {
            "clientId": EXTENSION,
            "isTrust": True,
            "Remember_me": True,
            "sillyTavernPassWord": "***",
        }
        assert read(house, extension(house), OWN) == {**content, "success": True, "result": content}

    def test_members_of_the_file_do_not_hide_the_outcome(self, house: Gatehouse) -> None:
        house.write("data/web1.json", {"success": False, "result": "mine"})
        assert read(house, client(house), "data/web1.json") == {
            "success": True,
            "result": {"success": False, "result": "mine"},
        }

    def test_a_missing_file_has_an_empty_result(self, house: Gatehouse) -> None:
        assert read(house, client(house), "settings/web1-settings.json") == {
            "success": False,
            "error": {"message": "ENOENT: no such file or directory", "code": "ENOENT"},
            "result": {},
        }

    @pytest.mark.parametrize(
        ("path", "message", "code"),
        [
            ("keys/clients.json", RESTRICTED, 202),
            ("./settings/../keys/clients.json", RESTRICTED, 202),
            ("package.json", RESTRICTED, 202),
            ("logs/combined.log", RESTRICTED, 202),
            ("data/newage.sqlite3", RESTRICTED, 202),
            ("settings/.hidden.json", RESTRICTED, 202),
            ("settings/deeper/x.json", RESTRICTED, 202),
            ("data/.git/x.json", RESTRICTED, 202),
            ("settings", RESTRICTED, 202),
            ("data", RESTRICTED, 202),
            ("settings/other.json", RESTRICTED, 202),
            ("settings/note.json", RESTRICTED, 202),
            ("../x", OUTSIDE, 201),
            ("settings/link.json", OUTSIDE, 201),
            ("data/web1/link/secret.json", OUTSIDE, 201),
            ("data/web2/x/y.json", RESTRICTED, 202),
            ("data/WEB1/y.json", RESTRICTED, 202),
            ("\0", "Invalid path.", 106),
            (None, "Invalid path.", 106),
            ({"a": 1}, "Invalid path.", 106),
        ],
    )
    def test_refusals(self, house: Gatehouse, path: object, message: str, code: int) -> None:
        (house.home / "settings/link.json").symlink_to(house.home / "keys/clients.json")
        (house.home / "data/web1").mkdir()
        (house.home / "data/web1/link").symlink_to(house.home.parent)
        result = read(house, client(house), path)
        assert result == {"success": False, "error": {"message": message, "code": code}, "result": {}}

    @pytest.mark.parametrize(
        "path",
        [
            "/settings/server_settings.json",
            "data/shared.json",
            "data/web1/x/y.json",
            "settings/web1.json",
            "settings/mine.json",
        ],
    )
    def test_what_a_client_may_read(self, house: Gatehouse, path: str) -> None:
        house.write("data/web1/x/y.json", {"a": 1})
        house.write("settings/web1.json", {"no": "id"})  # its own by name
        house.write("settings/mine.json", {"clientId": "web1"})  # its own by member
        assert read(house, client(house), path)["success"] is True

    def test_what_is_published_anybody_reads_and_administrators_read_all(self, house: Gatehouse) -> None:
        house.write("data/web2/page/texts.json", {"a": 1})
        house.write("data/web2/diary.json", {"a": 1})
        value(house.static.add_for(client(house, "web2"), {"/page": "data/web2/page"}))
        assert read(house, client(house), "data/web2/page/texts.json")["success"] is True
        assert read(house, client(house), "data/web2/diary.json")["success"] is False
        assert read(house, extension(house), "data/web2/diary.json")["success"] is False
        assert read(house, monitor(house), "data/web2/diary.json")["success"] is True

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "The file is too much JSON: nested too deep."),
            (b'{"a": [' + b"1," * 60_000 + b"1]}", "The file is too much JSON: too many values."),
            (b'{"a": 1e999}', "The file is too much JSON: number out of range."),
            (b'{\r\n"a": 1,\r\n"b" 2}', "The file is not valid JSON: line 3, column 5: Expecting ':' delimiter."),
            (b'{"a":\n"caf\xe9"}', "The file is no text: line 2 is not UTF-8: save the file as UTF-8."),
        ],
    )
    def test_a_file_that_cannot_be_read_is_answered_in_words(self, house: Gatehouse, content: bytes, said: str) -> None:
        house.write("data/shared.json", content)
        result = read(house, client(house), "data/shared.json")
        assert result["error"]["message"] == said

    def test_a_file_of_any_editor_is_read(self, house: Gatehouse) -> None:
        for content in (b'\xef\xbb\xbf{"a":\r\n1}', b"\xff\xfe" + '{"a": 1}'.encode("utf-16-le")):
            house.write("data/shared.json", content)
            assert read(house, client(house), "data/shared.json")["result"] == {"a": 1}

    def test_a_file_of_ones_name_that_is_somebody_elses(self, house: Gatehouse) -> None:
        house.write("settings/web1.json", {"clientId": "web2"})
        assert read(house, client(house), "settings/web1.json")["error"]["message"] == RESTRICTED

    def test_administrators_read_all_settings_redacted(self, house: Gatehouse) -> None:
        assert read(house, monitor(house), "settings/other.json")["clientId"] == "web2"
        assert read(house, monitor(house), OWN)["sillyTavernPassWord"] == "***"
        assert read(house, monitor(house), "keys/clients.json")["error"]["message"] == RESTRICTED
        assert read(house, monitor(house, sensitive=False), "settings/other.json")["success"] is False
        assert read(house, extension(house), "settings/other.json")["success"] is False

    def test_server_settings_are_redacted(self, house: Gatehouse) -> None:
        house.write(
            "settings/server_settings.json",
            {
                "networkSafe": True,
                "clientKeys": {"a": "b"},
                "sillyTavernPassword": {"x": "y"},
                "deep": [{"clientKeys": 1}],
            },
        )
        result = read(house, client(house), "settings/server_settings.json")
        assert result["networkSafe"] is True
        assert result["result"] == {
            "networkSafe": True,
            "clientKeys": "***",
            "sillyTavernPassword": "***",
            "deep": [{"clientKeys": "***"}],
        }

    def test_restricted_files(self, house: Gatehouse) -> None:
        house.server_file.adopt({"restrictedFiles": ["data/shared.json", "/data/web2", "../x", 7, None]})
        for path in ("data/shared.json", "data/web2/x/y.json", "data/SHARED.json"):  # one file on a Mac's disk
            assert read(house, client(house), path)["error"]["message"] == RESTRICTED
        assert read(house, client(house), "settings/server_settings.json")["success"] is True

    def test_without_a_key_only_ones_own_settings(self, house: Gatehouse) -> None:
        """Scenario 24."""
        caller = extension(house, bootstrap=True, sensitive=False)
        assert read(house, caller, OWN)["Remember_me"] is True
        assert read(house, caller, "settings/server_settings.json")["networkSafe"] is True
        assert read(house, caller, f"settings/{EXTENSION}.json")["error"]["code"] == "ENOENT"
        for path in ("settings/other.json", "data/shared.json", "keys/clients.json"):
            with pytest.raises(NotAuthorised, match=r"^Unauthorized$"):
                read(house, caller, path)


class TestServerSettings:
    FROM_EXTENSION = {
        "serverPort": "4000",
        "serverAddress": "http://localhost",
        "networkSafe": False,
        "reconnectAttempts": 10,
        "reconnectDelay": 1000,
        "timeout": 5000,
        "autoConnect": True,
        "socketIOPath": "/socket.io",
        "queryParameters": {},
        "transport": "websocket",
    }

    def test_the_extension_saves_them(self, house: Gatehouse) -> None:
        """Scenario 12."""
        assert save(house, extension(house), "./settings/server_settings.json", self.FROM_EXTENSION) == {
            "success": True
        }
        stored = house.read("settings/server_settings.json")
        assert stored["serverPort"] == 4000
        assert stored["reconnectAttempts"] == 10
        assert stored["contextPageSize"] == 50
        assert stored["clientKeys"] == {}
        assert house.server_file.network_safe is False

    def test_unknown_members_are_kept(self, house: Gatehouse) -> None:
        assert saved(save(house, extension(house), "settings/server_settings.json", {"theirOwn": {"a": 1}})) == "ok"
        assert house.read("settings/server_settings.json")["theirOwn"] == {"a": 1}

    @pytest.mark.parametrize(
        "content",
        [
            {"serverPort": "http"},
            {"serverPort": 70000},
            {"serverPort": True},
            {"networkSafe": "no"},
            {"socketIOPath": "socket.io"},
            {"queryParameters": []},
            {"contextPageSize": 0},
            {"restrictedFiles": "keys"},
        ],
    )
    def test_invalid_ones_are_rejected_by_name(self, house: Gatehouse, content: dict[str, Any]) -> None:
        before = house.read("settings/server_settings.json")
        result = save(house, extension(house), "settings/server_settings.json", {**content, "timeout": 1})
        assert result["success"] is False
        assert result["error"].startswith(next(iter(content)))
        assert house.read("settings/server_settings.json") == before

    def test_keys_never_get_in_and_masks_change_nothing(self, house: Gatehouse) -> None:
        house.write("settings/server_settings.json", {"clientKeys": {"a": "clear"}, "sillyTavernPassword": {"x": "y"}})
        content = {"clientKeys": {"web1": "clear"}, "sillyTavernPassword": "***"}
        assert saved(save(house, extension(house), "settings/server_settings.json", content)) == "ok"
        assert house.read("settings/server_settings.json") == {"clientKeys": {}, "sillyTavernPassword": {"x": "y"}}

    def test_what_lowers_security_is_the_operators(self, house: Gatehouse) -> None:
        content = {"adminAddresses": ["0.0.0.0/0"], "bcryptRounds": "abc", "fileName": "/any/x.sqlite3", "timeout": 7}
        for caller in (extension(house), monitor(house)):
            result = save(house, caller, "settings/server_settings.json", content)
            assert result["success"] is True
            assert result["warning"].startswith("adminAddresses, bcryptRounds, fileName stay as they are: the operator")
            stored = house.read("settings/server_settings.json")
            assert stored["timeout"] == 7
            assert content.keys() & stored.keys() == {"timeout"}

    def test_the_next_start_takes_what_a_call_wrote(self, house: Gatehouse) -> None:
        save(house, extension(house), "settings/server_settings.json", {**self.FROM_EXTENSION, "enabled": "perhaps"})
        assert load(options={("server", "home"): str(house.home)}).auth.network_safe is False

    def test_rights(self, house: Gatehouse) -> None:
        content = {"timeout": 1}
        assert saved(save(house, client(house), "settings/server_settings.json", content)) == RESTRICTED
        assert (
            saved(save(house, client(house, "server_settings"), "settings/server_settings.json", content)) == RESTRICTED
        )
        with pytest.raises(NotAuthorised):
            save(house, extension(house, sensitive=False), "settings/server_settings.json", content)


class TestOwnSettings:
    def test_merges_shallowly_and_hashes_the_password(self, house: Gatehouse) -> None:
        content = {"sillyTavernPassWord": "new", "serverPort": "4000", "nested": {"a": 1}}
        assert saved(save(house, extension(house), OWN, content)) == "ok"
        assert house.read(OWN) == {
            "clientId": EXTENSION,
            "isTrust": True,
            "Remember_me": True,
            "sillyTavernPassWord": quick_hash(b"new"),
            "serverPort": "4000",
            "nested": {"a": 1},
        }
        assert house.trust.password_hash(EXTENSION) == quick_hash(b"new")

    def test_a_mask_keeps_the_password(self, house: Gatehouse) -> None:
        assert saved(save(house, extension(house), OWN, {"sillyTavernPassWord": "***", "Remember_me": False})) == "ok"
        assert house.read(OWN)["sillyTavernPassWord"] == "$2b$10$x"
        assert house.read(OWN)["Remember_me"] is False

    @pytest.mark.parametrize("name", ["settings/web1.json", "settings/web1-settings.json"])
    def test_a_local_client_registers_itself(self, house: Gatehouse, name: str) -> None:
        """A10: the published documentation tells clients to create their file this way."""
        assert saved(save(house, client(house), name, {"clientId": "web1", "isTrust": True})) == "ok"
        assert house.read(name) == {"clientId": "web1", "isTrust": True}
        assert house.trust.knows("web1", network_safe=False)

    def test_but_gives_itself_no_more_than_that(self, house: Gatehouse) -> None:
        content = {"clientId": "web2", "isTrust": True, "isAdmin": True, "x": 1}
        assert saved(save(house, client(house), "settings/web1.json", content)) == "ok"
        assert house.read("settings/web1.json") == {"x": 1}
        content = {"clientId": "web1", "isTrust": "yes", "isAdmin": True}
        assert saved(save(house, client(house), "settings/web1.json", content)) == "ok"
        assert house.read("settings/web1.json") == {"x": 1, "clientId": "web1"}

    @pytest.mark.parametrize("client_id", ["Server_Settings", "SERVER_SETTINGS"])
    def test_no_id_makes_the_servers_settings_ones_own(self, house: Gatehouse, client_id: str) -> None:
        """A disk that does not tell case apart would give the file to whoever has an id of its letters."""
        for name in ("Server_Settings.json", "SERVER_SETTINGS.json"):
            outcome = save(house, client(house, client_id), f"settings/{name}", {"networkSafe": True})
            assert saved(outcome) == "Access denied: File is restricted."

    @pytest.mark.parametrize("client_id", ["monitor", "boss", "SillyTavern-77"])
    def test_nobody_registers_as_more_than_he_has_shown_to_be(self, house: Gatehouse, client_id: str) -> None:
        """B6: ``monitor`` becomes an administrator by being trusted, ``boss`` by its file."""
        house.write("settings/boss.json", {"clientId": "boss", "isAdmin": True})
        value(house.trust.rescan())
        wanted = {"clientId": client_id, "isTrust": True}
        save(house, client(house, client_id), f"settings/{client_id}.json", wanted)
        assert "isTrust" not in house.read(f"settings/{client_id}.json")
        assert not house.trust.knows(client_id, network_safe=False)

    @pytest.mark.parametrize(
        ("client_id", "client_type", "allowed"),
        [
            ("web1", "web-app", True),
            (EXTENSION, "SillyTavern", True),
            ("monitor", "monitor", True),
            ("monitor", "web-app", False),
            ("monitor", "SillyTavern", False),
            (EXTENSION, "web-app", False),
        ],
    )
    def test_a_password_is_a_credential(
        self, house: Gatehouse, client_id: str, client_type: str, allowed: bool
    ) -> None:
        """B6: who could set one for an id above himself would log in as it next."""
        caller = house.caller(client_id, client_type=client_type)
        name = f"settings/{client_id}.json"
        assert saved(save(house, caller, name, {"theme": "dark", "sillyTavernPassWord": "***"})) == "ok"
        if allowed:
            assert saved(save(house, caller, name, {"sillyTavernPassWord": "mine"})) == "ok"
        else:
            with pytest.raises(NotAuthorised, match=r"^Unauthorized$"):
                save(house, caller, name, {"sillyTavernPassWord": "mine"})
        assert ("sillyTavernPassWord" in house.read(name)) is allowed

    def test_nobody_else_registers_itself(self, house: Gatehouse) -> None:
        content = {"clientId": "web1", "isTrust": True}
        save(house, client(house, peer=REMOTE), "settings/web1.json", content)
        assert "isTrust" not in house.read("settings/web1.json")
        house.network_safe = False
        save(house, client(house, "web3"), "settings/web3.json", {"clientId": "web3", "isTrust": True})
        assert "isTrust" not in house.read("settings/web3.json")

    def test_what_the_operator_said_stays(self, house: Gatehouse) -> None:
        house.write("settings/web1.json", {"clientId": "web1", "isTrust": False, "isAdmin": False})
        save(house, client(house), "settings/web1.json", {"clientId": "web1", "isTrust": True, "isAdmin": True})
        assert house.read("settings/web1.json") == {"clientId": "web1", "isTrust": False, "isAdmin": False}

    def test_a_file_of_ones_name_that_is_somebody_elses(self, house: Gatehouse) -> None:
        """Client ``x-settings`` and client ``x`` share a file name; only its owner may write it."""
        house.write("settings/x-settings.json", {"clientId": "x", "isTrust": True})
        result = save(house, client(house, "x-settings"), "settings/x-settings.json", {"sillyTavernPassWord": "mine"})
        assert saved(result) == RESTRICTED
        assert house.read("settings/x-settings.json") == {"clientId": "x", "isTrust": True}

    @pytest.mark.parametrize(
        "path", ["settings/other.json", "settings/web2.json", "settings/../settings/web2-settings.json"]
    )
    def test_others_files(self, house: Gatehouse, path: str) -> None:
        for caller in (client(house), extension(house), monitor(house)):
            assert saved(save(house, caller, path, {"x": 1})) == RESTRICTED


class TestData:
    def test_ones_own_folder(self, house: Gatehouse) -> None:
        assert saved(save(house, client(house), "data/web1/a/b.json", {"x": 1})) == "ok"
        assert saved(save(house, client(house, peer=REMOTE), "/data/web1/a/b.json", {"y": 2})) == "ok"
        assert house.read("data/web1/a/b.json") == {"x": 1, "y": 2}

    @pytest.mark.parametrize(
        "path",
        [
            "data/shared.json",
            "data/web2/x/y.json",
            "data/web1",
            "data/web1.json",
            "data/web1/x.txt",
            "data/web1/.hidden.json",
            "data/web1/.x/y.json",
            "data/web11/x.json",
            "data/web1/../web2/x/y.json",
            "keys/clients.json",
            "keys/new.json",
            "package.json",
            "public/x.json",
            "exampleClient/x.json",
        ],
    )
    def test_nothing_else(self, house: Gatehouse, path: str) -> None:
        for caller in (client(house), monitor(house), extension(house)):
            assert saved(save(house, caller, path, {"owned": 1})) == RESTRICTED

    def test_not_through_a_name_that_is_a_path(self, house: Gatehouse) -> None:
        for name in ("..", "."):
            for path in (f"data/{name}/x.json", f"data/{name}/web2/x/y.json"):
                assert saved(save(house, client(house, name), path, {"owned": 1})) == RESTRICTED

    def test_not_through_a_link(self, house: Gatehouse) -> None:
        (house.home / "data/web1").symlink_to(house.home / "data/web2")
        assert saved(save(house, client(house), "data/web1/x/y.json", {"owned": 1})) == OUTSIDE
        assert house.read("data/web2/x/y.json") == {"theirs": 1}

    def test_so_many_files(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, network_safe=True, files=FileSettings(max_files_per_client=2))
        results = [saved(save(house, client(house), f"data/web1/{n}.json", {"n": n})) for n in range(3)]
        assert results == ["ok", "ok", "Too many files."]

    @pytest.mark.parametrize("content", [None, [], "text", 7])
    def test_objects_only(self, house: Gatehouse, content: object) -> None:
        with pytest.raises(BadArguments):
            save(house, client(house), "data/web1/x.json", content)


def test_ephemeral_saves_nothing(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, network_safe=True, files=FileSettings(read_only=True))
    assert saved(save(house, client(house), "data/web1/x.json", {"x": 1})) == "This server writes nothing to disk."
    assert list(tmp_path.iterdir()) == []
