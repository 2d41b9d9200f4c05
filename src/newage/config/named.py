"""Tables that there may be any number of, each under a name of its own: ``[upstream.NAME]``; and the keys of those."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs

from newage.bridge.upstream_settings import NO_KEY, Upstream, UpstreamSettings
from newage.config.tables import NAMED
from newage.domain.ids import is_upstream_name
from newage.domain.output import StreamSettings
from newage.domain.secret import Secret

MAX_KEY_BYTES = 4096
KEY = "KEY"


def table_of(kind: str, name: str) -> str:
    return f"{kind}.{name}"


def kind_of(table: str) -> str | None:
    """The kind of a table with a name, None of any other one."""
    kind, _, name = table.partition(".")
    return kind if name and kind in NAMED else None


def variable(prefix: str, table: str, key: str = "") -> str:
    """Its environment variable, or the beginning of all of them."""
    return f"{prefix}{table}_{key}".upper().replace(".", "_").replace("-", "_")


def said_by(rest: str, kind: str) -> tuple[str, str] | None:
    """What ``<NAME>_<KEY>`` of a variable means: name and key; the key ``KEY`` is none of the table."""
    keys = [*(each.name for each in attrs.fields(NAMED[kind])), KEY]
    for key in sorted(keys, key=len, reverse=True):
        name = rest.removesuffix(f"_{key}".upper())
        if name != rest:
            return name.lower().replace("_", "-"), key
    return None


def is_name(name: object) -> bool:
    """May a table be called so?"""
    return is_upstream_name(name)


def with_key(name: str, settings: UpstreamSettings, environ: Mapping[str, str], home: Path, prefix: str) -> Upstream:
    """An upstream and its key, from wherever its table says.

    :raises ValueError: naming the place, never what is in it.
    """
    if settings.key_file and settings.key_env:
        raise ValueError("has both key_file and key_env; keep one of them")
    if settings.key_file:
        path = home / settings.key_file
        return Upstream(name=name, settings=settings, key=_checked(_content(path), f"key_file {path}"))
    given = environ.get(settings.key_env or variable(prefix, table_of("upstream", name), KEY))
    if given is None and settings.key_env:
        raise ValueError(f"key_env {settings.key_env} is not set in the environment")
    key = NO_KEY if given is None else _checked(given, f"environment: the key of {name}")
    return Upstream(name=name, settings=settings, key=key)


def too_many_places(upstreams: Iterable[Upstream], streams: StreamSettings) -> Iterator[str]:
    """What is wrong with those that would answer more at once than the hub takes of one extension."""
    for each in upstreams:
        capacity = each.settings.capacity
        for name in ("max_outputs_per_extension", "max_streams_per_extension"):
            most = getattr(streams, name)
            if capacity > most:
                yield (
                    f"[upstream.{each.name}] capacity = {capacity} is more answers at once than "
                    f"{name} = {most} of [streams] takes of one extension; raise that or lower this"
                )


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise ValueError(f"key_file {path} must be a file for the hub's user alone; chmod 600 it")
            return file.read(MAX_KEY_BYTES + 1).decode("ascii", "replace")
    except OSError as error:
        raise ValueError(f"key_file {path} cannot be read: {error.strerror}") from None


def _checked(key: str, where: str) -> Secret:
    """What fits into a header."""
    key = key.strip()
    if not key or len(key) > MAX_KEY_BYTES or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"{where} must hold one line of printable ASCII without spaces")
    return Secret(key)
