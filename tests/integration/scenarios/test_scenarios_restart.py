"""Contract 13, scenario 69, and how the daemon ends: what was acknowledged outlives it, and it ends in time."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answering import MODEL_SERVER, STAND_IN, Lasting, both, of_its_socket
from expect import is_response
from harness import Daemon, Driver, Extension, Hub, request, until
from homes import STRICT_CLIENTS, STRICT_EXTENSIONS, write_strict_home, written

WEB, EXTENSION = STRICT_CLIENTS[0], STRICT_EXTENSIONS[0]


def key_of(hub: Hub, client_id: str) -> str:
    socket = hub.open("/auth", {"clientId": client_id, "key": "getKey"}).connected()
    key: str = socket.payload("CLIENT_KEY_ASSIGNED")["key"]
    return key


def connect(hub: Hub, client_id: str, key: str, client_type: str = "web-app") -> Any:
    auth = {"clientType": client_type, "clientId": client_id, "key": key, "streamMode": "plain"}
    return hub.open("/llm", auth).connected()


@of_its_socket("its key")
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=lambda sign: sign.name)
def test_scenario_69_keys_and_history_survive(
    make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path, sign: signal.Signals
) -> None:
    home = tmp_path / "home"
    write_strict_home(home)
    daemon = make_daemon(home=home)
    hub = Hub(daemon, driver)
    extension = hub.extension(EXTENSION.removeprefix("SillyTavern-"), kind="message", text="an answer 😀")
    extension_key = extension.start()["key"]
    web_key = key_of(hub, WEB)
    web = connect(hub, WEB, web_key)
    assert web.call("LLM_REQUEST", request("before", EXTENSION, "a question"))["status"] == "ok"
    response = web.payload("NEW_MESSAGE", is_response)
    if sign is signal.SIGTERM:
        daemon.stop()
    else:
        daemon.kill()
        daemon.check_log()
    assert web.wait("@disconnect").first in ("transport close", "transport error", "io server disconnect")
    driver.reset()

    hub = Hub(daemon.start(), driver)
    again = connect(hub, EXTENSION, extension_key, "SillyTavern")
    web = connect(hub, WEB, web_key)
    assert web.call("LLM_REQUEST", request("after", EXTENSION, "a second question"))["status"] == "ok"
    asked = again.payload("LLM_REQUEST")
    assert [message["message"] for message in asked["context"]] == ["a question", "an answer 😀", "a second question"]
    assert asked["context"][1]["responseId"] == response["responseId"]
    assert [message["seq"] for message in asked["context"]] == sorted({m["seq"] for m in asked["context"]})
    assert not web.all("ERROR")
    assert not again.all("ERROR")


@both("lasting")
def test_scenario_69_an_acknowledged_message_survives_sigkill_at_once(lasting: Lasting) -> None:
    hub = lasting.start()
    extension = hub.extension("8000", kind="silent").start_quickly()
    web = hub.client("web1")
    pending = [web.post_call("LLM_REQUEST", request(f"r{n}", extension.client_id, f"text {n}")) for n in range(20)]
    acked = [hub.driver.result(number)[0] for number in pending[:10]]
    hub.daemon.kill()
    assert {reply["status"] for reply in acked} == {"ok"}
    history = lasting.start().client("web1").call("GET_OFFLINE_MESSAGES", {"since": 0})["messages"]
    texts = [message["message"] for message in history]
    assert texts == [f"text {n}" for n in range(len(texts))], "holes or doubles"
    assert len(texts) >= 10


def test_ephemeral_leaves_nothing(make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path) -> None:
    home = tmp_path / "nothing"
    daemon = make_daemon("--ephemeral", home=home)
    Hub(daemon, driver).client("web1").fence()
    driver.reset()
    daemon.stop()
    assert not home.exists() or not [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("lasting", "sign"),
    [(STAND_IN, signal.SIGTERM), (STAND_IN, signal.SIGINT), (MODEL_SERVER, signal.SIGTERM)],
    indirect=["lasting"],
)
def test_the_daemon_ends_in_time_with_a_stream_running(lasting: Lasting, sign: signal.Signals) -> None:
    hub = lasting.start()
    extension = hub.extension("8000", kind="docs", chunks=["tick "] * 2000, gap=10).start_quickly()
    web = hub.client("web1", auth={"streamMode": "plain"})
    polling = hub.client("web2", transports=("polling",))
    web.call("LLM_REQUEST", request("endless", extension.client_id))
    web.wait("SERVER_STREAM_DATA", count=20)
    assert hub.daemon.stop(sign) < 10
    for socket in (web, polling, *([extension.llm] if isinstance(extension, Extension) else [])):
        assert socket.wait("@disconnect").first in ("io server disconnect", "transport close", "transport error")
    hub = lasting.start()
    extension = hub.extension("8000", kind="silent").start_quickly()
    hub.client("web1").call("LLM_REQUEST", request("next", extension.client_id, "next"))
    asked, partial, now = extension.context_of("next")
    assert (asked, now) == ("hello", "next")
    assert partial.startswith("tick tick ")
    if packet := extension.packet("next"):
        assert [message["failed"] for message in packet["context"] if message.get("isResponse")] == [True]


@both("lasting")
def test_half_an_answer_survives_sigkill(lasting: Lasting) -> None:
    """What there was a second before is a failed answer afterwards, for those who come back and for the model (A35).

    A second, and what the machine's disk takes.
    """
    hub = lasting.start()
    extension = hub.extension("8000", kind="docs", chunks=["tick "] * 2000, gap=10).start_quickly()
    web = hub.client("web1", auth={"streamMode": "plain"})
    web.call("LLM_REQUEST", request("endless", extension.client_id, "go"))
    web.wait("SERVER_STREAM_DATA", count=150)
    until(lambda: written(hub.daemon.home).count("tick ") >= 10, "some of it is written down")
    hub.daemon.kill()
    web = lasting.start().client("web1")
    web.call("GET_FULL_CONTEXT", {"roomName": "web1"})
    page = web.payload("UPDATE_CONTEXT_PAGE")["contextPage"]
    (answer,) = [message for message in page if message.get("isResponse")]
    assert answer["failed"] is True
    assert (answer["requestId"], answer["identity"]) == ("endless", extension.client_id)
    assert 10 <= answer["message"].count("tick ") <= 2000


def test_a_stop_in_the_middle_of_writing_is_no_fault(make_daemon: Callable[..., Daemon], driver: Driver) -> None:
    """Each question is several writes and reads one after the other; the store closes after the last of them."""
    daemon = make_daemon("--demo")
    hub = Hub(daemon, driver)
    talkers = [hub.client(f"web{number}", auth={"streamMode": "plain"}) for number in range(10)]
    pending = [who.post_call("LLM_REQUEST", request(f"r{n}", message=f"text {n}")) for n in range(8) for who in talkers]
    driver.result(pending[20])
    daemon.stop()  # looks at the log
    driver.reset()


def test_no_new_connection_while_ending(make_daemon: Callable[..., Daemon], driver: Driver) -> None:
    daemon = make_daemon("--ephemeral")
    hub = Hub(daemon, driver)
    hub.client("web1").fence()
    daemon.stop()
    late = hub.engine(("polling",))
    hub.open("/llm", {"clientId": "web2"}, engine=late)
    driver.wait(late, lambda records: [r for r in records if r.event == "@error"], 15, "a refused connection")
