"""The command `newage` on the home of a stopped hub; tests/integration/test_command.py has a running one."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

import newage
from newage import __version__
from newage.assembly import operate
from newage.cli import main, parser
from newage.daemon.control import FOLDER, SOCKET
from newage.daemon.home import HomeLock, prepare_home
from newage.domain.model import KeyRecord, Rank
from newage.errors import NotAuthorised, NotFound
from newage.storage.sql import ADD_KEY, key_values

KEY = re.compile(r"sk-newage-[0-9a-f]{8}-[a-z2-7]{26}\n")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("NEWAGE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NEWAGE_AUTH_BCRYPT_ROUNDS", "4")
    home = tmp_path / "newage-home"
    prepare_home(home)
    monkeypatch.chdir(tmp_path)
    return home


class Said:
    """What the command wrote, and how it ended."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


def listed(said: Said) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = json.loads(said("--json", "keys", "list")[1])["keys"]
    return keys


def facts(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "logs" / "audit.jsonl").read_text("utf-8").splitlines()]


def test_a_key_goes_to_stdout_alone_and_nothing_else_does(home: Path, said: Said) -> None:
    code, out, err = said("keys", "new", "phone", "--name", "in the hall")
    assert code == 0
    assert KEY.fullmatch(out)
    (record,) = listed(said)
    assert re.fullmatch(rf"key {record['keyId']} of phone \(client\); it is not shown again\n", err)
    assert (record["clientId"], record["name"], record["live"]) == ("phone", "in the hall", True)
    assert out.strip() not in "".join(path.read_text("utf-8", "replace") for path in (home / "logs").iterdir())
    assert [fact["action"] for fact in facts(home)] == ["client.trust", "key.generate"]


def test_revoking_shows_what_the_revoked_one_had_made(home: Path, said: Said) -> None:
    """B10: administrators and extensions make them over the wire."""
    left = KeyRecord(client_id="bob", hash="h", created_at=1.0, key_id="0badcafe", rank=Rank.CLIENT, made_by="anna")
    said("keys", "new", "anna")
    with closing(sqlite3.connect(home / "data" / "newage.sqlite3")) as database, database:
        database.execute(ADD_KEY, key_values(left))
    code, out, err = said("keys", "revoke", "anna")
    assert (code, out) == (0, "revoked 1 key of anna\n")
    assert "it made key 0badcafe of bob (client), which goes on working: `newage keys revoke 0badcafe`" in err
    assert said("keys", "revoke", "0badcafe")[0] == 0


def test_as_json(home: Path, said: Said) -> None:
    code, out, err = said("--json", "keys", "new", "anna", "--admin", "--days", "1")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert (answer["clientId"], answer["rank"], answer["scope"]) == ("anna", "admin", "admin")
    assert answer["expires"] is not None
    assert answer["key"].startswith(f"sk-newage-{answer['keyId']}-")
    assert json.loads(said("--json", "unlock")[1]) == {"unlocked": [], "count": 0}
    assert json.loads(said("--json", "keys", "revoke", "anna")[1])["keyIds"] == [answer["keyId"]]


@pytest.mark.parametrize("scope", ["all", "client", "extension", "api", "admin"])
def test_a_scope(home: Path, said: Said, scope: str) -> None:
    client = "SillyTavern-1" if scope == "extension" else "anna"
    code, _, err = said("keys", "new", client, "--scope", scope)
    assert code == 0
    assert (f"scope {scope}" in err) is (scope != "all")
    assert said("keys", "list")[1].splitlines()[1].split()[3] == scope


def test_scopes_that_make_no_sense(home: Path, said: Said) -> None:
    assert said("keys", "new", "anna", "--scope", "extension")[0] == 1
    for wrong in (("--scope", "root"), ("--scope", "client", "--admin"), ("--extension", "--admin")):
        assert said("keys", "new", "anna", *wrong)[0] == 2, wrong
    assert said("keys", "list")[1] == ""


def test_the_list_is_a_table(home: Path, said: Said) -> None:
    assert said("keys", "list") == (0, "", "there are no keys; `newage keys new CLIENT_ID` makes one\n")
    said("keys", "new", "phone")
    said("keys", "new", "anna", "--admin", "--days", "3", "--name", "Anna's")
    with sqlite3.connect(home / "data" / "newage.sqlite3") as database:
        database.execute("UPDATE client_key SET last_used = created_at, expires = created_at WHERE client_id = 'anna'")
    code, out, err = said("keys", "list")
    title, phone, anna = out.splitlines()
    assert (code, err) == (0, "")
    columns = [
        "KEY",
        "CLIENT",
        "RANK",
        "SCOPE",
        "MADE",
        "LAST USED",
        "FROM",
        "GOOD UNTIL",
        "NAME",
    ]
    assert re.split(r"  +", title) == columns
    assert re.split(r"  +", phone)[1:4] + re.split(r"  +", phone)[5:] == [
        "phone",
        "client",
        "all",
        "never noted",
        "revoked",
    ]
    assert re.split(r"  +", anna)[1:4] + re.split(r"  +", anna)[6:] == [
        "anna",
        "admin",
        "admin",
        "it is over",
        "Anna's",
    ]


def test_a_terminal_that_lacks_a_letter_sees_its_number(
    home: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said("keys", "new", "jürgen")[0] == 0
    out = TextIOWrapper(BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert main(("keys", "list")) == 0
    assert rb"  j\xfcrgen  " in out.detach().getvalue()


def test_revoking(home: Path, said: Said) -> None:
    for _ in range(2):
        said("keys", "new", "phone")
    first, second = listed(said)
    assert said("keys", "revoke", first["keyId"])[:2] == (0, "revoked 1 key of phone\n")
    assert listed(said) == [second]
    said("keys", "new", "phone")
    assert said("keys", "revoke", "phone") == (0, "revoked 2 keys of phone\n", "")
    assert listed(said) == []
    code, out, err = said("keys", "revoke", "phone")
    assert (code, out) == (1, "")
    assert err == "newage: there is no key of 'phone': `newage keys list` shows clients and keys\n"


def test_trust_by_a_settings_file_is_told(home: Path, said: Said) -> None:
    (home / "settings" / "phone.json").write_text('{"clientId": "phone", "isTrust": true}', "utf-8")
    said("keys", "new", "phone")
    assert said("keys", "revoke", "phone")[2] == "phone is still trusted: a new key would let it in\n"


@pytest.mark.parametrize("arguments", [("unlock",), ("unlock", "--all"), ("unlock", "phone")])
def test_nobody_is_locked_out_of_a_stopped_hub(home: Path, said: Said, arguments: tuple[str, ...]) -> None:
    code, out, err = said(*arguments)
    assert (code, out) == (0, "")
    assert err == "the hub is not running, so nobody is locked out: locks end with it\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("keys", "new", "a/b"), "cannot be a client id"),
        (("keys", "new", "phone", "--days", "-1"), "at most 36500 days"),
        (("keys", "new", "phone", "--extension"), "begin with SillyTavern"),
        (("--home", "nowhere", "keys", "list"), "there is no newage at .*nowhere: give its --home, or start the hub"),
        (("--config", "nowhere.toml", "keys", "list"), "nowhere.toml cannot be read"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_a_sentence(
    home: Path, said: Said, arguments: tuple[str, ...], reason: str
) -> None:
    code, out, err = said(*arguments)
    assert (code, out) == (1, "")
    assert re.search(reason, err)
    assert all(line.startswith("newage: ") for line in err.splitlines())
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("keys",),
        ("keys", "new"),
        ("keys", "new", "x", "--admin", "--extension"),
        ("keys", "new", "x", "--days", "soon"),
        ("keys", "new", "x", "--days", "nan"),  # JSON has neither: the key would be good for ever
        ("keys", "new", "x", "--days", "inf"),
        ("keys", "new", "x", "--name", "\udcff"),  # bytes of another encoding
        ("keys", "new", "\udcff"),
        ("keys", "revoke", "\udcff"),
        ("unlock", "\udcff"),
        ("unlock", "phone", "--all"),
        ("start",),
    ],
)
def test_a_wrong_command_ends_with_2(home: Path, said: Said, arguments: tuple[str, ...]) -> None:
    code, out, err = said(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: newage")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("keys", "--help"), ("keys", "new", "--help"), ("unlock", "--help")]
)
def test_help(said: Said, arguments: tuple[str, ...]) -> None:
    code, out, err = said(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith("usage: newage")


def test_version(said: Said) -> None:
    assert said("--version") == (0, f"newage {__version__}\n", "")


def test_the_home_may_be_named_by_the_environment_or_a_file(
    home: Path, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said("keys", "new", "phone")
    monkeypatch.chdir("/")
    assert said("keys", "list")[0] == 1
    monkeypatch.setenv("NEWAGE_HOME", str(home))
    assert len(listed(said)) == 1
    monkeypatch.delenv("NEWAGE_HOME")
    (tmp_path / "hub.toml").write_text(f'[server]\nhome = "{home}"\n', "utf-8")
    monkeypatch.setenv("NEWAGE_CONFIG", str(tmp_path / "hub.toml"))
    assert len(listed(said)) == 1


def test_a_hub_that_has_the_home_but_does_not_listen(home: Path, said: Said) -> None:
    lock = HomeLock(home)
    lock.take()
    code, _, err = said("keys", "list")
    lock.release()
    assert code == 1
    assert "does not listen to commands" in err
    assert said("keys", "list")[0] == 0


def test_what_a_dead_hub_left_is_no_hub(home: Path, said: Said) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home / FOLDER / SOCKET))
    assert said("keys", "new", "phone")[0] == 0


def answering(home: Path, answer: bytes) -> threading.Thread:
    """Something that takes one command at the hub's place and answers with these bytes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(home / FOLDER / SOCKET))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65_536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection without an answer"),
        (b'{"keys": [', "closed the connection without an answer"),
        (b'{"error": "not today; come back"}\n', "newage: not today; come back"),
    ],
)
def test_a_hub_that_does_not_do_it(home: Path, said: Said, answer: bytes, reason: str) -> None:
    thread = answering(home, answer)
    code, out, err = said("keys", "list")
    thread.join(10)
    assert (code, out) == (1, "")
    assert reason in err


def test_a_hub_that_is_stuck(home: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operate, "ANSWER_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / FOLDER / SOCKET))
        listener.listen()
        code, _, err = said("keys", "list")
    assert code == 1
    assert "did not answer within 0.1 seconds" in err


def test_root_makes_no_files_in_somebody_elses_home(home: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        for path in (home, home / "data"):
            os.chown(path, 65_534, 65_534)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    code, _, err = said("keys", "list")
    assert code == 1
    owner = home.stat().st_uid
    assert f"belongs to another user; run this as the hub's user: sudo -u '#{owner}' newage" in err
    assert not (home / "data" / "newage.sqlite3").exists()


def test_another_user_is_told_whose_home_it_is(home: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    code, out, err = said("keys", "list")
    assert (code, out) == (1, "")
    assert "belongs to another user" in err


def test_the_hubs_user_is_who_made_the_data(home: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub in a container runs as root on a folder of somebody else's, who can do nothing in it."""
    hub, host = os.geteuid(), 65_534
    if hub == 0:
        os.chown(home, host, host)
    monkeypatch.setattr(os, "geteuid", lambda: host)
    code, _, err = said("keys", "list")
    assert code == 1
    assert f"sudo -u '#{hub}' newage" in err


def test_nor_does_he_need_to_see_it(home: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", closed)
    code, out, err = said("keys", "list")
    assert (code, out) == (1, "")
    assert re.search(r"newage-home cannot be reached: Permission denied; run this as the hub's user$", err)


def test_no_reactor_runs_in_it(home: Path) -> None:
    program = """
import sys
from newage.cli import main
code = main(sys.argv[1:])
reactor = sys.modules.get("twisted.internet.reactor")
assert reactor is None or not reactor.running
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "keys", "new", "phone"],
        env={**os.environ, "PYTHONPATH": str(Path(newage.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, KEY.fullmatch(done.stdout) is not None) == (0, True), done.stderr


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages: one with a function and a plug-in, one that is broken."""
    site = tmp_path / "site"
    info = site / "newage_cli_test-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cli-test\nVersion: 1.2\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[newage.functions]\ncli-roll = newage_cli_test:roll\nadd = newage_cli_test:roll\n"
        "cli-old = newage_cli_test:old\n"
        "[newage.plugins]\ncli-bot = newage_cli_test:setup\n",
        "utf-8",
    )
    (site / "newage_cli_test.py").write_text(
        "from newage.functions import Function, function\n@function\ndef roll(dice: int = 1): pass\n"
        "def setup(hub): pass\nold = Function(list, lambda caller, args: 1)\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(site)
    return site


@pytest.mark.filterwarnings("ignore:newage.functions.Function will go:DeprecationWarning")
def test_what_is_installed_is_listed_without_a_hub(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = said("functions")
    assert (code, err) == (0, "")
    lines = [line.split(None, 5) for line in out.splitlines() if "cli" in line]
    assert ["function", "cli-roll", "cli-test", "1.2", "newage_cli_test:roll", "(dice: a whole number = 1)"] in lines
    assert ["function", "cli-old", "cli-test", "1.2", "newage_cli_test:old", "by the old door"] in lines
    assert ["plug-in", "cli-bot", "cli-test", "1.2", "newage_cli_test:setup"] in lines
    assert "there is another function add, so newage_cli_test:roll is left out" in out
    found = json.loads(said("--json", "functions")[1])["functions"]
    assert {
        "kind": "function",
        "name": "cli-roll",
        "package": "cli-test 1.2",
        "from": "newage_cli_test:roll",
        "takes": "(dice: a whole number = 1)",
        "oldDoor": False,
        "problem": None,
    } in found
    assert list(tmp_path.iterdir()) == [packages]


def test_nothing_is_installed(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert said("functions") == (
        0,
        "",
        "no functions and no plug-ins are installed; docs/functions.md tells how they are made\n",
    )


def test_pairing_needs_a_running_hub(home: Path, said: Said) -> None:
    code, out, err = said("pair")
    assert (code, out) == (1, "")
    assert err == "newage: the hub is not running: pairing needs it; start it and run `newage pair` again\n"


class PairingHub:
    """Answers ``newage pair``: somebody has shown the code, when it is first asked."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answers = [{"code": "012345", "expiresIn": 300}, *answers]

    def __call__(self, command: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(command)
        return self._answers[len(self.asked) - 1]


def paired(hub: PairingHub, *arguments: str) -> dict[str, Any]:
    wanted = parser().parse_args(["pair", *arguments])
    body: dict[str, Any] = wanted.run(wanted, hub, True)
    return body


WHO = {"confirm": 3, "clientId": "SillyTavern-9999", "name": "Ann", "address": "192.0.2.9"}
ASKED = {"state": "asked", "asks": WHO}


@pytest.mark.parametrize("typed", ["", "n\n", "yess\n", "\n"])
def test_who_asks_to_pair_gets_nothing_without_a_yes(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(typed))
    hub = PairingHub(ASKED, {"state": "over"})
    with pytest.raises(NotAuthorised, match="nobody got a key"):
        paired(hub)
    assert hub.asked[-1] == {"do": "pair.confirm", "code": "012345", "confirm": 3, "accept": False}


@pytest.mark.parametrize(("arguments", "typed"), [((), "y\n"), ((), " YES \n"), (("--yes",), "")])
def test_a_yes_is_typed_or_given_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], typed: str
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(typed))
    hub = PairingHub(ASKED, {"state": "paired", "asks": WHO})
    assert paired(hub, *arguments) == {"clientId": "SillyTavern-9999", "address": "192.0.2.9"}
    assert hub.asked[-1]["accept"] is True
    out, err = capsys.readouterr()
    assert out == "012345\n"
    assert err.splitlines()[1:4] == [
        "at 192.0.2.9 somebody wants to answer as an extension",
        "  id    SillyTavern-9999",
        "  name  Ann",
    ]


def test_what_an_applicant_calls_itself_passes_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids and names with control characters, or turned around, come to no namespace (contract 1.9)."""
    monkeypatch.setattr(sys, "stdin", StringIO("n\n"))
    who = {
        "clientId": "SillyTavern-8000 at 127.0.0.1",
        "name": 'Ann") at 127.0.0.1; \u0405illy \u05d0',
        "known": True,
    }
    with pytest.raises(NotAuthorised):
        paired(PairingHub({"state": "asked", "asks": {**WHO, **who}}, {"state": "over"}))
    assert capsys.readouterr().err.splitlines()[1:5] == [
        "at 192.0.2.9 somebody wants to answer as an extension",
        "  id    SillyTavern-8000 at 127.0.0.1",
        "        a SillyTavern of this id has a key already: say no unless it is this one",
        '  name  Ann") at 127.0.0.1; \\u0405illy \\u05d0 = Ann") at 127.0.0.1; \u0405illy \u05d0',
    ]


def test_a_pairing_code_that_is_over_ends_the_command() -> None:
    with pytest.raises(NotFound, match="the code is over"):
        paired(PairingHub({"state": "over"}))


def test_a_character_is_added(home: Path, said: Said) -> None:
    (home.parent / "card.json").write_text('{"name": "Ann of the Sea"}', "utf-8")
    code, out, err = said("character", "add", "card.json")
    assert (code, out) == (0, "ann-of-the-sea\n")
    assert 'character = "ann-of-the-sea"' in err
    assert (home / "characters" / "ann-of-the-sea.json").is_file()
    assert (
        said("--json", "character", "add", "card.json")[1]
        == '{"character": "ann-of-the-sea", "name": "Ann of the Sea"}\n'
    )
    (home.parent / "card.json").write_text("no card", "utf-8")
    assert said("character", "add", "card.json") == (
        1,
        "",
        "newage: A card has to be a PNG with a card in it, or JSON.\n",
    )
    assert said("character", "add", "absent")[0] == 1
    assert said("--home", "nowhere", "character", "add", "card.json")[0] == 1
