"""What the documents say is true, as far as reading can tell; tests/integration/test_readme.py runs the examples."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from newage import cli, errors
from newage.config import ENV_PREFIX, MEMBERS, load, members, sections
from newage.daemon import home
from newage.tap import Options

CHECKOUT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/server_settings.md",
    "docs/operations.md",
    "docs/security.md",
    "docs/functions.md",
    "docs/javascript.md",
    "docs/python.md",
    "clients/js/README.md",
    "clients/python/README.md",
    "examples/README.md",
)
PLAIN = ("node/raw.mjs", "python/bot.py")  # the others stand on clients/js
TWISTD = {"-n", "--pidfile", "--logfile", "--help"}


def text(name: str) -> str:
    return (CHECKOUT / name).read_text("utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(name), re.DOTALL | re.MULTILINE)


def commands(*names: str) -> Iterator[str]:
    """Every shell line of a document, and every command in backticks, without its comment."""
    for name in names:
        for block in blocks(name, "sh"):
            yield from (line.split(" #")[0].strip() for line in block.splitlines() if line.strip())
        yield from re.findall(r"`((?:make|twistd|newage|PYTHONPATH=)[^`]*)`", text(name))


ALL_COMMANDS = sorted(set(commands(*DOCUMENTS)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text(name))
    missing = [
        t
        for t in targets
        if not t.startswith(("http:", "https:")) and not (CHECKOUT / name).parent.joinpath(t).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_of_the_checkout_that_are_named_exist(name: str) -> None:
    named = re.findall(r"`((?:src|tests|conf|static|bench|docs|twisted)/[\w./-]*\w/?)`", text(name))
    missing = [
        path for path in named if not (CHECKOUT / path).exists() and not (CHECKOUT / "src/newage" / path).exists()
    ]
    assert missing == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = {m for command in ALL_COMMANDS for m in re.findall(r"\bmake ([a-z-]+)", command)}
    assert {"run", "test", "check", "unit"} <= named
    assert named <= targets


def test_options_exist() -> None:
    found = {
        option
        for command in ALL_COMMANDS
        if "twistd" in command
        for option in re.findall(r"(?<=\s)(--?[a-z][\w-]*)", command)
    }
    assert {"-n", "--home", "--port", "--bind", "--demo"} <= found
    assert found <= _options() | TWISTD


def _options() -> set[str]:
    return set(re.findall(r"--[a-z]+", str(Options())))


def _command_options() -> set[str]:
    """Of the `newage` command and its subcommands."""
    found: set[str] = set()
    waiting = [cli.parser()]
    while waiting:
        for action in waiting.pop()._actions:
            found |= set(action.option_strings)
            waiting += action.choices.values() if isinstance(action.choices, dict) else []
    return found


def test_options_of_the_command_exist() -> None:
    said = [c for c in ALL_COMMANDS if re.match(r"(\S+/)?newage |sudo -u newage newage ", c)]
    assert len(said) > 5
    found = {option for command in said for option in re.findall(r"(?<=\s)(--[a-z-]+)", command)}
    assert {"--home", "--admin", "--days"} <= found <= _command_options()


def test_options_named_in_prose_exist() -> None:
    named = set(re.findall(r"`(--[a-z]+)[ `]", text("README.md") + text("docs/operations.md")))
    assert named <= _options() | TWISTD | _command_options()


@pytest.mark.parametrize("block", blocks("README.md", "toml"))
def test_configuration_examples_load(block: str, tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(block, "utf-8")
    config = load(config_file=str(tmp_path / "example.toml"), options={("server", "home"): str(tmp_path)})
    for table, keys in tomllib.loads(block).items():
        for key, value in keys.items():
            said = getattr(getattr(config, table), key)
            assert (list(said) if isinstance(said, tuple) else said) == value


def test_environment_variables_are_read(tmp_path: Path) -> None:
    named = dict(re.findall(rf"`({ENV_PREFIX}[A-Z_]+)=(\w+)`", text("README.md")))
    assert len(named) == 2
    config = load(environ=named, options={("server", "home"): str(tmp_path)})
    assert config.warnings == ()
    assert (config.auth.network_safe, config.server.port) == (False, 4001)


def test_the_table_of_members_is_true_and_names_all_special_ones() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w*) ?\| (.*) \|$", text("docs/server_settings.md"), re.MULTILINE)
    known = members()
    assert {member for member, _, _ in rows} >= set(MEMBERS)
    for member, unit, targets in rows:
        assert re.findall(r"`([\w.]+)`", targets) == [f"{table}.{key}" for table, key, _ in known[member]]
        for _, key, divisor in known[member]:
            assert divisor == (1000 if unit == "ms" and key.endswith("_seconds") else 1)


@pytest.mark.parametrize(
    "name",
    ["README.md", "docs/api.md", "clients/js/lib/hub.js", *sorted(f"examples/{n}" for n in PLAIN)],
)
def test_clients_of_ours_ask_for_no_history_again_and_again(name: str) -> None:
    """Contract A34: wherever a client of ``/llm`` says who it is, it declares ``sync``."""
    handshakes = [text(name)[at.start() : at.end() + 250] for at in re.finditer(r"clientType[\"']?: ", text(name))]
    assert handshakes
    assert [each for each in handshakes if "incremental" not in each] == []


def test_the_console_is_where_the_readme_says() -> None:
    manhole = load().manhole
    assert not manhole.enabled
    assert f"newage-home/{manhole.host_key_file}\n" in text("README.md")
    assert f"newage-home/{manhole.authorized_keys_file}\n" in text("README.md")
    assert f"ssh -p {manhole.manhole_port} newage@localhost" in text("README.md")


def test_settings_named_in_prose_are_keys() -> None:
    keys = {key for cls in sections().values() for key in cls.__annotations__}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text("README.md")))
    assert "trusted_proxies" in named
    assert named <= keys


def test_the_home_is_drawn_as_it_is_made(tmp_path: Path) -> None:
    (drawing,) = [block for block in blocks("README.md", "text") if "newage-home/" in block]
    drawn = set(re.findall(r"(?<=\s)(\w+)/", drawing))
    home.prepare_home(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == drawn
    assert f"data/{load().storage.file_name} " in drawing


def test_messages_in_the_troubleshooting_table_are_ours() -> None:
    sources = "".join(path.read_text("utf-8") for path in (CHECKOUT / "src").rglob("*.py"))
    for message in (
        "is in use by another newage",
        "is in use by another program",
        "Client is not trusted.",
        "No connected SillyTavern extensions.",
    ):
        assert message in sources
    for message in ("is in use by another newage", "Client is not trusted.", "No connected SillyTavern extensions."):
        assert f"{message}`" in text("README.md")


@pytest.mark.parametrize("path", sorted((CHECKOUT / "conf" / "settings").glob("*.json")), ids=lambda path: path.name)
def test_sample_settings_trust_the_id_they_name(path: Path) -> None:
    content = json.loads(path.read_text("utf-8"))
    assert content["isTrust"] is True
    assert path.stem in (content["clientId"], f"{content['clientId']}-settings")


def test_the_systemd_unit_starts_what_exists() -> None:
    (line,) = re.findall(r"^ExecStart=(.*)$", text("conf/newage.service"), re.MULTILINE)
    assert set(re.findall(r"(?<=\s)(--?[a-z]+)", line)) <= _options() | TWISTD
    assert int(re.findall(r"TimeoutStopSec=(\d+)", text("conf/newage.service"))[0]) > 10


def test_the_picture_is_well_formed_and_says_what_it_shows() -> None:
    root = ElementTree.fromstring(text("docs/overview.svg"))
    assert root.attrib["role"] == "img"
    assert root.findtext("{http://www.w3.org/2000/svg}title")


def test_ci_runs_what_a_developer_runs() -> None:
    assert (CHECKOUT / ".ci" / "run").stat().st_mode & 0o111
    assert "make test" in text(".ci/run")


def test_python_and_node_versions_agree() -> None:
    (wanted,) = re.findall(r"python_requires = >=([\d.]+)", text("setup.cfg"))
    assert f"Python {wanted} or newer" in text("README.md")
    assert f"Python {wanted} or newer" in text("Makefile")
    engines = json.loads(text("tests/integration/package.json"))["engines"]["node"]
    assert f"Node {engines.removeprefix('>=')} or newer" in text("README.md")


def test_error_codes_are_unique_and_stable() -> None:
    """A wire code never changes its meaning (contract 1.9); the classes own them."""
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.NewAgeError)
    ]
    codes = [each.code for each in classes]
    assert len(set(codes)) == len(codes)
