"""Sources of the configuration, their order, and the mistakes they report (contract 8.1, A8)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import pytest

from newage.config import MEMBERS, Config, load, members, sections
from newage.config.load import _Loader
from newage.errors import ConfigError


def configure(
    tmp_path: Path,
    *,
    settings: object = None,
    toml: str | None = None,
    environ: dict[str, str] | None = None,
    **options: object,
) -> Config:
    """A configuration whose home is ``tmp_path/home``."""
    home = tmp_path / "home"
    if settings is not None:
        (home / "settings").mkdir(parents=True, exist_ok=True)
        text = settings if isinstance(settings, str) else json.dumps(settings)
        (home / "settings" / "server_settings.json").write_text(text, "utf-8")
    if toml is not None:
        (tmp_path / "hub.toml").write_text(toml, "utf-8")
    return load(
        options={("server", "home"): str(home), **{("server", key): value for key, value in options.items()}},
        environ=environ or {},
        config_file=None if toml is None else str(tmp_path / "hub.toml"),
    )


def mistakes(tmp_path: Path, **sources: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configure(tmp_path, **sources)
    return str(caught.value).splitlines()


ALL_KEYS = [
    (name, each.name, get_type_hints(cls)[each.name]) for name, cls in sections().items() for each in attrs.fields(cls)
]


class TestDefaults:
    def test_nothing_said_gives_the_defaults_of_each_layer(self, tmp_path: Path) -> None:
        config = configure(tmp_path)
        assert config == attrs.evolve(Config(), server=attrs.evolve(Config().server, home=str(tmp_path / "home")))
        assert (config.server.port, config.server.bind_address) == (4000, ("127.0.0.1", "::1"))
        assert config.auth.network_safe
        assert config.warnings == ()

    def test_home_is_absolute_from_the_start(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert load().home == tmp_path / "newage-home"

    @pytest.mark.parametrize(("table", "key"), [(table, key) for table, key, _ in ALL_KEYS])
    def test_each_key_says_what_it_is_in_one_line(self, table: str, key: str) -> None:
        doc = attrs.fields_dict(sections()[table])[key].metadata["doc"]
        assert doc
        assert "\n" not in doc


class TestOrder:
    def test_each_source_wins_over_the_one_before(self, tmp_path: Path) -> None:
        settings, toml, environ = {"serverPort": 4001}, "[server]\nport = 4002", {"NEWAGE_SERVER_PORT": "4003"}
        assert configure(tmp_path, settings=settings).server.port == 4001
        assert configure(tmp_path, settings=settings, toml=toml).server.port == 4002
        assert configure(tmp_path, settings=settings, toml=toml, environ=environ).server.port == 4003
        assert configure(tmp_path, settings=settings, toml=toml, environ=environ, port="4004").server.port == 4004

    def test_settings_are_those_of_the_home_that_wins(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        (other / "settings").mkdir(parents=True)
        (other / "settings" / "server_settings.json").write_text('{"serverPort": 4100}', "utf-8")
        (tmp_path / "hub.toml").write_text(f'[server]\nhome = "{tmp_path}/none"', "utf-8")
        config = load(config_file=str(tmp_path / "hub.toml"), environ={"NEWAGE_HOME": str(other)})
        assert (config.home, config.server.port) == (other, 4100)


class TestServerSettings:
    def test_members_of_the_contract_reach_their_fields(self, tmp_path: Path) -> None:
        config = configure(
            tmp_path,
            settings={
                "serverPort": "4321",
                "networkSafe": False,
                "debugMode": True,
                "bindAddress": "0.0.0.0",
                "corsOrigins": "*",
                "socketIOPath": "/hub.io",
                "serverAddress": "http://hub.example",
                "contextPageSize": 20,
                "contextSendDelay": 0,
                "defaultRoomMessageRequestMode": "Immediate",
                "adminAddresses": ["10.0.0.5"],
                "bootstrapAddresses": ["10.0.0.6"],
                "trustedNetworks": ["10.0.0.0/8"],
                "trustedProxies": ["10.0.0.7"],
                "allowedHosts": ["hub.example"],
                "connectionPolicy": "Balanced",
                "maxHttpBufferSize": 2_000_000,
                "maxClientKeys": 5,
                "sessionGraceMs": 900,
                "streamProbeMs": 100,
                "llmRequestTimeoutSeconds": 30,
            },
        )
        assert config.server.port == 4321
        assert config.server.debug_mode
        assert config.server.bind_address == ("0.0.0.0",)
        assert not config.auth.network_safe
        assert config.auth.max_client_keys == 5
        assert config.web.cors_origins == ("*",)
        assert config.web.socket_io_path == "/hub.io"
        assert config.web.server_address == "http://hub.example"
        assert (config.web.admin_addresses, config.web.bootstrap_addresses) == (("10.0.0.5",), ("10.0.0.6",))
        assert (config.web.trusted_networks, config.web.trusted_proxies) == (("10.0.0.0/8",), ("10.0.0.7",))
        assert config.web.allowed_hosts == ("hub.example",)
        assert (config.web.max_http_buffer_bytes, config.engine.max_payload_bytes) == (2_000_000, 2_000_000)
        assert (config.history.context_page_size, config.history.context_send_delay) == (20, 0)
        assert config.rooms.default_room_message_request_mode == "Immediate"
        assert config.relations.connection_policy == "Balanced"
        assert config.sessions.session_grace_ms == 900
        assert config.downstream.stream_probe_ms == 100
        assert config.requests.llm_request_timeout_seconds == 30

    @pytest.mark.parametrize(
        ("member", "value", "expected"),
        [
            ("pingInterval", 300, 0.3),
            ("pingIntervalMs", 300, 0.3),
            ("pingIntervalSeconds", 2, 2.0),
            ("pingIntervalSeconds", "2.5", 2.5),
        ],
    )
    def test_times_are_converted_by_their_unit(
        self, tmp_path: Path, member: str, value: object, expected: float
    ) -> None:
        assert configure(tmp_path, settings={member: value}).engine.ping_interval_seconds == expected

    def test_seconds_reach_a_field_in_milliseconds(self, tmp_path: Path) -> None:
        assert configure(tmp_path, settings={"sessionGraceSeconds": 3}).sessions.session_grace_ms == 3000

    def test_members_of_others_are_ignored(self, tmp_path: Path) -> None:
        config = configure(tmp_path, settings={"Rooms": [1], "extensionRooms": {}, "autoConnect": True, "x": None})
        assert config == configure(tmp_path)

    def test_a_wrong_value_is_a_mistake_not_a_lax_default(self, tmp_path: Path) -> None:
        (only,) = mistakes(tmp_path, settings={"networkSafe": "perhaps"})
        assert "server_settings.json: networkSafe must be true or false, not 'perhaps'" in only

    @pytest.mark.parametrize("content", ["{", "[]", '"text"', "\0", "[" * 5000])
    def test_an_unparsable_file_is_left_alone_and_reported(self, tmp_path: Path, content: str) -> None:
        config = configure(tmp_path, settings=content)
        assert config.server.port == 4000
        (warning,) = config.warnings
        assert "server_settings.json is not JSON and was left alone" in str(warning)
        assert warning.error_code == 104
        assert (tmp_path / "home" / "settings" / "server_settings.json").read_text("utf-8") == content

    def test_an_unreadable_file_is_a_mistake(self, tmp_path: Path) -> None:
        (tmp_path / "home" / "settings" / "server_settings.json").mkdir(parents=True)
        (only,) = mistakes(tmp_path)
        assert "cannot be read: Is a directory" in only

    def test_every_named_member_has_a_field(self) -> None:
        keys = {(table, key) for table, key, _ in ALL_KEYS}
        assert all(target[:2] in keys for targets in MEMBERS.values() for target in targets)
        assert all(target[:2] in keys for targets in members().values() for target in targets)


class TestToml:
    def test_unknown_keys_and_tables_are_named_with_the_nearest(self, tmp_path: Path) -> None:
        found = mistakes(tmp_path, toml="[server]\nprot = 1\nzzz = 2\n[serve]\nport = 1\n[nothing-like-it]\n")
        assert found == [
            f"{tmp_path}/hub.toml: [server] prot is not a key of newage; did you mean port?",
            f"{tmp_path}/hub.toml: [server] zzz is not a key of newage; remove it (conf/newage.toml shows every key)",
            f"{tmp_path}/hub.toml: [serve] is not a table of newage; did you mean [server]?",
            f"{tmp_path}/hub.toml: [nothing-like-it] is not a table of newage; "
            "remove it (conf/newage.toml shows every key)",
        ]

    def test_a_key_outside_its_table_is_explained(self, tmp_path: Path) -> None:
        assert "did you mean" in mistakes(tmp_path, toml="servr = 1")[0]
        assert "write [server] and its keys below it" in mistakes(tmp_path, toml="server = 1")[0]

    def test_types_are_strict_and_ranges_checked(self, tmp_path: Path) -> None:
        found = mistakes(
            tmp_path, toml='[server]\nport = "4000"\ndemo = 1\nstop_seconds = 60\nbind_address = ["nowhere"]'
        )
        assert len(found) == 4
        assert found[0].endswith(
            "[server] port must be a whole number, not '4000'; correct it or leave it out (default 4000)"
        )
        assert "[server] demo must be true or false, not 1" in found[1]
        assert "[server] stop_seconds must be <= 9: 60" in found[2]
        assert "[server] bind_address must hold IP addresses" in found[3]

    @pytest.mark.parametrize(
        ("text", "problem"), [("[server", "is not TOML"), ("a = 1\na = 2", "is not TOML"), ("\udc80", "is not TOML")]
    )
    def test_broken_toml(self, tmp_path: Path, text: str, problem: str) -> None:
        path = tmp_path / "broken.toml"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(ConfigError, match=problem):
            load(config_file=str(path))

    def test_a_missing_file_names_the_option(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file or directory; give --config the path"):
            load(config_file=str(tmp_path / "none.toml"))


class TestEnvironment:
    def test_long_and_short_names(self, tmp_path: Path) -> None:
        environ = {
            "NEWAGE_PORT": "4005",
            "NEWAGE_BIND_ADDRESS": "127.0.0.1, ::1",
            "NEWAGE_AUTH_NETWORK_SAFE": "false",
            "NEWAGE_ENGINE_PING_INTERVAL_SECONDS": "0.3",
            "NEWAGE_CONFIG": "elsewhere",
            "HOME": "/root",
        }
        config = configure(tmp_path, environ=environ)
        assert config.server.port == 4005
        assert config.server.bind_address == ("127.0.0.1", "::1")
        assert not config.auth.network_safe
        assert config.engine.ping_interval_seconds == 0.3
        assert config.warnings == ()

    def test_unknown_variables_are_only_reported(self, tmp_path: Path) -> None:
        config = configure(tmp_path, environ={"NEWAGE_SERVER_PROT": "1"})
        (warning,) = config.warnings
        assert (
            str(warning) == "environment: NEWAGE_SERVER_PROT is not a key of newage; did you mean NEWAGE_SERVER_PORT?"
        )

    def test_wrong_values(self, tmp_path: Path) -> None:
        (only,) = mistakes(tmp_path, environ={"NEWAGE_PORT": "70000"})
        assert only.startswith("environment: NEWAGE_PORT must be <= 65535: 70000;")


class TestMistakes:
    def test_all_sources_report_at_once(self, tmp_path: Path) -> None:
        found = mistakes(
            tmp_path,
            settings={"debugMode": 7},
            toml="[engine]\nping_interval_seconds = 0\n[log]\nrotate = 1",
            environ={"NEWAGE_DEMO": "maybe"},
            port="abc",
        )
        assert len(found) == 5
        for part in (
            "server_settings.json: debugMode",
            "[engine] ping_interval_seconds",
            "[log] rotate is not",
            "NEWAGE_DEMO",
            "--port must be a whole number, not 'abc'",
        ):
            assert sum(part in line for line in found) == 1, part

    @pytest.mark.parametrize(("table", "key"), [(t, k) for t, k, hint in ALL_KEYS if hint in (int, float)])
    def test_no_number_may_be_negative(self, tmp_path: Path, table: str, key: str) -> None:
        (only,) = mistakes(tmp_path, toml=f"[{table}]\n{key} = -1")
        assert f"[{table}] {key} must be" in only

    @pytest.mark.parametrize(("table", "key", "hint"), ALL_KEYS)
    def test_no_key_takes_a_value_of_another_kind(self, tmp_path: Path, table: str, key: str, hint: Any) -> None:
        (only,) = mistakes(tmp_path, toml=f"[{table}]\n{key} = 1979-05-27")
        assert f"[{table}] {key} must be" in only

    def test_values_that_do_not_fit_together_are_named_together(self) -> None:
        @attrs.frozen
        class Span:
            low: int = 1
            high: int = 9

            def __attrs_post_init__(self) -> None:
                if self.low > self.high:
                    raise ValueError("low exceeds high")

        loader = _Loader()
        assert loader.section("span", Span, {"low": (5, "a: low"), "high": (3, "b: high")}) == Span()
        assert loader.mistakes == ["a: low, b: high: low exceeds high; these values do not fit together"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, True),
        ({"NEWAGE_BIND_ADDRESS": "127.0.0.1,::1,localhost,127.0.0.2"}, True),
        ({"NEWAGE_BIND_ADDRESS": "*"}, False),
        ({"NEWAGE_BIND_ADDRESS": "127.0.0.1,192.168.1.5"}, False),
        ({"NEWAGE_WEB_TRUSTED_PROXIES": "127.0.0.1"}, False),
        ({"NEWAGE_WEB_BEHIND_PROXY": "true"}, False),
        ({"NEWAGE_WEB_TRUSTED_NETWORKS": "10.0.0.0/8"}, True),
        ({"NEWAGE_BIND_ADDRESS": "*", "NEWAGE_AUTH_LOCAL_ADMIN": "true"}, True),
        ({"NEWAGE_AUTH_LOCAL_ADMIN": "false"}, False),
    ],
)
def test_a_hub_that_is_open_to_others_has_no_keyless_administrator_unless_told(
    tmp_path: Path, said: dict[str, str], expected: bool
) -> None:
    """B2: the default of auth.local_admin."""
    environ = {"NEWAGE_HOME": str(tmp_path), **said}
    assert load(environ=environ).auth.local_admin is expected
