"""SillyTavern asks its model by chat completion in the tests; by text completion within ``text_completion``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from desk import Desk
from fake_model import FakeModel

TEXT_API = """(url) => {
  const context = SillyTavern.getContext();
  const settings = context.textCompletionSettings;
  Object.assign(settings, { type: 'llamacpp', streaming: true });
  settings.server_urls = { ...settings.server_urls, llamacpp: url };
  context.powerUserSettings.tokenizer = 0;
  $('#main_api').val('textgenerationwebui').trigger('change');
}"""
CONNECTED = "context.onlineStatus !== 'no_connection'"  # before, the desk can ask nothing
CHAT_API = "() => void $('#main_api').val('openai').trigger('change')"


@contextmanager
def text_completion(desk: Desk, model: FakeModel) -> Iterator[None]:
    desk.run(TEXT_API, model.url.removesuffix("/v1"))
    desk.wait_context(CONNECTED)
    try:
        yield
    finally:
        desk.run(CHAT_API)
        desk.wait_context(CONNECTED)
        desk.save_settings()  # SillyTavern's own comes a second later: the next module's tab may load before


CHAT_COMPLETION, TEXT_COMPLETION = "chat completion", "text completion"


def model_api(name: str, desk: Desk, model: FakeModel) -> Any:
    """The context in which the desk has this API."""
    return text_completion(desk, model) if name == TEXT_COMPLETION else nullcontext()
