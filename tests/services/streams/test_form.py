"""What receivers are shown of an output at one stretch (contract 5.6)."""

from __future__ import annotations

from newage.domain.shown import ShownOutput
from newage.services.streams.form import Form
from newage.services.streams.output_text import OutputText

ABOUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="den", client_id="X", identity="X")


def test_an_output_that_goes_on_has_a_form_more_and_each_has_its_own_text() -> None:
    output = OutputText()
    first = Form(output, ABOUT)
    output.push("one")
    output.push(" two")
    first.close()
    second = Form(output, ABOUT)
    output.push(" three")
    assert (first.chunks, first.size, first.end(first.chunks, failed=False)["data"]) == (2, 7, "one two")
    assert (second.start, second.chunks, second.end(1, failed=True)["data"]) == (7, 1, " three")
    assert second.chunk(0, 7, 13)["data"] == " three"


def test_what_became_void_of_a_form_that_is_over_is_not_in_it() -> None:
    output = OutputText()
    form = Form(output, ABOUT)
    output.push("one two")
    form.close()
    output.reset(3)
    assert form.size == 3
