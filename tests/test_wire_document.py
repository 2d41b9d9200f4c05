"""docs/wire.md is what everybody cites: each citation leads somewhere, and what it calls built is what the code has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import scenario_table

from newage.config import load, sections
from newage.config.tables import NAMED
from wire_document import MARK, WireDocument, bare_citations, citations, scenarios

ROOT = Path(__file__).parents[1]
NAME = "docs/wire.md"
DOCUMENT = WireDocument((ROOT / NAME).read_text("utf-8"))
API = (ROOT / "docs" / "api.md").read_text("utf-8")
CONSTANTS = (ROOT / "src/newage/web/assets/modules/constants.js").read_text("utf-8")
KINDS = (".py", ".md", ".toml", ".js", ".mjs", ".cfg", ".css", ".html", ".service", ".json")
SELF = {NAME, "tests/wire_document.py", "tests/test_wire_document.py"}


def citing() -> list[str]:
    """Every file of ours that may cite the contract."""
    found = [
        path
        for folder in ("src", "tests", "docs", "conf", "static", "examples", "bench", "twisted")
        for path in sorted((ROOT / folder).rglob("*"))
    ]
    found += [path for path in sorted(ROOT.iterdir()) if path.is_file()]
    names = [path.relative_to(ROOT).as_posix() for path in found if path.suffix in KINDS or path.name == "Makefile"]
    return [name for name in names if name not in SELF and "node_modules" not in name and "/vendor" not in name]


FILES = citing()


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


# -------------------------------------------------------------------------------------------------------- the citations


def cited_in(name: str) -> set[str]:
    return citations(text(name)) | (bare_citations(text(name)) if name.startswith("src/newage/") else set())


def test_what_is_cited_is_there() -> None:
    wrong = {name: lost for name in FILES if (lost := {each for each in cited_in(name) if not DOCUMENT.knows(each)})}
    assert wrong == {}


def test_many_places_are_cited() -> None:
    cited = set().union(*map(cited_in, FILES))
    assert {"2.8.4", "5.7.6", "7.5.10", "C10", "A13", "H11"} <= cited
    assert len(cited) > 80


def test_scenarios_that_are_named_exist() -> None:
    named = set().union(*(scenarios(text(name)) for name in FILES if name != "docs/scenarios.md"))
    assert {38, 47, 70} <= named
    assert named <= {row.number for row in scenario_table.rows()}


def test_the_table_of_choices_cites_sections() -> None:
    table = text("docs/choices.md")
    places = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ") and "| Choice |" not in row]
    assert len(places) > 10
    for place in places:
        cited = re.findall(r"\b(?:\d+\.\d+(?:\.\d+)?|[ABCH]\d+)\b", place)
        assert cited, place
        assert all(DOCUMENT.knows(reference) for reference in cited), place


def documents_in(name: str) -> set[str]:
    return set(re.findall(r"(?<![\w/.<])(?:[\w.-]+/)*[\w-]+\.md\b", text(name)))


def strangers(said: str) -> list[str]:
    """Citations by letter and number of lists that are not in the repository."""
    return re.findall(r"\becosystem [A-E]\b|\bC\.[1-5][-, ]+\d|(?:\"\"\"|\()[DRST][1-9]\d?(?=[,.:)])", said)


def test_documents_that_are_named_exist() -> None:
    assert "docs/performance.md" in documents_in("README.md")
    for name in FILES:
        bases = (ROOT, (ROOT / name).parent, ROOT / "docs")
        lost = [each for each in documents_in(name) if not any((base / each).exists() for base in bases)]
        assert lost == [], f"{name} names a document that is not in the repository"
        assert strangers(text(name)) == [], f"{name} cites a list that is not in the repository: say it in words"


def test_who_says_contract_says_which() -> None:
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        assert f"]({NAME})" in text(name), name


# --------------------------------------------------------------------------------------------------------- the document


def test_sections_are_in_order_and_there_once() -> None:
    assert len(set(DOCUMENT.sections)) == len(DOCUMENT.sections)
    assert DOCUMENT.order_faults() == []
    assert [number for number in DOCUMENT.sections if "." not in number] == [str(number) for number in range(18)]


def test_it_refers_to_itself_rightly() -> None:
    assert [reference for reference in sorted(DOCUMENT.own_references()) if reference not in DOCUMENT.places] == []
    assert bare_citations(DOCUMENT.text) <= DOCUMENT.labels | DOCUMENT.places


def test_every_label_is_indexed_and_stands_where_the_index_says() -> None:
    wanted = {f"A{number}" for number in range(1, 44)} | {f"B{number}" for number in range(1, 27)}
    assert set(DOCUMENT.index) == wanted
    assert {label for label in DOCUMENT.labels if label[0] in "CH"} == {
        *(f"C{number}" for number in range(1, 13)),
        *(f"H{number}" for number in range(1, 13)),
    }
    for label, places in DOCUMENT.index.items():
        for place in places:
            assert place in DOCUMENT.sections, label
        said = "".join(DOCUMENT.section(place) for place in places)
        assert re.search(rf"\b{label}\b", said), f"{label} is not in {places}"


def test_links_lead_somewhere() -> None:
    targets = set(re.findall(r"\]\(([^)#]+)\)", DOCUMENT.text))
    assert {"api.md", "scenarios.md"} <= targets
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []


# ------------------------------------------------------------------------------------------- the document and the code


def events() -> set[str]:
    """The names of the constants module, and the events of docs/api.md."""
    names = set(re.findall(r": '([^']+)'", CONSTANTS)) | set(
        re.findall(r"^    ([A-Z_]+): \d,", CONSTANTS, re.MULTILINE)
    )
    return names | set(re.findall(r"^\| `([^`]+)` \|.*\|.*\|$", API.partition("## `/llm`")[2], re.MULTILINE))


def test_every_event_is_specified() -> None:
    assert {
        "LLM_REQUEST",
        "streamed_end",
        "$stream-write",
        "CLIENT_STREAM_END",
        "paused",
        "FUNCTION_REGISTER",
    } <= events()
    words = set(re.findall(r"\$?[\w/-]+", " ".join(re.findall(r"`([^`]+)`", DOCUMENT.text))))
    assert [event for event in sorted(events()) if event not in words] == []


def test_a_new_event_that_is_built_is_no_longer_a_new_one() -> None:
    new = re.findall(r"^\| `([A-Z_]+)` (?:\(`/\w+`\) )?\|", DOCUMENT.section("14"), re.MULTILINE)
    assert "CREATE_INVITATION" in new
    assert [event for event in new if event in events()] == []


def test_failures_that_it_calls_built_are_the_codes_words() -> None:
    sources = [path.read_text("utf-8") for path in sorted((ROOT / "src" / "newage").rglob("*.py"))]
    literals = {
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    failures = [words for words, marked in DOCUMENT.failures() if not marked]
    assert len(failures) > 60
    unknown = [
        words
        for words in failures
        for piece in re.split(r"<[^>]+>", words)
        if piece and not any(piece in literal for literal in literals)
    ]
    assert unknown == []


NO_SETTINGS = {
    "connect_error",
    "client_id",
    "client_key",
    "question_id",
    "made_by",
    "key_id",
    "last_used",
    "last_address",
    "digest_secret",
    "vacant_since",
    # SillyTavern's own, which no request may choose
    "custom_url",
    "reverse_proxy",
    "proxy_password",
    "secret_id",
    "chat_completion_source",
    "api_server",
}


def defaults() -> dict[str, object]:
    """Every key of the configuration with its default; the demo is no part of the contract."""
    config = load()
    return {
        key: getattr(getattr(config, table), key)
        for table, cls in sections().items()
        if table != "demo"
        for key in cls.__annotations__
    }


def test_settings_that_it_calls_built_are_keys_with_these_defaults() -> None:
    known, named = defaults(), 0
    of_named_tables = {key for kind in NAMED.values() for key in kind.__annotations__}
    for block in DOCUMENT.blocks:
        if block.section == "16.4":  # names of tests
            continue
        where = f"{block.section}: {block.text}"
        for key in re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", block.text):
            there = {*known, *of_named_tables, *NO_SETTINGS, *events()}
            assert block.marked or key in there, f"{key} in {where}"
        for key, number in re.findall(r"`([a-z]+(?:_[a-z]+)+)` \(([\d.,]+)\)", block.text):
            if key in known:
                named += 1
                assert known[key] == float(number.replace(",", "")), f"{key} in {where}"
    assert named > 50


def proofs(section: str) -> dict[int, str]:
    """Number and name of the tests that a section lists."""
    rows = re.findall(r"^\| (\d\d) \| `(\w+)` \|", DOCUMENT.section(section), re.MULTILINE)
    return {int(number): name for number, name in rows}


def test_rows_of_proof_that_it_calls_built_are_tests() -> None:
    built, later = proofs("16.4"), proofs("16.5")
    assert sorted([*built, *later]) == sorted({*range(41, 85)} - {67})
    assert len(built) >= 8
    tests = "".join(path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    has = {name: re.search(rf"def test_\w*{name}", tests) is not None for name in (*built.values(), *later.values())}
    assert [name for name in built.values() if not has[name]] == []
    assert [name for name in later.values() if has[name]] == []


# ------------------------------------------------------------------------------------------------ and the finder itself

SAMPLE = WireDocument(
    "# A contract\n\n## 0. First\n\nOne.\n\n### 0.1 Rules\n\n| **C1 some** | text |\n| H1 | text |\n\n"
    "1. first\n2. second\n\n"
    f"*{MARK}* later err`Not yet.`, see 0.1\n\n## 1. Second\n\nerr`Now <name>.` 0.2 `9.9`\n\n| # | |\n| 4 | row |\n\n"
    f"### 1.1 New *{MARK}*\n\nall of it\n\n## 2. Index\n\n| **A1** | about | 0.1, 1 |\n"
)


def test_the_finder_finds_sections_items_labels_and_marks() -> None:
    assert SAMPLE.sections == ["0", "0.1", "1", "1.1", "2"]
    assert {"0.1.1", "0.1.2", "1.4", "1.1"} <= SAMPLE.places
    assert SAMPLE.labels == {"C1", "H1", "A1"}
    assert SAMPLE.index == {"A1": ["0.1", "1"]}
    assert list(SAMPLE.failures()) == [("Not yet.", True), ("Now <name>.", False)]
    assert [block.marked for block in SAMPLE.blocks if block.text == "all of it"] == [True]
    assert SAMPLE.own_references() == {"0.1", "0.2"}
    assert not SAMPLE.knows("0.2")
    assert SAMPLE.knows("0.1.2")
    assert not SAMPLE.knows("A2")


@pytest.mark.parametrize(
    ("headings", "faults"),
    [
        (["0", "0.1", "0.2", "1"], []),
        (["0", "0.0", "0.1"], []),
        (["0", "2"], ["2"]),
        (["0", "0.1", "0.1"], ["0.1"]),
        (["0", "0.2", "1"], ["0.2"]),
        (["0", "0.1", "0.1.1", "0.1.2", "0.2", "1", "1.1"], []),
        (["0", "0.1", "1.1"], ["1.1"]),
    ],
)
def test_the_finder_sees_what_is_out_of_order(headings: list[str], faults: list[str]) -> None:
    document = WireDocument("\n\n".join(f"{'#' * (2 + number.count('.'))} {number} x" for number in headings))
    assert document.order_faults() == faults


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("(contract 5.6, A13)", {"5.6", "A13"}),
        ("contract 2.4-2.9, A1, A7 and C5.", {"2.4", "2.9", "A1", "A7", "C5"}),
        ("contract C1-C8, C11, 1.8", {"C1", "C8", "C11", "1.8"}),
        ("contract 5.6 (c), 5.7.6 with A9", {"5.6", "5.7.6", "A9"}),
        ("contract\n    99.1 says", {"99.1"}),
        ("Amendments A1-A3 and contract 2.12", {"A1", "A3", "2.12"}),
        ("contract 13, scenarios 17-20", {"13"}),
        ("the contract suite of 3 stores", set()),
        ("a contract, B2", set()),
    ],
)
def test_the_finder_reads_citations(said: str, found: set[str]) -> None:
    assert citations(said) == found


def test_the_finder_sees_citations_of_what_is_elsewhere() -> None:
    assert strangers('(S14) """D3: (ecosystem C.2, 31), contract C5') == ["(S14", '"""D3', "ecosystem C"]
    assert strangers("A13 (B2), H11 and C5, S of 3") == []


def test_the_finder_reads_bare_citations() -> None:
    assert bare_citations("only the first counts (H11); (2.12 with A3), B99 and %C3%A9") == {"H11", "2.12", "A3", "B99"}
    assert scenarios("Scenarios 17-20, 45 and 46; scenario 3.") == {17, 20, 45, 46, 3}
