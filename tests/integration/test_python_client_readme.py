"""The examples of clients/python/README.md and docs/python.md, run as they stand with the installed package."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from harness import CHECKOUT, Daemon
from python_package import PATIENCE, SOURCE, environment, extension, heed_interrupts
from snippets import HUB, Stage, snippets
from words import words

from newage_client import connect

pytestmark = pytest.mark.integration

CHAPTER = snippets(CHECKOUT / "docs" / "python.md", "python")
README, README_ANSWERS = (piece for pieces in snippets(SOURCE / "README.md", "python").values() for piece in pieces)
START = f"""
import asyncio, os, sys
from uuid import uuid4
from newage_client import Failure, connect

os.environ["KEY"] = ""
me, club = f"my-bot-{{uuid4()}}", f"club-{{uuid4()}}"
long = " and on" * 3000  # longer than any test


async def main():
    async with connect("{HUB}", client_id=me) as hub:
"""
HOST = f"""
host = await connect("{HUB}", client_id="monitor", client_type="monitor").open()
made = await host.create(club)
"""
CLUB = f"""{HOST}
await made.ask("Anybody?").done()
await hub.join(club)
"""
NAMED = ('"club"', "club")
COUNT = ('"Count to a million"', '"Count to a million" + long')
# Once somebody reads events, the host says something; when the answer to that is told, nothing more will be.
TALK = f"""
host = await connect("{HUB}", client_id="monitor", client_type="monitor").open()
events, tasks, answered = hub.events, [], asyncio.Event()
hub.on("message", lambda said: answered.set() if said["text"].startswith("You said") else None)

async def talk():
    await host.ask("And you?", room=club).done()
    await answered.wait()
    await hub.close()

def told(*names):
    tasks.append(asyncio.create_task(talk()))
    return events(*names)

hub.events = told
"""
STAGES = {
    "Who you are": Stage(
        changes=((", file=sys.stderr", ""),),
        after="print(far.transport); await far.close()",
        shows=("connected", "websocket"),
    ),
    "Ask, read, stop": Stage(
        changes=(COUNT, ("timeout(30)", "timeout(2)")),
        shows=("You said: Count to ", "cancelled", "cancelled", "25 SillyTavern-words"),
    ),
    "Rooms": Stage(
        between=TALK,
        changes=(NAMED,),
        after="await host.close()",
        shows=("monitor master", "guest True", "monitor And you?", "SillyTavern-words You said: And you?"),
    ),
    "When the question waits": Stage(
        before=CLUB,
        changes=(NAMED,),
        after="await answer.done(); await host.close()",
        shows=("queued host 1", " host", "merged  0", "completed  0"),
    ),
    "When the line is cut": Stage(
        before=f"{CLUB}last_seq = 1",
        changes=(NAMED,),
        after="await host.close()",
        shows=("['Anybody?', 'You said: Anybody?'",),
    ),
    "When your own program starts again": Stage(
        before=f"""
over, live = str(uuid4()), str(uuid4())
await hub.ask("This one", request_id=over).done()
async for token in await hub.ask("That one" + long, request_id=live):
    break
await hub.close()
hub = await connect("{HUB}", client_id=me).open()
kept = live
""",
        between="kept = over",
        after="await hub.close()",
        shows=("You", "['You said: This one']"),
    ),
    "History": Stage(
        before=CLUB,
        changes=(NAMED,),
        after="await host.close(); print([each['message'] for each in before['messages']])",
        shows=("2 monitor Anybody?", "['Anybody?']"),
    ),
    "What goes wrong": Stage(shows=("401 ",)),
}
WHOLE = "From nothing"  # a program as it stands
ANSWERING = "An extension"  # one, then what may stand in it instead
ANSWERS = ("You said: Hello? ", "I was told 1 messages, and shall heed {}.", "Per se, no.", "I am Ann.\n\nI am Bob.")


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, client_package: Path) -> Iterator[Daemon]:
    """A hub at which somebody says what he is asked."""
    with Daemon(tmp_path_factory.mktemp("python_chapter") / "home") as daemon, words(daemon, client_package):
        yield daemon


def run(daemon: Daemon, site: Path, folder: Path, source: str) -> str:
    (folder / "program.py").write_text(source.replace(HUB, daemon.url), "utf-8")
    command = [sys.executable, "-W", "error", "program.py"]
    done = subprocess.run(
        command, cwd=folder, env=environment(site), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("program", [README, *CHAPTER[WHOLE]], ids=["readme", "chapter"])
def test_the_first_program(answered: Daemon, python_client: Path, tmp_path: Path, program: str) -> None:
    assert run(answered, python_client, tmp_path, program) == "You said: Tell me a story"


def test_every_section_of_the_chapter_is_run() -> None:
    assert sorted(CHAPTER) == sorted([*STAGES, WHOLE, ANSWERING])
    assert len(CHAPTER[ANSWERING]) == len(ANSWERS)


@pytest.mark.parametrize("section", STAGES)
def test_section_of_the_chapter(answered: Daemon, python_client: Path, tmp_path: Path, section: str) -> None:
    pieces = CHAPTER[section]
    if section == "When your own program starts again":  # twice: what it kept is being written, or over
        pieces = pieces * 2
    said = run(answered, python_client, tmp_path, STAGES[section].coroutine(pieces, START))
    at = 0
    for shown in STAGES[section].shows:
        assert shown in said[at:], said
        at = said.index(shown, at) + len(shown)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an extension finds the key again that it was given."""
    return tmp_path_factory.mktemp("extension")


@pytest.mark.parametrize(("piece", "said"), enumerate(ANSWERS))
def test_what_the_chapter_answers(answered: Daemon, python_client: Path, kept: Path, piece: int, said: str) -> None:
    whole, begin = CHAPTER[ANSWERING][0], "asyncio.run("
    instead = f"from newage_client import Failure, Reasoning\n{CHAPTER[ANSWERING][piece]}" if piece else ""
    assert answer_of(answered, python_client, kept, whole.replace(begin, f"{instead}\n{begin}")) == said


def test_what_the_readme_answers(answered: Daemon, python_client: Path, kept: Path) -> None:
    source = README_ANSWERS.replace("asyncio.run(", 'hub.on("state", print_state)\nasyncio.run(')
    tell = "import sys\nprint_state = lambda change: print(change.state, file=sys.stderr)\n"
    assert answer_of(answered, python_client, kept, tell + source) == "Hello? "


def answer_of(daemon: Daemon, site: Path, folder: Path, source: str) -> str:
    """What an extension says to who says Hello."""
    (name,) = re.findall(r'client_id="(.*?)"', source)

    async def ask() -> str:
        async with connect(daemon.url, client_id=f"asker-{uuid4()}") as hub:
            return (await hub.ask("Hello?", target=name).done()).text

    (folder / "answer.py").write_text(source.replace(HUB, daemon.url), "utf-8")
    command = [sys.executable, "-W", "error", "answer.py"]
    with extension(command, folder, environment(site)) as program:
        text = asyncio.run(ask())
        program.send_signal(signal.SIGINT)
        assert program.stderr is not None
        assert program.stderr.read().startswith("closed")
    return text


def test_the_example_in_python_stops_the_answer_when_it_is_interrupted(answered: Daemon, python_client: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "examples" / "python" / "chat.py"), "and on " * 3000]
    variables = {**environment(python_client), "HUB": answered.url, "CLIENT_ID": "interrupted"}
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as program:
        assert program.stdout is not None
        assert program.stdout.read(1) == "Y"
        program.send_signal(signal.SIGINT)
        assert program.stdout.read().endswith(" cancelled\n")
        assert program.wait(PATIENCE) == 0
