"""Contract 13, scenarios 6-15: the reference extension finds everything it needs, in the order it asks for it."""

from __future__ import annotations

import re

import pytest
from answering import of_its_socket
from harness import ALL_TRANSPORTS, DriverError, Hub, request
from homes import STRICT_CLIENTS, STRICT_EXTENSIONS

pytestmark = of_its_socket("how it starts, and its other namespaces")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MAIN_SOCKETS = ("llm", "auth", "function_call", "clients", "clients2")


def test_scenario_06_the_full_start_sequence_without_settings_file(hub: Hub) -> None:
    extension = hub.extension()
    learnt = extension.start()
    assert learnt["status"] == "ok"
    assert isinstance(learnt["key"], str)
    assert UUID.fullmatch(learnt["key"])
    for label in MAIN_SOCKETS:
        getattr(extension, label).wait("@connect")
        assert not getattr(extension, label).all("ERROR"), label
    assert learnt["settings"]["success"] is True
    assert learnt["settings"]["result"]["success"] is False  # there is no such file, and no path is told
    assert learnt["settings"]["result"]["error"]["code"] == "ENOENT"
    assert "/" not in learnt["settings"]["result"]["error"]["message"]
    assert learnt["settings"]["result"]["result"] == {}
    assert not extension.all("@failed")


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_06_on_every_transport(hub: Hub, transports: tuple[str, ...]) -> None:
    extension = hub.extension(transports=transports)
    assert extension.start()["status"] == "ok"
    extension.llm.fence()


def test_scenario_07_the_network_safe_checkbox_is_filled(hub: Hub) -> None:
    learnt = hub.extension().start()
    assert learnt["networkSafe"] is True


def test_scenario_08_a_second_tab_gets_a_key_of_its_own(strict_hub: Hub) -> None:
    port = STRICT_EXTENSIONS[0].removeprefix("SillyTavern-")
    first, second = strict_hub.extension(port), strict_hub.extension(port)
    one, two = first.start(), second.start()
    assert (one["status"], two["status"]) == ("ok", "warning")
    assert one["key"] != two["key"]
    identify = second.sillytavern
    identify.wait("@disconnect")
    for key in (one["key"], two["key"]):
        auth = {"clientType": "SillyTavern", "clientId": STRICT_EXTENSIONS[0], "key": key}
        again = strict_hub.open("/llm", auth).connected()
        again.fence()
        assert not again.all("ERROR")


def test_scenario_08_the_warning_has_the_exact_text(hub: Hub) -> None:
    extension = hub.extension()
    extension.start()
    auth = {"clientType": "SillyTavern", "clientId": extension.client_id, "key": "getKey"}
    tab = hub.open("/sillytavern", auth).connected()
    reply = tab.call("IDENTIFY_SILLYTAVERN", {"clientId": extension.client_id})
    assert (reply["status"], reply["success"]) == ("warning", True)
    assert reply["message"] == "SillyTavern already connected."
    assert UUID.fullmatch(reply["key"])


def test_scenario_09_the_start_up_queries_are_acked_with_what_the_extension_renders(hub: Hub) -> None:
    me = hub.client(hub.new_id(), "/auth", auth={"desc": "nine"})
    learnt = hub.extension().start()
    keys, clients = learnt["keys"], learnt["clients"]
    assert (keys["status"], keys["success"]) == ("ok", True)
    assert all(record["key"] == "***" and record["rooms"] == [] for record in keys["keys"].values())
    assert (clients["status"], clients["success"]) == ("ok", True)
    assert all(isinstance(entry["id"], str) and isinstance(entry["description"], str) for entry in clients["clients"])
    assert all("key" not in entry for entry in clients["clients"])
    mine = [entry for entry in clients["clients"] if entry["description"] == "nine"]
    assert [entry["clientDesc"] for entry in mine] == ["nine"], me.records


def test_scenario_09_the_queries_are_acked_within_a_second(hub: Hub) -> None:
    """Once in several times, where others have the machine."""
    extension = hub.extension()
    extension.start()

    def acked() -> bool:
        pending = [
            extension.clients.post_call("GET_ALL_CLIENT_KEYS", {}, timeout=1.0),
            extension.clients2.post_call("UPDATE_CONNECTED_CLIENTS", {}, timeout=1.0),
        ]
        try:
            replies = [hub.driver.result(number)[0] for number in pending]
        except DriverError:
            return False
        assert [reply["status"] for reply in replies] == ["ok", "ok"]
        return True

    assert any(acked() for _ in range(5))


def test_scenario_09_extensions_hear_of_clients_that_come(hub: Hub) -> None:
    extension = hub.extension()
    extension.start()
    me = hub.new_id()
    hub.client(me, "/llm", auth={"desc": "newcomer"})
    names = extension.clients.payload(
        "CONNECTED_CLIENTS_UPDATE", lambda update: any(entry["id"] == me for entry in update["clients"])
    )
    assert names["nonSillyTavernClients"] == names["clients"]
    assert all(not entry["id"].startswith("SillyTavern") for entry in names["clients"])
    extension.clients2.wait("UPDATE_CONNECTED_CLIENTS", lambda update: any(e["id"] == me for e in update["clients"]))


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_10_the_test_button_answers_that_socket_only(hub: Hub, transports: tuple[str, ...]) -> None:
    extension = hub.extension(transports=transports)
    extension.start()
    tab = hub.extension(extension.client_id.removeprefix("SillyTavern-")).start_quickly()
    question = {"type": 0, "data": "Connection active?", "source": "client", "requestId": "r10", "outputId": "o10"}
    extension.llm.emit("message", question)
    reply = extension.llm.payload("message")
    assert reply["outputId"] != "o10"
    del reply["outputId"]
    assert reply == {"type": 0, "data": "Yes,connection is fine.", "source": "server", "requestId": "r10"}
    tab.llm.fence()
    assert len(tab.llm.all("message")) == 1  # only the fence's


def test_scenario_13_a_null_event_after_a_loss_is_ignored(hub: Hub) -> None:
    extension = hub.extension(back_after=100)  # long before it leaves
    extension.start()
    llm = extension.llm
    llm.engine.wait("@upgrade")  # the loss is that of a WebSocket
    llm.kill_transport()
    llm.wait("@connect", count=2)
    extension.wait("@null-event", count=2)
    llm.fence()  # the server still listens to this socket
    llm.wait("@disconnect", lambda reason: reason == "io client disconnect")  # its own, 3.6 s after the loss
    assert [record.first for record in llm.all("@disconnect")] == ["transport close", "io client disconnect"]
    assert len(llm.all("@connect")) == 2
    assert len(llm.engine.all("@open")) == 2


def test_scenario_13_odd_event_names_on_a_live_socket(hub: Hub) -> None:
    client = hub.client(hub.new_id())
    names: tuple[object, ...] = (None, 17, {"a": 1}, [], True)
    for name in names:
        client.emit(name, {"reason": "client_side_cleanup"})
    client.emit("NO_SUCH_EVENT", {"x": 1})
    client.emit("CLIENT_DISCONNETED", {"x": 1})
    client.fence()
    assert [record.event for record in client.records] == ["@connect", "message"]


def test_scenario_14_without_its_llm_socket_an_extension_is_not_available(hub: Hub) -> None:
    extension = hub.extension()
    extension.start()
    web = hub.client(hub.new_id(), "/auth")
    assert extension.client_id in web.call("GET_SILLYTAVERN_EXTENSION", {}).get("extensions", [])
    extension.llm.disconnect()
    extension.auth.call("GET_SILLYTAVERN_EXTENSION", {})  # comes after the DISCONNECT on the same engine
    assert extension.client_id not in web.call("GET_SILLYTAVERN_EXTENSION", {})["extensions"]
    for label in ("auth", "clients", "clients2", "function_call"):
        assert not getattr(extension, label).all("@disconnect"), label


def test_scenario_14_a_request_to_it_fails(hasty_hub: Hub) -> None:
    """It may be back in seconds: after its grace."""
    extension = hasty_hub.extension()
    extension.start()
    extension.llm.disconnect()
    extension.auth.call("GET_SILLYTAVERN_EXTENSION", {})
    web = hasty_hub.client(hasty_hub.new_id())
    web.call("LLM_REQUEST", request("r14", extension.client_id))
    error = web.payload("ERROR")
    assert (error["message"], error["errorCode"]) == (f"Target client not found: {extension.client_id}", 401)
    reply = web.call("LLM_REQUEST", request("r14b", extension.client_id))
    assert (reply["status"], reply["message"]) == ("error", error["message"])


def test_scenario_15_leaving_sillytavern_after_identify_changes_nothing(hub: Hub) -> None:
    extension = hub.extension()
    extension.start()
    extension.sillytavern.wait("@disconnect", lambda reason: reason == "io client disconnect")
    web = hub.client(hub.new_id(), "/auth")
    reply = web.call("GET_SILLYTAVERN_EXTENSION", {})
    assert (reply["status"], reply["success"]) == ("ok", True)
    assert extension.client_id in reply["extensions"]
    assert reply["allTheSTSocket"] == reply["extensions"]
    details = [entry for entry in reply["details"] if entry["identity"] == extension.client_id]
    assert len(details) == 1
    assert details[0]["clientId"] == extension.client_id
    assert extension.client_id.removeprefix("SillyTavern-") in details[0]["desc"]


def test_identify_refuses_another_id(hub: Hub) -> None:
    extension = hub.extension()
    auth = {"clientType": "SillyTavern", "clientId": extension.client_id, "key": "getKey"}
    tab = hub.open("/sillytavern", auth).connected()
    reply = tab.call("IDENTIFY_SILLYTAVERN", {"clientId": STRICT_CLIENTS[0]})
    assert (reply["status"], reply["message"], reply["errorCode"]) == ("error", "Unauthorized", 6)
