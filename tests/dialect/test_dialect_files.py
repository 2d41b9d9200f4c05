"""Members of files, and what calls answer about files (contract 7.4, 7.5, 8)."""

from __future__ import annotations

from typing import Any

import pytest

from newage.config.load import judge_members, members
from newage.dialect import files
from newage.domain.client_file import ClientFile
from newage.domain.logs import LogPage
from newage.errors import BadParameter, FileMissing, PathOutside, PathRestricted


def test_objects_are_merged_member_by_member() -> None:
    assert files.merged({"a": 1, "b": {"c": 1, "d": 1}}, {"b": {"d": 2}, "e": 3}) == {
        "a": 1,
        "b": {"c": 1, "d": 2},
        "e": 3,
    }
    assert files.merged({"a": {"b": 1}}, {"a": 2}) == {"a": 2}


def writable(given: dict[str, Any], **present: Any) -> tuple[dict[str, Any], list[str]]:
    return files.writable(given, {**files.DEFAULTS, **present}, judge_members)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"contextPageSize": 50.0}, {"contextPageSize": 50}),
        ({"timeout": "5"}, {"timeout": 5}),
        ({"networkSafe": False}, {"networkSafe": False}),
        ({"unknown": object}, {"unknown": object}),
    ],
)
def test_what_fits_is_taken(given: dict[str, Any], taken: dict[str, Any]) -> None:
    assert writable(given) == (taken, [])


@pytest.mark.parametrize(
    "given",
    [
        {"serverPort": 4000, "serverAddress": "http://localhost", "socketIOPath": "/socket.io"},
        {"staticResouce": {}, "restrictedFiles": [], "networkSafe": True},
    ],
)
def test_what_is_the_operators_and_changes_nothing_is_taken(given: dict[str, Any]) -> None:
    assert writable(given) == (given, [])
    assert writable({"serverPort": " 4000 "}, serverPort="4000") == ({"serverPort": 4000}, [])
    assert writable({"serverPort": 4000}, serverPort="written by hand") == ({}, ["serverPort"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serverPort", 4001),
        ("serverAddress", "http://evil.example"),
        ("socketIOPath", "/x"),
        ("staticResouce", {"/x": "public"}),
        ("restrictedFiles", ["data/x"]),
        ("bindAddress", ["0.0.0.0"]),
        ("fileName", "/any/x.sqlite3"),
        ("bcryptRounds", 4),
        ("listenBacklog", 7),
        ("enabled", True),
        ("localAdmin", True),
        ("behindProxy", False),
        ("corsOrigins", ["*"]),
        ("allowedHosts", ["evil.example"]),
        ("trustedNetworks", ["0.0.0.0/0"]),
        ("trustedProxies", ["0.0.0.0/0"]),
        ("adminAddresses", ["any"]),
        ("adminOrigins", ["http://evil.example"]),
        ("bootstrapAddresses", ["0.0.0.0/0"]),
        ("maxConnections", 1),
        ("pingTimeoutMs", 1),
        ("authorizedKeysFile", "data/web1/keys"),
        ("home", "/tmp"),
    ],
)
def test_what_is_the_operators_stays_as_it_is(name: str, value: object) -> None:
    assert writable({name: value, "timeout": 7}) == ({"timeout": 7}, [name])


def test_who_may_come_without_a_key_is_the_operators() -> None:
    assert writable({"networkSafe": True}, networkSafe=False) == ({}, ["networkSafe"])


def test_every_key_of_the_configuration_is_the_operators_unless_it_is_listed() -> None:
    judged = judge_members(dict.fromkeys(members(), "x"))
    assert judged.keys() == members().keys()
    assert judged.keys() & files.OF_THE_WIRE == {
        "connectionPolicy",
        "contextPageSize",
        "contextSendDelay",
        "debugMode",
        "defaultRoomMessageRequestMode",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"serverPort": True}, "serverPort must be a whole number from 0 to 65535"),
        ({"serverPort": "x"}, "serverPort must be a whole number from 0 to 65535"),
        ({"networkSafe": "no"}, "networkSafe must be true or false"),
        ({"socketIOPath": "here"}, "socketIOPath must be a path that begins with /"),
        ({"contextPageSize": 10_001}, "contextPageSize must be"),
        ({"connectionPolicy": "Sometimes"}, "connectionPolicy must be one of Free"),
        ({"connectionPolicy": ["Free"]}, "connectionPolicy must be"),
        ({"defaultRoomMessageRequestMode": "x"}, "defaultRoomMessageRequestMode must be"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameter) as refused:
        writable(given)
    assert str(refused.value).startswith(words)


def test_no_key_is_ever_in_the_server_file() -> None:
    assert files.without_keys({"clientKeys": {"web1": "secret"}, "timeout": 1}) == {"clientKeys": {}, "timeout": 1}


def test_what_the_file_says_is_read_with_care() -> None:
    assert [files.network_safe({"networkSafe": value}) for value in (False, True, "false", None)] == [
        False,
        True,
        True,
        True,
    ]
    assert files.restricted({"restrictedFiles": ["data/x.json"]}) == ["data/x.json"]
    assert files.restricted({"restrictedFiles": "data"}) == files.restricted({}) == []
    assert files.mounts(files.DEFAULTS) == {}


@pytest.mark.parametrize(
    ("content", "client"),
    [
        ({}, None),
        ({"clientId": 7}, None),
        ({"clientId": "no/id"}, None),
        ({"clientId": "web1"}, ClientFile(client_id="web1")),
        ({"clientId": "web1", "isTrust": 1, "isAdmin": 1}, ClientFile(client_id="web1", trusted=True)),
        (
            {"clientId": "web1", "isAdmin": True, "sillyTavernPassWord": "$2b$10$x"},
            ClientFile(client_id="web1", admin=True, password_hash="$2b$10$x"),
        ),
        ({"clientId": "web1", "sillyTavernPassWord": "clear"}, ClientFile(client_id="web1")),
    ],
)
def test_what_a_settings_file_says_of_its_client(content: dict[str, Any], client: ClientFile | None) -> None:
    assert files.client(content) == client


def test_a_clear_password_is_found_and_replaced_by_its_hash() -> None:
    content = {"sillyTavernPassWord": "clear", "sillyTavernMasterKey": "x", "a": 1}
    assert files.clear_password(content) == "clear"
    hashed = files.with_password_hash(files.without_master_key(content), "$2b$")
    assert hashed == {"sillyTavernPassWord": "$2b$", "a": 1}
    assert files.clear_password(hashed) is None
    assert files.clear_password({"sillyTavernPassWord": 7}) is None


def test_secrets_are_hidden_and_come_back_as_they_were() -> None:
    content = {"sillyTavernPassWord": "x", "list": [{"clientKeys": {}}], "name": "***"}
    shown = files.redacted(content)
    assert shown == {"sillyTavernPassWord": "***", "list": [{"clientKeys": "***"}], "name": "***"}
    assert files.unredacted(shown) == {"list": [{"clientKeys": "***"}], "name": "***"}
    assert files.sets_password({"sillyTavernPassWord": "new"})
    assert not files.sets_password(shown)
    assert not files.sets_password({})


def test_whose_settings_they_are() -> None:
    assert files.owner({"clientId": "web1"}) == "web1"
    assert files.owner({}) is None


@pytest.mark.parametrize(
    ("present", "wanted", "may_register", "expected"),
    [
        ({}, {"a": 1}, True, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 3, "sillyTavernPassWord": "***"}, False, {"a": 3, "b": 2}),
        ({}, {"isTrust": True, "isAdmin": True}, True, {}),
        ({}, {"clientId": "web2"}, True, {}),
        ({}, {"clientId": "web1", "isTrust": True, "isAdmin": True}, True, {"clientId": "web1", "isTrust": True}),
        ({}, {"clientId": "web1", "isTrust": True}, False, {"clientId": "web1"}),
        ({"isTrust": False}, {"clientId": "web1", "isTrust": True}, True, {"clientId": "web1", "isTrust": False}),
        ({"isAdmin": False}, {"clientId": "web1", "isTrust": True}, True, {"clientId": "web1", "isAdmin": False}),
    ],
)
def test_what_a_client_may_make_of_its_settings(
    present: dict[str, Any], wanted: dict[str, Any], may_register: bool, expected: dict[str, Any]
) -> None:
    assert files.own_settings(present, wanted, "web1", may_register=may_register) == expected


def test_nobody_writes_the_settings_of_another() -> None:
    with pytest.raises(PathRestricted):
        files.own_settings({"clientId": "web2"}, {}, "web1", may_register=True)


def test_results_of_calls() -> None:
    assert files.read({"a": 1}) == {"a": 1, "success": True, "result": {"a": 1}}
    assert files.not_read(FileMissing("gone")) == {
        "success": False,
        "error": {"message": "gone", "code": "ENOENT"},
        "result": {},
    }
    assert files.not_read(PathOutside("out"))["error"] == {"message": "out", "code": 201}
    assert files.saved() == {"success": True}
    assert files.not_saved(PathOutside("out")) == {"success": False, "error": "out"}


def test_each_url_has_its_own_outcome() -> None:
    assert files.mapped([("/a", None)]) == {"success": True, "results": [{"urlPath": "/a", "status": "success"}]}
    assert files.mapped([("/a", None), ("/b", PathOutside("out"))]) == {
        "success": False,
        "results": [
            {"urlPath": "/a", "status": "success"},
            {"urlPath": "/b", "status": "error", "message": "out"},
        ],
    }


def test_a_page_of_a_log() -> None:
    page = LogPage(lines=("one",), total=4, page=2, page_size=3, level="all")
    assert files.log_page(page) == {"lines": ["one"], "total": 4, "page": 2, "pageSize": 3, "level": "all"}
