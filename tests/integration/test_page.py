"""The page in a real browser, against a started daemon: what somebody who opens it sees (issue 2, section 5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import Daemon, Driver, Hub, free_port
from page_scene import Scene

pytestmark = pytest.mark.integration

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>&lt;b&gt;"
CONFESSION = "no model is involved"
A_LINE = 20  # pixels, less than a line of text: being at the end


def paced(folder: Path, token_interval_ms: int) -> Daemon:
    config = folder / "newage.toml"
    config.write_text(f"[demo]\ntoken_interval_ms = {token_interval_ms}\nfirst_token_ms = 100\n", "utf-8")
    return Daemon(folder / "home", "--demo", "--config", str(config)).start()


@pytest.fixture(scope="module")
def demo_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A hub whose demo speaks faster than usual, so that the tests are sooner over."""
    daemon = paced(tmp_path_factory.mktemp("page"), 15)
    yield daemon
    daemon.stop()


@pytest.fixture
def demo(demo_hub: Daemon) -> Iterator[str]:
    yield demo_hub.url
    demo_hub.check_log()


def test_page_answers_a_typed_question_token_by_token(tmp_path: Path) -> None:
    daemon = paced(tmp_path, 30)  # longer than what a slow browser takes for each frame
    try:
        scene = Scene(daemon.url, "ask", question="Tell me a story about a hub")
    finally:
        daemon.end()
    seen = scene.seen
    assert "demo" in seen["welcome"]
    assert CONFESSION in seen["welcome"]
    assert seen["extensions"] == ["SillyTavern-demo"]
    question, answer = seen["entries"]
    assert (question["kind"], question["text"], question["note"]) == ("mine", "Tell me a story about a hub", "")
    assert (answer["kind"], answer["author"], answer["demo"]) == ("answer", "SillyTavern-demo", True)
    assert "“Tell me a story about a hub”" in answer["text"]
    assert CONFESSION in answer["text"]
    lengths = seen["lengths"]
    assert lengths == sorted(set(lengths)), "the answer only ever grows"
    assert len(lengths) >= 20
    assert lengths[-1] == len(answer["text"].encode("utf-16-le")) // 2
    assert seen["announcedWhileStreaming"] == 0, "a screen reader is not told single tokens"
    assert seen["announced"] == [f"SillyTavern-demo: {answer['text']}"]
    assert seen["room"] == seen["clientId"]
    assert re.fullmatch(r"web-[0-9a-f-]{36}", seen["clientId"])
    assert seen["transport"] == "WebSocket"
    assert seen["input"] == ""
    assert seen["violations"] == []
    assert scene.problems == []


def test_page_is_served_with_a_policy_that_forbids_what_it_does_not_need(demo_hub: Daemon) -> None:
    answer = demo_hub.get("/")
    assert answer.status == 200
    assert answer.headers["content-type"].lower().startswith("text/html")
    directives = dict(
        [*part.strip().split(" ", 1), ""][:2]
        for part in answer.headers["content-security-policy"].split(";")
        if part.strip()
    )
    assert directives["default-src"] in ("'self'", "'none'")
    assert not re.search(r"unsafe|\*|https?:|data:", directives.get("script-src", directives["default-src"]))
    assert "unsafe" not in directives.get("style-src", "")
    for name in re.findall(r'(?:src|href)="([^"#]+)"', answer.body.decode()):
        assert demo_hub.get(f"/{name}").status == 200, name


def test_page_works_by_keyboard_alone(demo: str) -> None:
    scene = Scene(demo, "keyboard")
    seen = scene.seen
    assert seen["first"] == {"name": "input", "visible": True}, "one can type at once"
    names = [stop["name"] for stop in seen["stops"]]
    assert names[0] == "skip"
    assert names[-2:] == ["input", "send"]
    assert {"scroller", "BUTTON"} <= set(names)
    assert [stop for stop in seen["stops"] if not stop["visible"]] == []
    assert seen["cuts"] == [0, 0], "the field is as high as its text"
    assert (seen["draft"], seen["sentByShift"], seen["question"]) == ("one\ntwo", 0, "one\ntwo")
    assert seen["stays"]["name"] == "input"
    assert seen["count"] == 2, "an empty line sends nothing"
    assert (seen["opened"], seen["closed"]) == (True, True)
    assert seen["back"] == {"name": "panel-toggle", "visible": True}
    assert scene.problems == []


def test_page_fits_a_phone_and_is_readable_in_both_themes(demo: str) -> None:
    scene = Scene(demo, "phone", question="w" * 400)
    for theme in scene.seen.values():
        assert all(content <= window == 360 for content, window in theme["sizes"])
        assert min(theme["send"]["width"], theme["send"]["height"]) >= 40
        assert theme["violations"] == []
        colours = theme["colours"]
        for ink, ground in [
            ("ink", "ground"),
            ("ink", "bubble"),
            ("time", "ground"),
            ("faint", "panel"),
            ("badge", "badgeGround"),
        ]:
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    light, dark = (luminance(scene.seen[theme]["colours"]["ground"]) for theme in ("light", "dark"))
    assert light > 0.8
    assert dark < 0.05
    assert scene.problems == []


def test_page_shows_markup_as_the_text_it_is(demo: str) -> None:
    scene = Scene(demo, "hostile", question=HOSTILE)
    seen = scene.seen
    assert seen["before"][0]["text"] == HOSTILE
    assert HOSTILE in seen["before"][1]["text"]
    assert seen["after"] == seen["before"]
    assert all(entry["elements"] == 0 for entry in seen["before"] + seen["after"])
    assert seen["title"] == "newage"
    assert seen["violations"] == []
    assert scene.problems == []


def test_page_shows_history_after_a_reload(demo: str) -> None:
    scene = Scene(demo, "reload", questions=["Hello there", "What is newage?"])
    seen = scene.seen
    assert [entry["kind"] for entry in seen["before"]] == ["mine", "answer"] * 2
    assert seen["after"] == seen["before"]
    assert seen["welcome"] is False
    assert scene.problems == []


def test_page_leaves_a_reader_who_scrolled_up_alone(tmp_path: Path) -> None:
    daemon = paced(tmp_path, 60)  # time to do things while the answer grows
    try:
        scene = Scene(daemon.url, "scroll", questions=["Hello there", "Tell me a story, please"])
    finally:
        daemon.end()
    seen = scene.seen
    assert seen["followed"] < A_LINE
    assert seen["still"] == 0
    assert seen["caughtUp"] < A_LINE
    assert seen["atEnd"] < A_LINE
    assert seen["newest"] is False
    assert seen["focus"]["name"] == "scroller", "the button is gone, the focus is not"
    assert scene.problems == []


def test_page_of_a_hub_without_extensions_says_how_to_connect_one(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    daemon = make_daemon("--ephemeral")
    hub = Hub(daemon, driver)
    extension = hub.extension("8123").answers("docs", chunks=["Now ", "I ", "am ", "here", "."])
    scene = Scene(daemon.url, "alone", extension.start, question="Anybody?")
    seen = scene.seen
    assert f"enter {daemon.url}/newage-extension under Extensions > Install extension;" in seen["guide"]
    assert f"enter {daemon.url} as its Address." in seen["guide"]
    assert "--demo" in seen["guide"]
    (failed,) = seen["failed"]
    assert (failed["text"], failed["note"]) == ("Anybody?", "No connected SillyTavern extensions.")
    assert seen["extensions"] == ["SillyTavern-8123"]
    assert seen["guideGone"] is True
    assert [(entry["kind"], entry["text"], entry["demo"]) for entry in seen["entries"]] == [
        ("mine", "Anybody?", False),
        ("answer", "Now I am here.", False),
    ]
    assert seen["after"] == seen["entries"], "asked again is still one question, after a reload too"
    assert seen["violations"] == []
    assert scene.problems == []


def test_page_survives_a_restart_of_the_hub(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home", "--demo", port=free_port()).start()
    try:
        scene = Scene(daemon.url, "restart", daemon.stop, daemon.start, questions=["Hello there", "Still there?"])
    finally:
        daemon.end()
    seen = scene.seen
    assert seen["away"] == "Reconnecting…"
    assert "Not connected" in seen["notice"]
    assert seen["kept"] == "Still there?"
    assert seen["noticeGone"] is True
    assert [entry["kind"] for entry in seen["entries"]] == ["mine", "answer"] * 2
    assert [entry["text"] for entry in seen["entries"][::2]] == ["Hello there", "Still there?"]
    gone, back = scene.problems.index("--- the hub goes"), scene.problems.index("--- the hub is back")
    assert (gone, back) == (0, len(scene.problems) - 1), "complaints only while the hub is away"


def test_page_of_a_strict_hub_asks_for_a_key(strict_daemon: Daemon) -> None:
    scene = Scene(strict_daemon.url, "gate", wrong="not-the-key")
    seen = scene.seen
    assert seen["first"] == "It said: Client is not trusted."
    assert seen["focused"] == {"name": "key", "visible": True}
    assert seen["again"].startswith("It said: ")
    assert seen["id"].startswith("web-")
    assert f"newage keys new {seen['id']}" in seen["gate"]
    assert (seen["composer"], seen["shownKey"]) == (False, "")
    assert scene.problems == []


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
