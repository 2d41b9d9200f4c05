"""Tables with names: where they are said, their mistakes, and the keys of model servers, which nothing shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from newage.config import Config, load
from newage.config.named import MAX_KEY_BYTES
from newage.domain.secret import Secret
from newage.errors import ConfigError

KEY = "sk-upstream-1234"


def configure(tmp_path: Path, *, toml: str = "", environ: dict[str, str] | None = None) -> Config:
    """A configuration whose home is ``tmp_path/home``."""
    (tmp_path / "hub.toml").write_text(toml, "utf-8")
    home = {("server", "home"): str(tmp_path / "home")}
    return load(options=home, environ=environ or {}, config_file=str(tmp_path / "hub.toml"))


def mistakes(tmp_path: Path, *, toml: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configure(tmp_path, toml=toml, environ=environ)
    return str(caught.value).splitlines()


def test_none_by_default(tmp_path: Path) -> None:
    assert configure(tmp_path).upstreams == ()


def test_said_by_a_file_and_the_environment(tmp_path: Path) -> None:
    config = configure(
        tmp_path,
        toml='[upstream.one]\nurl = "http://a/v1"\nmax_tokens = 5\n[upstream.two]\noptions = { top_k = 3 }\n',
        environ={
            "NEWAGE_UPSTREAM_ONE_MAX_TOKENS": "7",
            "NEWAGE_UPSTREAM_MY_OWN_URL": "http://b/v1",
            "NEWAGE_UPSTREAM_MY_OWN_OPTIONS": '{"min_p": 0.1}',
            "NEWAGE_UPSTREAM_ONE_KEY": KEY,
        },
    )
    one, two, own = config.upstreams
    assert (one.name, one.settings.url, one.settings.max_tokens, one.key) == ("one", "http://a/v1", 7, Secret(KEY))
    assert (two.name, two.settings.options, bool(two.key)) == ("two", {"top_k": 3}, False)
    assert (own.name, own.settings.url, own.settings.options) == ("my-own", "http://b/v1", {"min_p": 0.1})
    assert KEY not in repr(config)
    assert config.warnings == ()


def test_a_key_alone_makes_no_upstream(tmp_path: Path) -> None:
    config = configure(tmp_path, environ={"NEWAGE_UPSTREAM_GONE_KEY": KEY})
    assert (config.upstreams, config.warnings) == ((), ())


def test_no_more_answers_at_once_than_an_extension_may_give(tmp_path: Path) -> None:
    toml = "[streams]\nmax_outputs_per_extension = 3\n[upstream.one]\ncapacity = 4\n[upstream.two]\ncapacity = 3\n"
    assert mistakes(tmp_path, toml=toml) == [
        "[upstream.one] capacity = 4 is more answers at once than max_outputs_per_extension = 3 of [streams] "
        "takes of one extension; raise that or lower this"
    ]
    toml = "[streams]\nmax_streams_per_extension = 3\n[upstream.one]\ncapacity = 4\n"
    assert "max_streams_per_extension = 3 of [streams]" in mistakes(tmp_path, toml=toml)[0]


def test_a_variable_that_means_nothing_is_named_without_its_value(tmp_path: Path) -> None:
    config = configure(tmp_path, environ={"NEWAGE_UPSTREAM_ONE_TOKEN": KEY, "NEWAGE_UPSTREAM_URL": KEY})
    first, second = map(str, config.warnings)
    assert "NEWAGE_UPSTREAM_ONE_TOKEN is not a key" in first
    assert "NEWAGE_UPSTREAM_URL is not a key" in second
    assert KEY not in first + second


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("upstream = 7", "upstream must be a table; write [upstream.NAME]"),
        ("[upstream]\nx = 7", "upstream.x must be a table"),
        ("[upstream.X]", "[upstream.X] must be called by 1 to 32 small letters"),
        ('[upstream.x]\nurls = "http://a"', "[upstream.x] urls is not a key of newage; did you mean url?"),
        ('[upstream.x]\nurl = "ftp://a"', "[upstream.x] url must be like"),
        ("[upstream.x]\nmax_tokens = true", "[upstream.x] max_tokens must be a whole number"),
        ("[upstream.x]\noptions = { n = 2 }", "[upstream.x] options must not hold n"),
        ('[upstream.x]\nkey_file = "a"\nkey_env = "B"', "[upstream.x] has both key_file and key_env"),
        ('[upstream.x]\nkey_file = "absent"', "absent cannot be read: No such file"),
        ('[upstream.x]\nkey_env = "ABSENT"', "[upstream.x] key_env ABSENT is not set"),
    ],
)
def test_mistakes_say_where(tmp_path: Path, toml: str, words: str) -> None:
    (said,) = mistakes(tmp_path, toml=toml)
    assert words in said


@pytest.mark.parametrize("key", ["", " ", "two words", "ü", "x" * (MAX_KEY_BYTES + 1), "a\nb"])
def test_what_is_no_key_is_not_shown(tmp_path: Path, key: str) -> None:
    (said,) = mistakes(tmp_path, toml="[upstream.x]", environ={"NEWAGE_UPSTREAM_X_KEY": key})
    assert said == "[upstream.x] environment: the key of x must hold one line of printable ASCII without spaces"


def test_a_key_of_another_variable(tmp_path: Path) -> None:
    (found,) = configure(tmp_path, toml='[upstream.x]\nkey_env = "MY_KEY"', environ={"MY_KEY": KEY}).upstreams
    assert found.key == Secret(KEY)


def test_a_key_in_a_file_of_the_home(tmp_path: Path) -> None:
    file = tmp_path / "home" / "keys" / "x"
    file.parent.mkdir(parents=True)
    file.write_text(f"{KEY}\n")
    toml = '[upstream.x]\nkey_file = "keys/x"'
    file.chmod(0o640)
    (said,) = mistakes(tmp_path, toml=toml)
    assert "must be a file for the hub's user alone; chmod 600 it" in said
    file.chmod(0o600)
    (found,) = configure(tmp_path, toml=toml).upstreams
    assert found.key == Secret(KEY)
    file.unlink()
    file.mkdir()
    assert mistakes(tmp_path, toml=toml)


HOOK = '[webhook.my-bot]\nurl = "https://bot.test/hook"\nrooms = ["lobby", "den"]\n'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_webhook_and_its_secret(tmp_path: Path) -> None:
    environ = {"NEWAGE_WEBHOOK_MY_BOT_SECRET": SECRET, "NEWAGE_WEBHOOK_MY_BOT_EVENTS": "message.created"}
    config = configure(tmp_path, toml=HOOK, environ=environ)
    (bot,) = config.webhooks
    assert (bot.name, bot.settings.rooms, bot.secret) == ("my-bot", ("lobby", "den"), Secret(SECRET))
    assert bot.settings.events == ("message.created",)
    assert SECRET not in repr(config)
    assert config.warnings == ()


def test_a_secret_in_a_file_is_for_the_hubs_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "home" / "bot.secret"
    file.parent.mkdir()
    file.write_text(SECRET + "\n")
    toml = HOOK + 'secret_file = "bot.secret"\n'
    file.chmod(0o640)
    (mistake,) = mistakes(tmp_path, toml=toml)
    assert "chmod 600" in mistake and "secret_file" in mistake
    file.chmod(0o600)
    assert configure(tmp_path, toml=toml).webhooks[0].secret == Secret(SECRET)


def test_what_a_webhook_lacks_is_said_at_the_start(tmp_path: Path) -> None:
    named = {"NEWAGE_WEBHOOK_MY_BOT_SECRET": "short"}
    (mistake,) = mistakes(tmp_path, toml=HOOK, environ=named)
    assert mistake.startswith("[webhook.my-bot] the secret must be 16 bytes") and "short" not in mistake
    (mistake,) = mistakes(tmp_path, toml=HOOK)
    assert "NEWAGE_WEBHOOK_MY-BOT_SECRET" in mistake.replace("MY_BOT", "MY-BOT")
    (mistake,) = mistakes(tmp_path, toml=HOOK + 'secret_env = "NOWHERE"\n')
    assert mistake == "[webhook.my-bot] secret_env NOWHERE is not set in the environment"
    (mistake,) = mistakes(tmp_path, toml="[webhook.x]\n", environ={"NEWAGE_WEBHOOK_X_SECRET": SECRET})
    assert mistake == "[webhook.x] needs a url"
