"""A restart loses no question and asks none twice (contract 5.3, A35; R8), with real clients and a real SIGKILL."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from expect import of_request, wait_status
from harness import Daemon, Driver, Hub, request

RESTARTED = "The server was restarted."


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=lambda sign: sign.name)
def test_amendment_35_open_requests_outlive_the_hub(
    make_daemon: Callable[..., Daemon], driver: Driver, sign: signal.Signals
) -> None:
    daemon = make_daemon()
    hub = Hub(daemon, driver)
    extension = hub.extension("8000", kind="silent").start_quickly()
    web = hub.client("web1", auth={"streamMode": "plain"})
    states = [web.call("LLM_REQUEST", request(f"r{n}", "SillyTavern-8000", f"text {n}"))["state"] for n in range(4)]
    assert states == ["forwarded", "queued", "queued", "queued"]
    extension.llm.wait("LLM_REQUEST")
    if sign is signal.SIGKILL:
        daemon.kill()
    else:
        daemon.stop(sign)
    driver.reset()

    hub = Hub(daemon.start(), driver)
    extension = hub.extension("8000", kind="message", text="late, but here").start_quickly()
    web = hub.client("web1", auth={"streamMode": "plain"})
    error = web.payload("ERROR")
    assert (error["message"], error["requestId"]) == (RESTARTED, "r0")
    assert wait_status(web, "r0", "failed")["message"] == RESTARTED
    wait_status(web, "r3", "completed")
    asked = [each.args[0]["requestId"] for each in extension.llm.all("LLM_REQUEST")]
    assert list(dict.fromkeys(asked)) == ["r1", "r2", "r3"]
    assert len(web.all("ERROR")) == 1
    assert web.call("LLM_REQUEST", request("r0", "SillyTavern-8000", "text 0", requestType="regenerateMessage"))
    assert web.payload("message", of_request("r0"))["data"] == "late, but here"
    history = web.call("GET_OFFLINE_MESSAGES", {"since": 0})["messages"]
    said = [message["message"] for message in history if message["fromClient"]]
    assert said == [f"text {n}" for n in range(4)]
