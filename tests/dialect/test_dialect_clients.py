"""Who is connected, and keys, on the wire (contract 3.2, 3.6)."""

from __future__ import annotations

from attrs import evolve

from newage.dialect import clients
from newage.domain.model import KeyRecord, Rank, Session
from newage.errors import NotAuthorised

WEB = Session(client_id="web1", identity="web1-a", client_type="web-app", desc="d", html="<b>")
EXTENSION = Session(client_id="SillyTavern-1", identity="SillyTavern-1", client_type="SillyTavern", desc="e")


def test_client_info_suits_every_reader() -> None:
    session = Session(
        client_id="web1", identity="web1-a", client_type="web-app", desc="d", html="<b>", connected_at=1.5
    )
    assert clients.info(session) == {
        "id": "web1",
        "clientId": "web1",
        "identity": "web1-a",
        "clientType": "web-app",
        "desc": "d",
        "description": "d",
        "clientDesc": "d",
        "html": "<b>",
        "clientHTML": "<b>",
        "connectedAt": "1970-01-01T00:00:01.500Z",
    }


def test_a_long_list_goes_without_html() -> None:
    assert [each["html"] for each in clients.infos([WEB, EXTENSION], 12)] == ["<b>", ""]
    found = clients.infos([WEB, EXTENSION], 11)
    assert [(each["html"], each["clientHTML"]) for each in found] == [("", "")] * 2
    assert found[0]["desc"] == "d"


def test_extensions_hear_of_those_that_are_none() -> None:
    everybody = clients.infos([WEB, EXTENSION], 1000)
    event = clients.connected(everybody, "/clients")
    assert (event.name, event.body, event.namespaces) == (
        "UPDATE_CONNECTED_CLIENTS",
        {"clients": everybody},
        ("/clients",),
    )
    theirs = clients.connected_to_extensions(everybody)
    others = [everybody[0]]
    assert theirs.body == {"clients": others, "nonSillyTavernClients": others}
    assert (theirs.name, theirs.namespaces) == ("CONNECTED_CLIENTS_UPDATE", ("/clients", "/auth"))
    assert clients.list_ack(everybody) == {"clients": everybody}


def test_extensions_are_named_for_every_reader() -> None:
    identities = ["SillyTavern-1"]
    assert clients.extensions_ack([EXTENSION]) == {
        "extensions": identities,
        "allTheSTSocket": identities,
        "details": [{"identity": "SillyTavern-1", "clientId": "SillyTavern-1", "desc": "e"}],
    }
    assert clients.extensions_ack([]) == {"extensions": [], "allTheSTSocket": [], "details": []}


def test_keys() -> None:
    assert clients.keys_ack({"a": "hash", "b": clients.HIDDEN}) == {
        "keys": {"a": {"key": "hash", "rooms": []}, "b": {"key": "***", "rooms": []}}
    }
    assert clients.key_ack("a", None) == {"key": None, "clientId": "a"}
    assert clients.disconnected_ack(2) == {"sockets": 2}


def test_keys_that_were_removed_and_what_is_left_of_their_making() -> None:
    made = [
        KeyRecord(client_id=who, hash="h", created_at=0.0, key_id=f"k{who}", name="n", rank=Rank.CLIENT) for who in "bc"
    ]
    assert clients.removed_ack("a", (), 1) == {"clientId": "a"}
    told = {"clientId": "b", "keyId": "kb", "name": "n", "rank": "client", "madeAt": "1970-01-01T00:00:00.000Z"}
    assert clients.removed_ack("a", made, 1) == {"clientId": "a", "made": [told], "more": 1}


def test_a_new_key_comes_under_both_names() -> None:
    events = clients.assigned("web1", "secret")
    assert [event.name for event in events] == ["CLIENT_KEY_ASSIGNED", "GET_CLIENT_KEY"]
    body = {"status": "ok", "success": True, "clientId": "web1", "key": "secret", "Key": "secret", "message": ""}
    assert [event.body for event in events] == [body, body]
    refused = clients.not_assigned(NotAuthorised("Unauthorized", hint="what to do"))
    assert (refused.name, refused.body["hint"], refused.body["success"]) == (
        "CLIENT_KEY_ASSIGNED",
        "what to do",
        False,
    )


def test_a_name_is_shown_where_one_was_declared() -> None:
    session = Session(client_id="ann", identity="ann-1")
    assert "name" not in clients.info(session)
    assert clients.info(evolve(session, name="Ann")) == {**clients.info(session), "name": "Ann"}
