"""What receivers are shown of an output at one stretch (contract 5.6)."""

from __future__ import annotations

from newage.domain.shown import ShownOutput
from newage.services.streams.form import Form
from newage.services.streams.output_text import OutputText

ABOUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="den", client_id="X", identity="X")


def test_an_output_that_goes_on_has_a_form_more_and_the_end_of_each_has_the_text_up_to_there() -> None:
    output = OutputText()
    first = Form(output, ABOUT)
    output.push("one")
    output.push(" two")
    output.end(stored=True)
    first.close()
    output.go_on()
    second = Form(output, ABOUT, first)
    output.push(" three")
    end = first.end(first.chunks, failed=False)
    assert (first.chunks, first.size, end["data"], end["stored"]) == (2, 7, "one two", True)
    assert {"partial", "reopened"}.isdisjoint(end)
    end = second.end(3, failed=True)
    assert (second.chunks, end["data"], end["stored"], end["partial"], end["reopened"]) == (
        3,
        "one two three",
        False,
        True,
        True,
    )
    assert second.chunk(2, 7, 13)["data"] == " three"
    assert second.had is first.had
    assert (second.meta().get("reopened"), first.meta().get("reopened")) == (True, None)


def test_what_became_void_of_a_form_that_is_over_is_not_in_it() -> None:
    output = OutputText()
    form = Form(output, ABOUT)
    output.push("one two")
    form.close()
    output.reset(3)
    assert form.size == 3
