"""What is read out of the cells of docs/api.md."""

from __future__ import annotations

from typing import Any

import pytest

from api_document import HEAR, SEND, ApiDocument, Row, acked, members, plain, wanted_ack


def an_object(required: str, optional: str = "") -> dict[str, Any]:
    names = [*required.split(), *optional.split()]
    return {"type": "object", "properties": {name: {} for name in names}, "required": required.split()}


NAMED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("none", {}, ()),
    ("`to`, `from?` (who; default: `you`), or `at` of it", {"to": {}, "from": {}, "at": {}}, ()),
    ("the text as `message` (or `data`), anything else", {"message": {}}, ()),
    ("`limit` 1-200 (50)", {"limit": {"type": "integer", "minimum": 1, "maximum": 200}}, ()),
    ("`op`: `add`, `edit`; `at?`", {"op": {"enum": ["add", "edit"]}, "at": {}}, ()),
    ("`where`: `chat` or `headless`, `position?` in it", {"where": {"enum": ["chat", "headless"]}, "position": {}}, ()),
    ("`state`: `gone`, `outputs`: ids", {"state": {"enum": ["gone"]}, "outputs": {}}, ()),
    ("`target`: `server` (default), or the id of one", {"target": {}}, ()),
    ("`kind` `one` or `two`", {"kind": {"enum": ["one", "two"]}}, ()),
    ("`type: 1`, `data`; with `outputs: true` also `at`", {"type": {}, "data": {}, "at": {}}, ()),
    ("with feature `reset`: `{a, b?, c: {d}}`", {"a": {}, "b": {}, "c": an_object("d")}, ("a", "c")),
    ("`{a, b}`; `{a, c: true}` goes on", {"a": {}, "b": {}, "c": {}}, ("a",)),
    ("`of`: up to 64 of `{id, at?}`, none: all", {"of": {"type": "array", "items": an_object("id", "at")}}, ()),
    ("`requests?`: `requestId`s of yours", {"requests": {}}, ()),
    ("`asks?`: `{id}` (who)", {"asks": an_object("id")}, ()),
    ("`result`, or `error: {message}`", {"result": {}, "error": an_object("message")}, ()),
    ("`mode`; admin, under `Manual`, as `NEW_MESSAGE`. Fails: `not `", {"mode": {}}, ()),
    ("`args`; wants an ack `{result?}`", {"args": {}}, ()),
]


@pytest.mark.parametrize(("cell", "properties", "required"), NAMED)
def test_a_cell_names_members(cell: str, properties: dict[str, Any], required: tuple[str, ...]) -> None:
    found = members(cell)
    assert (found.properties, found.required) == (properties, required)


def test_what_explains_is_left_out_but_not_in_code() -> None:
    assert plain("`a` (one (two) `b`), `c(d)`") == "`a`, `c(d)`"


def row(direction: str, said: str, more: str) -> Row:
    return Row(namespace="/", direction=direction, event="E", said=said, more=more)


def test_what_is_acked_begins_the_third_column_and_ends_with_its_sentence() -> None:
    assert set(acked(row(SEND, "", "`a`, `b?`. Go on with `c`. Fails: `No.`")).properties) == {"a", "b"}
    assert acked(row(SEND, "", "admin; what it is, `a`. Fails: `No.`")).properties == {}
    assert row(SEND, "", "`A`. Fails as `OTHER`, and: `No.`, `room <r>`, `Not here`").failures == ["No.", "Not here"]


def test_what_the_hub_wants_to_be_answered_is_known() -> None:
    wanted = wanted_ack(row(HEAR, "`a`", "stop; your ack `{state, more?}` gets you the next one"))
    assert wanted is not None
    assert wanted.required == ("state",)
    assert wanted_ack(row(HEAR, "`a`; wants an ack", "")) is not None
    assert wanted_ack(row(HEAR, "`a`", "whom it concerns")) is None
    assert wanted_ack(row(SEND, "`a`; your ack", "")) is None


def test_tables_and_sections_are_found() -> None:
    text = "\n".join(
        [
            *(
                "# Wire",
                "",
                "## Connecting",
                "",
                "| auth | type | what |",
                "|---|---|---|",
                "| `a`, `b` | string | who |",
            ),
            *("", "## `/x` — rooms", "", "### You send", "", "| event | payload | ack |", "|---|---|---|"),
            *("| `GO` | `to` | |", "", "### More", "", "| `NOT` | a | b |", "", "## End", ""),
        ]
    )
    document = ApiDocument(text)
    assert [(each.namespace, each.direction, each.event, each.said) for each in document.rows] == [
        ("/x", SEND, "GO", "`to`")
    ]
    assert document.titles == {"/x": "rooms"}
    assert document.auth == [("a", "string", "who"), ("b", "string", "who")]
