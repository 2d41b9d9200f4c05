"""Headless prompts on a real SillyTavern: equal to its own for the same words, with nothing of the chat at the desk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from desk import Desk
from fake_model import FakeModel, Script
from headless_desk import SECRET, STATIC, furnish
from tab import Browser
from tavern import SillyTavern

HISTORY = [
    *(
        {"name": ("Desk", "Robin")[n % 2], "user": n % 2 == 0, "text": f"line {n} " + "lorem ipsum " * 6}
        for n in range(14)
    ),
    {"name": "Desk", "user": True, "text": "tell me of the dragon"},
    {"name": "Robin", "user": False, "text": "which one?"},
    {"name": "Desk", "user": True, "text": "the castle one, Robinword"},
]
FORMATS = {
    "personality_format": "[{{char}}'s personality: {{personality}}]",
    "scenario_format": "[Scn: {{scenario}}]",
    "wi_format": "[Lore: {0}]",
    "new_chat_prompt": "[NEW {{char}}/{{user}}]",
    "new_example_chat_prompt": "",
}
DEPTH_PERSONA = {"persona_description_position": 4, "persona_description_depth": 3, "persona_description_role": 1}
CHAT_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "names": {"oai": {"names_behavior": 1}},
    "content": {"oai": {"names_behavior": 2}},
    "pin": {"power": {"pin_examples": True}},
    "persona at a depth": {"power": DEPTH_PERSONA},
    "no persona": {"power": {"persona_description_position": 9}},
    "tight": {"oai": {"openai_max_context": 900}},
    "tighter": {"oai": {"openai_max_context": 700}},
    "formats": {"oai": FORMATS},
    "no words of the card": {"power": {"prefer_character_prompt": False, "prefer_character_jailbreak": False}},
    "last word is the character's": {"oai": {"send_if_empty": "SENDIFEMPTY"}, "short": True},
}
PRESET = {"sysprompt": {"enabled": True, "content": "SYSPROMPT {{char}}/{{user}}", "post_history": "POST {{char}}"}}
CHATML = {"preset": "ChatML", "power": PRESET}
TEXT_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"power": PRESET},
    "plain, name forced": {"power": {**PRESET, "always_force_name2": True}},
    **{
        name: {"preset": name, "power": PRESET}
        for name in ("ChatML", "Llama 3 Instruct", "Alpaca", "Mistral V7", "Gemma 2", "Metharme")
    },
    "tight": {**CHATML, "max": 800},
    "pin": {**CHATML, "power": {**PRESET, "pin_examples": True}},
    "no system prompt": {**CHATML, "power": {"sysprompt": {"enabled": False}}},
    "persona at a depth": {**CHATML, "power": {**PRESET, **DEPTH_PERSONA}},
    "story at a depth": {
        **CHATML,
        "power": {**PRESET, "context": {"story_string_position": 1, "story_string_depth": 2, "story_string_role": 0}},
    },
    "no examples": {**CHATML, "power": {**PRESET, "strip_examples": True}},
}

# What the tests use in the page: our modules, and settings that are laid over the host's for one prompt.
TOOLS = """async () => {
  const at = (name) => import(`/scripts/extensions/third-party/newage-extension/${name}.js`);
  const names = ['prompt', 'scene', 'chat_completion', 'text_completion', 'tavern'];
  const [prompt, scene, chat, text, module] = await Promise.all(names.map(at));
  const tavern = await module.loadTavern();
  const context = () => SillyTavern.getContext();
  const laid = async ({ oai = {}, power = {}, max }, run) => {
    const { chatCompletionSettings, powerUserSettings } = context();
    const most = $('#max_context').val();
    const before = [structuredClone(chatCompletionSettings), structuredClone(powerUserSettings), most];
    Object.assign(chatCompletionSettings, oai);
    for (const [name, value] of Object.entries(power)) {
      powerUserSettings[name] = value && typeof value === 'object' ? { ...powerUserSettings[name], ...value } : value;
    }
    if (max) $('#max_context').val(max).trigger('input');
    try {
      return await run();
    } finally {
      Object.assign(chatCompletionSettings, before[0]);
      Object.assign(powerUserSettings, before[1]);
      if (max) $('#max_context').val(before[2]).trigger('input');
    }
  };
  window.tools = {
    support: () => prompt.headlessSupport(),
    tavern: ({ settings, history }) => laid(settings, async () => {
      const { chat: open, chatMetadata, eventSource, eventTypes } = context();
      open.length = 0;
      for (const { name, user, text: mes } of history) {
        open.push({ name, is_user: user, is_system: false, mes, send_date: 0, extra: {} });
      }
      delete chatMetadata.variables;
      let found;
      const take = (data) => { found = structuredClone(data.prompt); };
      eventSource.on(eventTypes.GENERATE_AFTER_DATA, take);
      try {
        await context().generate('normal', {}, true);
      } finally {
        eventSource.removeListener(eventTypes.GENERATE_AFTER_DATA, take);
      }
      return found;
    }),
    ours: ({ settings, history, api }) => laid(settings, async () => {
      const lines = history.map(({ name, user, text }) => ({ name, role: user ? 'user' : 'assistant', text }));
      const words = { history: lines, user: 'Desk', task: 'answer' };
      const made = await scene.prepare(tavern, { words, avatar: 'Robin.png', persona: true });
      return api === 'openai' ? chat.chatPrompt(tavern, made, { squash: false }) : text.textPrompt(tavern, made);
    }),
    ask: (asked) => prompt.headless(asked),
    api: (name) => void $('#main_api').val(name).trigger('change'),
    llamacpp: (url) => {
      const settings = context().textCompletionSettings;
      settings.type = 'llamacpp';
      settings.server_urls = { ...settings.server_urls, llamacpp: url };
      context().powerUserSettings.tokenizer = 0;
    },
  };
}"""
# All that is swapped for a visit, as it is and by identity.
REMEMBER = """() => {
  const context = SillyTavern.getContext();
  const { chat, chatMetadata, extensionPrompts, groups, characterId, name1, name2 } = context;
  const { variables } = context.extensionSettings;
  const things = [chat, ...chat, chatMetadata, extensionPrompts, groups, variables.global, setTimeout, clearTimeout];
  const text = JSON.stringify([chat, chatMetadata, groups, variables, characterId, name1, name2]);
  const [before, then] = window.remembered ?? [things, text];
  window.remembered = [things, text];
  return things.length === before.length && things.every((thing, at) => thing === before[at]) && text === then;
}"""


@pytest.fixture(scope="module")
def tavern(shared_model: FakeModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SillyTavern]:
    tavern = SillyTavern(tmp_path_factory.mktemp("headless") / "data", shared_model.url)
    furnish(tavern)
    tavern.add_extension(STATIC)
    yield tavern.start()
    tavern.stop()


@pytest.fixture(scope="module")
def page(tavern: SillyTavern, browser: Browser) -> Iterator[Desk]:
    desk = Desk.sit_down(browser, tavern.url)
    desk.run(TOOLS)
    assert desk.run("() => tools.support()") == {"supported": True, "missing": []}
    yield desk
    desk.close()


def preset(tavern: SillyTavern, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the instruct template and the context template that they name."""
    name = settings.get("preset")
    power = dict(settings.get("power", {}))
    power.setdefault("instruct", {"enabled": False})
    folder = tavern.package / "default" / "content" / "presets"
    template = folder / "context" / f"{name or 'Default'}.json"
    if not template.exists():
        template = folder / "context" / "Default.json"
    power["context"] = {**json.loads(template.read_text("utf-8")), **power.get("context", {})}
    if name:
        instruct = json.loads((folder / "instruct" / f"{name}.json").read_text("utf-8"))
        power["instruct"] = {**instruct, "enabled": True, "macro": True}
    return {**settings, "power": power}


def both(page: Desk, api: str, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """SillyTavern's own prompts with Robin's chat open, and ours with the private one at the desk."""
    page.run("(name) => tools.api(name)", api)
    page.open_chat("Robin")
    own, ours = {}, {}
    for name, one in settings.items():
        given = {"settings": one, "history": HISTORY[:-1] if one.get("short") else HISTORY, "api": api}
        own[name] = page.run("(given) => tools.tavern(given)", given)
    page.context("context.chat.length = 0")
    page.open_chat("Secretary")
    for name, one in settings.items():
        given = {"settings": one, "history": HISTORY[:-1] if one.get("short") else HISTORY, "api": api}
        ours[name] = page.run("(given) => tools.ours(given)", given)
    return {name: (own[name], ours[name]) for name in settings}


def asking(text: str, **more: Any) -> dict[str, Any]:
    request = {"requestId": text, "identity": "web-1", "clientId": "web-1", "message": text, "context": [], **more}
    return {"request": request, "character": "Robin.png"}


ASK = """async (asked) => {
  const texts = [];
  return { ...(await tools.ask({ ...asked, onText: (text) => texts.push(text) })), texts };
}"""


def test_chat_prompts_equal_those_of_sillytavern(page: Desk) -> None:
    for name, (own, ours) in both(page, "openai", CHAT_SETTINGS).items():
        assert ours == own, name
        assert SECRET not in json.dumps(ours), name


def test_text_prompts_equal_those_of_sillytavern(page: Desk, tavern: SillyTavern, shared_model: FakeModel) -> None:
    page.run("(url) => tools.llamacpp(url)", shared_model.url.removesuffix("/v1"))
    settings = {name: preset(tavern, one) for name, one in TEXT_SETTINGS.items()}
    for name, (own, ours) in both(page, "textgenerationwebui", settings).items():
        assert ours == own, name
        assert SECRET not in ours, name


def test_canary_of_open_chat_in_no_headless_prompt(page: Desk, tavern: SillyTavern, model: FakeModel) -> None:
    page.run("(name) => tools.api(name)", "openai")
    page.open_chat("Secretary")
    page.fill("#send_textarea", f"TYPED-{SECRET}")
    file = tavern.user / "chats" / "Secretary" / "Secretary - first.jsonl"
    page.context("context.saveChat()")  # as it writes it: a second after it was opened it may do so by itself
    before = file.read_bytes()
    model.answers(Script(tokens=("One ", "two."), reasoning=("hm",)))
    page.run(REMEMBER)
    found = page.run(ASK, asking("tell me of the dragon", name="Ann"))
    assert (found["text"], found["reasoning"], found["texts"][-1]) == ("One two.", "hm", "One two.")
    assert page.run(REMEMBER)
    [asked] = model.requests
    for word in ("tell me of the dragon", "MAIN Robin writes to Ann.", "LORE-DRAGON", "LORE-ROBINBOOK", "DEPTH-Robin"):
        assert word in asked.words
    for word in (SECRET, "PERSONA", "Secretary", "Desk"):
        assert word not in asked.raw, word
    assert page.run("() => document.querySelector('#send_textarea').value") == f"TYPED-{SECRET}"
    page.context("context.saveChat()")
    assert file.read_bytes() == before


EVIL = "{{setvar::x::1}}{{setglobalvar::x::1}}{{user}}"


def test_macro_in_answer_does_not_run(page: Desk, model: FakeModel) -> None:
    does_nothing(page, model, EVIL)


def test_legacy_angle_macro(page: Desk, model: FakeModel) -> None:
    does_nothing(page, model, "<USER> <bot> <CHAR> <group>")


def does_nothing(page: Desk, model: FakeModel, evil: str) -> None:
    """In a question, a name, an earlier answer; nor by way of a preset that quotes them."""
    page.run("(name) => tools.api(name)", "openai")
    page.open_chat("Secretary")
    page.run(REMEMBER)
    answered = {"isResponse": True, "message": evil, "requestId": "r0"}
    page.run(ASK, asking(f"dragon {evil}", name=evil, context=[answered]))
    assert page.run(REMEMBER)
    [asked] = model.requests
    assert [message["content"] for message in asked.body["messages"] if message["content"].endswith(evil)]
    assert "Desk" not in asked.raw


def test_regex_script_cannot_unbreak(page: Desk, model: FakeModel) -> None:
    page.run("(name) => tools.api(name)", "openai")
    page.open_chat("Secretary")
    script = {
        "id": "1",
        "scriptName": "unbreak",
        "findRegex": "/(\\{)[\\u200b -]*(\\{[^}]*\\}\\})/g",
        "replaceString": "$1$2",
        "trimStrings": [],
        "placement": [1, 2],
        "disabled": False,
        "promptOnly": True,
        "markdownOnly": False,
        "substituteRegex": 0,
    }
    page.context("void (context.extensionSettings.regex = [given])", script)
    try:
        page.run(REMEMBER)
        page.run(ASK, asking("say {-{user}} and {{user}} and {{input}}", name="Ann"))
        assert page.run(REMEMBER)
    finally:
        page.context("void (context.extensionSettings.regex = [])")
    [asked] = model.requests
    assert "say {-{user}} and {{user}} and {{input}}" in asked.words


def test_guest_options_never_reach_custom_url(page: Desk, model: FakeModel) -> None:
    page.run("(name) => tools.api(name)", "openai")
    evil = {"custom_url": "http://127.0.0.1:9/v1", "reverse_proxy": "http://127.0.0.1:9", "secret_id": "x"}
    page.run(ASK, asking("hello", **evil, data={**evil, "options": evil}, temperature=0.25, max_tokens=7))
    [asked] = model.requests  # so it went where the host says
    assert (asked.body["temperature"], asked.body["max_tokens"]) == (0.25, 7)
    assert "127.0.0.1:9" not in asked.raw


def test_two_at_once_beside_an_answer_in_the_chat(page: Desk, model: FakeModel) -> None:
    page.run("(name) => tools.api(name)", "openai")
    page.open_chat("Secretary")
    for word in ("first", "second", "desk"):
        model.answers(Script(tokens=(f"{word} ", "answer"), held_after=1), to=f"{word} question")
    page.say("desk question")
    page.run(
        "(all) => { window.running = all.map((asked) => tools.ask(asked)); }",
        [asking("first question"), asking("second question")],
    )
    model.wait(lambda asked: sum(one.sent for one in asked) == 3, "three answers at once")
    model.release()
    found = page.run("async () => (await Promise.all(window.running)).map(({ text }) => text)")
    assert found == ["first answer", "second answer"]
    page.wait_text("desk answer")
    headless = [one for one in model.requests if "desk question" not in one.words]
    assert len(headless) == 2
    assert all(SECRET not in one.raw for one in headless)
