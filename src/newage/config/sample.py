"""``conf/newage.toml``: every key with its default and its explanation, written from the settings classes."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from newage.config.load import ENV_PREFIX
from newage.config.tables import NAMED, sections
from newage.config.values import toml_value


def sample() -> str:
    """The text of ``conf/newage.toml``: every table, every key with its default, one comment line each."""
    return "\n".join(_sample_lines()) + "\n"


def _sample_lines() -> Iterator[str]:
    yield "# Every key of newage with its default: twistd newage --config FILE"
    yield "# Keep only the lines you change: a key here wins over settings/server_settings.json of the home,"
    yield f"# an environment variable {ENV_PREFIX}<TABLE>_<KEY> over a key here, and an option over both."
    yield "# Written by: python -m newage.config"
    for name, cls in sections().items():
        yield ""
        yield f"# {(cls.__doc__ or name).splitlines()[0]}"
        yield f"[{name}]"
        values = cls()
        for each in attrs.fields(cls):
            yield f"# {each.metadata['doc']}"
            yield f"{each.name} = {toml_value(getattr(values, each.name))}"
    for kind, cls in NAMED.items():
        yield ""
        yield f"# {(cls.__doc__ or kind).splitlines()[0]}"
        yield "# Any number of them, each under a name of small letters, digits and hyphens; none by default."
        yield f"# [{kind}.NAME]"
        values = cls()
        for each in attrs.fields(cls):
            yield f"#   {each.metadata['doc']}"
            yield f"# {each.name} = {toml_value(getattr(values, each.name))}"
