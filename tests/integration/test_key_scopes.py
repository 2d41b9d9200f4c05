"""Keys of one scope each, in use at a started hub that wants proof of everybody (B7): what else they are shown for is
refused in words, and who loses one in the middle of something is put out of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Daemon, Driver, Hub, new_key, operator, request

PERSON, EXTENSION, BOT, HOOK, BOSS = "person", "SillyTavern-8123", "bot", "hook", "boss"
IDS = {"client": PERSON, "extension": EXTENSION, "api": BOT, "webhook": HOOK, "admin": BOSS}
TYPES = {"client": "web-app", "extension": "SillyTavern", "admin": "monitor"}
# As what a key of a scope comes in; for all else it is refused.
OPENS = {
    "client": {("client", "/llm"), ("client", "/rooms"), ("client", "/clients"), ("client", "/function_call")},
    "extension": {("extension", namespace) for namespace in ("/llm", "/clients", "/function_call", "/sillytavern")},
    "api": set(),
    "webhook": set(),
}
# Something that is answered there.
ASKS = {
    "/llm": ("GET_QUEUE", {"roomName": "nowhere"}),
    "/rooms": ("GET_ROOMS", {}),
    "/clients": ("GET_CLIENT_LIST", {}),
    "/function_call": ("FUNCTION_CALL", {}),
    "/sillytavern": ("CLIENT_SETTINGS", {}),
}
NAMESPACES = ("/llm", "/rooms", "/clients", "/function_call", "/sillytavern", "/debug")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("strict")
    # Whoever is put out may come back with another key, and would go on with his answer.
    settings = "[auth]\nnetwork_safe = false\n[sessions]\nextension_resume_grace_ms = 500\n"
    (folder / "strict.toml").write_text(settings, "utf-8")
    with Daemon(folder / "home", "--config", str(folder / "strict.toml")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def keys(strict: Daemon) -> dict[str, str]:
    return {scope: new_key(strict, name, "--scope", scope) for scope, name in IDS.items()}


def test_a_key_opens_what_its_scope_says_and_nothing_else(strict: Daemon, keys: dict[str, str], driver: Driver) -> None:
    hub = Hub(strict, driver)
    for scope, opens in OPENS.items():
        for kind, client_type in TYPES.items():
            for namespace in NAMESPACES:
                who = {"clientId": IDS[scope], "clientType": client_type, "key": keys[scope]}
                socket = hub.open(namespace, who)
                if (kind, namespace) in opens:
                    assert socket.connected().call(*ASKS[namespace])["status"], (scope, kind, namespace)
                else:
                    refused = socket.refusal()["message"]
                    assert refused in ("Unauthorized", "Invalid key."), (scope, kind, namespace)
    driver.reset()


def test_a_key_of_scope_api_opens_no_namespace_at_all(strict: Daemon, keys: dict[str, str], driver: Driver) -> None:
    hub = Hub(strict, driver)
    for client_type in TYPES.values():
        for namespace in ("/", "/auth", *NAMESPACES):
            socket = hub.open(namespace, {"clientId": BOT, "clientType": client_type, "key": keys["api"]})
            assert socket.refusal()["message"] in ("Unauthorized", "Invalid key."), (client_type, namespace)
    driver.reset()


def test_a_key_is_good_for_nobody_else(strict: Daemon, keys: dict[str, str], driver: Driver) -> None:
    hub = Hub(strict, driver)
    for scope, kind in (("client", "extension"), ("extension", "client"), ("api", "client"), ("client", "admin")):
        who = {"clientId": IDS[kind], "clientType": TYPES[kind], "key": keys[scope]}
        assert hub.open("/llm", who).refusal()["message"] == "Invalid key.", (scope, kind)
    driver.reset()


def test_an_extension_whose_key_is_revoked_in_mid_answer_is_told_and_who_asked_hears_it(
    strict: Daemon, keys: dict[str, str], driver: Driver
) -> None:
    hub = Hub(strict, driver)
    ours = {"clientType": "SillyTavern", "features": ["resume"], "capacity": 2, "key": keys["extension"]}
    extension = hub.client(EXTENSION, auth=ours)
    who = hub.client(PERSON, auth={"outputs": True, "key": keys["client"]})
    asked = hub.new_id("r")
    assert who.call("LLM_REQUEST", request(asked, EXTENSION))["status"] == "ok"
    extension.wait("LLM_REQUEST")
    ids = {"streamId": "s", "outputId": "o", "requestId": asked}
    extension.emit("CLIENT_STREAM_START", {"type": 1, **ids})
    extension.emit("CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **ids, "data": "half of it"})
    who.wait("SERVER_STREAM_DATA")
    command = operator(strict, "keys", "revoke", EXTENSION)
    command.communicate(timeout=30)
    assert command.returncode == 0
    told = extension.payload("ERROR")
    assert told["errorCode"] == 5
    extension.wait("@disconnect")
    end = who.payload("SERVER_STREAM_END")
    assert (end["failed"], end["data"]) == (True, "half of it")
    back = hub.open("/llm", {"clientId": EXTENSION, **ours}).refusal()
    assert back["message"] in ("Invalid key.", "Client is not trusted.")
