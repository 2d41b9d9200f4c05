"""The panel in a real SillyTavern, clicked as its user does: pairing, keys of several hubs, another extension."""

from __future__ import annotations

from asking import ask, asker, end_of, extension_id
from fake_model import FakeModel, Script
from fault_proxy import FaultProxy
from harness import Daemon, Driver, Hub, new_key, operator
from panel import SHOWN, Panel
from tavern import SillyTavern

# As somebody who has just come back: Test is pressed again where the line was not whole yet.
TESTED = """() => {
  const panel = document.getElementById('newage_settings');
  const shown = [...panel.querySelectorAll('.newage-status, .newage-note')].map((one) => one.textContent).join();
  if (shown.includes('The hub answered in')) return true;
  if (!shown.includes('Asking the hub')) {
    [...panel.querySelectorAll('button')].find((one) => one.textContent.trim() === 'Test').click();
  }
  return false;
}"""


def keys_on_disk(tavern: SillyTavern) -> dict[str, str]:
    found: dict[str, str] = tavern.stored_settings()["extension_settings"]["newage"]["keys"]
    return found


def test_a_hub_that_knows_it_not_is_paired_with_in_the_panel(
    panel: Panel, strict: Daemon, tavern: SillyTavern, tavern_line: FaultProxy, driver: Driver, model: FakeModel
) -> None:
    before = set(keys_on_disk(tavern))  # of other tests' hubs, too
    assert tavern_line.url in before
    assert strict.url not in before
    panel.enter("Address", strict.url + "/")
    panel.shows("The hub does not know this SillyTavern.")  # it was shown no key: another hub's is not its own
    pairing = operator(strict, "pair")
    try:
        assert pairing.stdout is not None
        code = pairing.stdout.readline().strip()
        panel.enter("Pairing code", f"{(int(code) + 1) % 10**6:06}")
        panel.press("Pair")
        panel.shows("The pairing code is wrong or too old.")
        panel.enter("Pairing code", code)
        panel.press("Pair")
        panel.shows("Waiting for the yes")
        panel.press("Connect now")  # the code is still good
        panel.shows("Waiting for the yes")
        _, said = pairing.communicate("y\ny\n", timeout=30)  # the line that went may have been asked for, too
        assert pairing.returncode == 0, said
    finally:
        pairing.kill()
        pairing.wait()
    panel.shows("Connected")
    assert set(keys_on_disk(tavern)) == {*before, strict.url}

    panel.reload().shows("Connected")
    model.answers(Script(tokens=("Paired.",)))
    hub = Hub(strict, driver)
    who = hub.client("asker", auth={"outputs": True, "key": new_key(strict, "asker", "--scope", "client")})
    assert end_of(who, ask(who, hub, extension_id(tavern), "Are you there?"))["data"] == "Paired."
    driver.reset()
    panel.enter("Address", tavern_line.url)
    panel.shows("Connected")


def test_an_extension_of_the_same_id_that_declares_nothing_is_not_asked_and_the_panel_says_so(
    panel: Panel, tavern: SillyTavern, tavern_hub: Daemon, driver: Driver, model: FakeModel
) -> None:
    hub, extension = Hub(tavern_hub, driver), extension_id(tavern)
    proof = {"clientType": "SillyTavern", "key": new_key(tavern_hub, extension, "--scope", "extension")}
    others = [hub.client(extension, auth={**proof, **more}) for more in ({}, {"identity": f"{extension}-other"})]
    panel.shows("Another extension with the id of this one is at the hub as well.")
    model.answers(Script(tokens=("Ours.",)))
    who = asker(hub)
    for target in (extension, f"{extension}-other"):
        assert end_of(who, ask(who, hub, target, "Who answers?"))["data"] == "Ours."
    assert [other.payloads("LLM_REQUEST") for other in others] == [[], []]
    driver.reset()
    panel.desk.wait(f"() => !({SHOWN})('Another extension')")


def test_what_is_no_address_and_a_hub_that_is_away_are_said_in_words(panel: Panel, tavern_line: FaultProxy) -> None:
    panel.enter("Address", "javascript:alert(1)")
    panel.shows("This is no address of a hub.")
    panel.enter("Address", "http://127.0.0.1:1")
    panel.shows("The hub is away.")
    panel.enter("Address", tavern_line.url)
    panel.shows("Connected")
    panel.desk.wait(TESTED)
    panel.enter("Address", tavern_line.url + "/")  # another line, of which Test has said nothing
    panel.desk.wait(f"() => !({SHOWN})('The hub answered in') && ({SHOWN})('Connected')")
