"""The examples of clients/js/README.md and docs/javascript.md, run as they stand with the installed package."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from client_package import CLIENT, MODULES
from harness import HERE, Daemon
from snippets import HUB, Stage, snippets
from words import CHAPTER, WORDS, words

from nodekit import node_program

pytestmark = pytest.mark.integration

README = snippets(CLIENT / "README.md")
((NODE, PAGE), (EXTENSION,)) = README.values()
LONGEST = 200  # seconds; a browser may be slow to start
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

ASKED = """
const answer = hub.ask('Tell me a story');
document.title = (await answer.done).text;
"""
LOOK_AT = """
const [path, url, launch] = process.argv.slice(2);
(async () => {
  const browser = await require(launch)(path);
  const page = await browser.newPage();
  page.setDefaultTimeout(30000);
  page.on('pageerror', (error) => console.error(String(error)));
  await page.goto(url);
  await page.waitForFunction(() => document.title.includes('demo'));
  await browser.close();
})().catch((error) => { console.error(error); process.exit(1); });
"""
GENERATED = """
async function* generate(message) {
  for (const end of [4, 8, message.length]) yield message.slice(0, end);
}
"""
ANSWERED = """
const { connect } = await import('newage-client');
await new Promise((up) => me.on('up', up));
const hub = connect('http://localhost:4000', { clientId: 'reader' });
console.log((await hub.ask('as it stands', { target: 'SillyTavern-8000' }).done).text);
hub.close();
me.close();
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("client_readme")
    (folder / "newage.toml").write_text("[demo]\ntoken_interval_ms = 5\nfirst_token_ms = 10\n", "utf-8")
    daemon = Daemon(folder / "home", "--demo", "--config", str(folder / "newage.toml")).start()
    yield daemon
    daemon.stop()


def run(demo: Daemon, folder: Path, name: str, source: str, *arguments: str) -> str:
    (folder / name).write_text(source.replace(HUB, demo.url), "utf-8")
    command = [node_program(), name, *arguments]
    environment = {**os.environ, "NODE_PATH": str(MODULES)}  # for the program that drives the browser
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_node_example_prints_the_answer(demo: Daemon, client_package: Path) -> None:
    assert "demo" in run(demo, client_package, "ask.mjs", NODE)


def test_who_only_asks_needs_half_of_it(demo: Daemon, client_package: Path) -> None:
    lean = NODE.replace("'newage-client'", "'newage-client/connect'").replace("{ clientId", "{ io, clientId")
    source = "import { io } from 'socket.io-client';\n" + lean
    assert "demo" in run(demo, client_package, "lean.mjs", source)


def test_the_example_of_a_page_reads_the_answer_with_what_the_hub_serves(demo: Daemon, client_package: Path) -> None:
    script = PAGE.replace("https://my-hub.example", demo.url) + ASKED
    page = f"<!doctype html><script>const key = '';</script><script type=module>{script}</script>"
    (demo.home / "public" / "page.html").write_text(page, "utf-8")
    browser = next(filter(None, map(which, BROWSERS)))
    run(demo, client_package, "look.cjs", LOOK_AT, browser, f"{demo.url}/public/page.html", str(HERE / "chromium.js"))


def test_the_extension_of_the_example_answers(demo: Daemon, client_package: Path) -> None:
    assert run(demo, client_package, "serve.mjs", EXTENSION + GENERATED + ANSWERED) == "as it stands\n"


HELPERS = """
import { randomUUID } from 'node:crypto';
import { connect } from 'newage-client';
const told = (who, name, when = () => true) => new Promise((resolve) => {
  const forget = who.on(name, (said) => { if (when(said)) { forget(); resolve(said); } });
});
const id = `my-bot-${randomUUID()}`;
"""
START = f"{HELPERS}const hub = connect('{HUB}', {{ clientId: id }});"
END = "hub.close();"
LONG = "and on " * 3000  # longer than any test
ROOM = """
const club = `club-${randomUUID()}`;
"""
HOST = f"""{ROOM}
const host = connect('{HUB}', {{ clientId: 'monitor', type: 'monitor' }});
await host.create(club);
"""
CLUB = f"""{HOST}
await host.ask('Anybody?', {{ room: club }}).done;
await hub.join(club);
"""
CLUBS = ("'club'", "club")
SAY_MISSED = """
console.log(...messages.flatMap(({ seq, message }) => [seq, message]));
console.log(typeof hasMore, nextSince === messages.at(-1).seq);
"""
STAGES = {
    "Who you are": Stage(
        changes=(("const far = ", "const far = hub.far = "),),
        after="console.log(hub.far.state); hub.far.close();",
        shows=("connected",),
    ),
    "Ask, read, stop": Stage(
        changes=(("'Count to a million'", f"'Count to a million {LONG}'"),),
        shows=("You said: Count to ", "cancelled", "25 SillyTavern-words true", "You said: Tell me a story"),
    ),
    "Rooms": Stage(
        before=ROOM,
        changes=(
            CLUBS,
            ("type: 'monitor' });", "type: 'monitor' }); hub.hosts = host;"),
            ("SillyTavern-8000", "SillyTavern-words"),
        ),
        after="""
            const last = told(hub, 'message', ({ text }) => text.startsWith('You said'));
            await hub.hosts.ask('And you?', { room: club }).done;
            await last;
            hub.hosts.close();
        """,
        shows=(
            "monitor master true",
            "SillyTavern-words guest true",
            "guest true",
            " monitor And you?",
            "SillyTavern-words You said: And you?",
        ),
    ),
    "When the question waits": Stage(
        before=f"{CLUB}const waits = told(hub, 'queue');",
        between="await waits;",
        changes=(CLUBS,),
        after="host.close();",
        shows=("queued host 1", " host", "merged"),
    ),
    "When the line is cut": Stage(
        before=f"{CLUB}const lastSeq = 1;",
        # There is more when the word that somebody joined is stored between the two.
        changes=(CLUBS, ("lastSeq });", f"lastSeq }}); {SAY_MISSED}")),
        after="host.close();",
        shows=("2 Anybody? 3 You said: Anybody?", "boolean true"),
    ),
    "When your own program starts again": Stage(
        before=f"""
            const before = connect('{HUB}', {{ clientId: id }});
            const [over, live] = [randomUUID(), randomUUID()];
            await before.ask('This one', {{ requestId: over }}).done;
            for await (const token of before.ask('That one {LONG}', {{ requestId: live }})) break;
            before.close();
            hub = connect('{HUB}', {{ clientId: id }});
            let kept = live;
            hub.ready.then(() => setTimeout(() => hub.stop(live), 500));
        """,
        between="kept = over;",
        shows=("You said: That one and on", "You said: This one"),
    ),
    "History": Stage(
        before=f"{CLUB}await host.ask('Anybody else?', {{ room: club }}).done;",
        changes=(CLUBS,),
        after="host.close();",
        shows=("2 monitor Anybody?", "5 monitor Anybody else?"),
    ),
    "What goes wrong": Stage(before="console.error = console.log;", shows=("401 ",)),
}
WHOLE = ("From nothing", WORDS)  # programs as they stand


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, client_package: Path) -> Iterator[Daemon]:
    """A hub at which the extension of the chapter answers."""
    daemon = Daemon(tmp_path_factory.mktemp("chapter") / "home").start()
    with words(daemon, client_package):
        yield daemon
    daemon.stop()


def test_every_section_of_the_chapter_is_run() -> None:
    assert sorted(CHAPTER) == sorted([*STAGES, *WHOLE])


def test_the_first_program_of_the_chapter(answered: Daemon, client_package: Path) -> None:
    (source,) = CHAPTER["From nothing"]
    assert run(answered, client_package, "bot.js", source) == "You said: Tell me a story"


@pytest.mark.parametrize("section", STAGES)
def test_section_of_the_chapter(answered: Daemon, client_package: Path, section: str) -> None:
    stage = STAGES[section]
    pieces = CHAPTER[section]
    if section == "When your own program starts again":  # twice: what it kept is being written, or over
        program = stage.program(pieces * 2, HELPERS + "let hub;", END)
    else:
        program = stage.program(pieces, START, END)
    said = run(answered, client_package, f"section-{list(STAGES).index(section)}.mjs", program)
    at = 0
    for shown in stage.shows:
        assert shown in said[at:], said
        at = said.index(shown, at) + len(shown)


def test_the_extension_of_the_chapter_is_as_short_as_it_says() -> None:
    (source,) = CHAPTER[WORDS]
    assert len([line for line in source.splitlines() if line.strip()]) <= 40
