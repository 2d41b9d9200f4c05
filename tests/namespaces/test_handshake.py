"""What a peer says of itself: aliases, limits, strange values (contract 1.8)."""

from __future__ import annotations

from typing import Any

import pytest

from newage.domain.model import Kind
from newage.errors import AuthenticationFailed, InvalidRequest
from newage.namespaces.handshake import parse_handshake
from newage.protocol.socket_packet import UNREAD_AUTH
from newage.services.accounts.limits import AuthSettings


class TestParsing:
    def test_everything(self) -> None:
        request = parse_handshake(
            {
                "clientId": "web1",
                "identity": "web1-a",
                "clientType": "web-app",
                "key": "k",
                "password": "p",
                "desc": "d",
                "clientHTML": "<b>",
                "streamMode": "plain",
                "sync": "incremental",
                "outputs": True,
                "capacity": 4,
                "features": ["accept", "cancel", 7, "x" * 33],
                "exclusive": True,
                "instance": "page-1",
                "unknown": 1,
            },
            AuthSettings(),
        )
        assert (request.client_id, request.identity, request.client_type) == ("web1", "web1-a", "web-app")
        assert (request.key, request.password, request.desc, request.html) == ("k", "p", "d", "<b>")
        assert (request.stream_mode, request.incremental, request.outputs) == ("plain", True, True)
        assert request.capacity == 4
        assert request.features == {"accept", "cancel"}
        assert (request.exclusive, request.instance) == (True, "page-1")

    @pytest.mark.parametrize("capacity", [None, 0, -1, 17, 1.0, True, "4", [], {}])
    def test_a_strange_capacity_is_none(self, capacity: object) -> None:
        assert parse_handshake({"clientId": "a", "capacity": capacity}, AuthSettings()).capacity == 0

    @pytest.mark.parametrize("features", [None, "accept", {}, 7, [[]], ["x" * 33], [f"x{n}" for n in range(99)]])
    def test_features_are_short_names_and_not_many(self, features: object) -> None:
        kept = parse_handshake({"clientId": "a", "features": features}, AuthSettings()).features
        assert len(kept) <= 32
        assert all(len(name) <= 32 for name in kept)

    @pytest.mark.parametrize("value", [None, False, 1, "true", [], {}])
    def test_only_true_is_exclusive_and_only_a_text_is_an_instance(self, value: object) -> None:
        request = parse_handshake({"clientId": "a", "exclusive": value, "instance": [value]}, AuthSettings())
        assert (request.exclusive, request.instance) == (False, "")

    @pytest.mark.parametrize("outputs", [None, False, 1, "true", [], {}])
    def test_only_true_says_that_it_follows_outputs(self, outputs: object) -> None:
        assert not parse_handshake({"clientId": "a", "outputs": outputs}, AuthSettings()).outputs

    def test_what_is_too_large_to_be_read(self) -> None:
        with pytest.raises(InvalidRequest, match=r"^Invalid request data\.$"):
            parse_handshake(UNREAD_AUTH, AuthSettings())

    def test_defaults(self) -> None:
        request = parse_handshake({"clientId": "web1", "identity": None}, AuthSettings())
        assert (request.identity, request.client_type, request.kind) == ("web1", "client", Kind.CLIENT)
        assert (request.key, request.password, request.desc, request.html) == (None, "", "", "")
        assert (request.stream_mode, request.incremental, request.outputs) == ("", False, False)
        assert (request.capacity, request.features) == (0, frozenset())
        assert not request.presents_key
        assert not request.wants_key

    @pytest.mark.parametrize(
        "payload", [None, [], "web1", 7, {}, {"clientId": None}, {"clientId": 7}, {"clientId": "a/b"}]
    )
    def test_without_a_client_id(self, payload: object) -> None:
        with pytest.raises(AuthenticationFailed, match=r"^Invalid client id\.$"):
            parse_handshake(payload, AuthSettings())

    @pytest.mark.parametrize(
        ("payload", "desc", "html"),
        [
            ({"Desc": "a", "clienthtml": "b"}, "a", "b"),
            ({"description": "a", "html": "b"}, "a", "b"),
            (
                {"desc": "1", "Desc": "2", "description": "3", "clientHTML": "1", "clienthtml": "2", "html": "3"},
                "1",
                "1",
            ),
            ({"desc": 7, "clientHTML": {}}, "", ""),
            ({"desc": "x" * 99, "html": "y" * 99}, "x" * 5, "y" * 6),
        ],
    )
    def test_aliases_and_limits(self, payload: dict[str, Any], desc: str, html: str) -> None:
        request = parse_handshake({"clientId": "a", **payload}, AuthSettings(max_desc_chars=5, max_html_chars=6))
        assert (request.desc, request.html) == (desc, html)

    @pytest.mark.parametrize("claim", [None, "", 7, {}, "x" * 65])
    def test_a_strange_type_is_a_client(self, claim: object) -> None:
        assert parse_handshake({"clientId": "a", "clientType": claim}, AuthSettings()).client_type == "client"

    @pytest.mark.parametrize("mode", ["SS", "", None, [], {}, 1])
    def test_a_strange_stream_mode_is_none(self, mode: object) -> None:
        assert parse_handshake({"clientId": "a", "streamMode": mode}, AuthSettings()).stream_mode == ""


@pytest.mark.parametrize("name", ["Ann", "Zoë Ångström", "a" * 64, "O'Brien (she)", "山田太郎"])
def test_a_person_has_a_name(name: str) -> None:
    assert parse_handshake({"clientId": "a", "name": name}, AuthSettings()).name == name


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        7,
        ["Ann"],
        "a" * 65,
        " Ann",
        "Ann ",
        "An\u200bn",
        "Ann\n",
        "\u202eAnn",
        "A\ud800",
        "Zoe\u0308",
        "\u3164",
    ],
)
def test_what_cannot_be_a_name_is_none_and_keeps_nobody_out(name: object) -> None:
    assert parse_handshake({"clientId": "a", "name": name}, AuthSettings()).name == ""
