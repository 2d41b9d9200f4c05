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
from newage.services.webhooks.settings import Webhook, WebhookSettings, whole

MAX_KEY_BYTES = 4096
KEYS = {"upstream": "KEY", "webhook": "SECRET"}  # what each kind calls what nobody shall read


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
    """What ``<NAME>_<KEY>`` of a variable means: name and key; that of ``KEYS`` is none of the table."""
    keys = [*(each.name for each in attrs.fields(NAMED[kind])), KEYS[kind]]
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
    key = _secret("upstream", "key", name, settings.key_file, settings.key_env, environ, home, prefix)
    return Upstream(name=name, settings=settings, key=key or NO_KEY)


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


def with_secret(name: str, settings: WebhookSettings, environ: Mapping[str, str], home: Path, prefix: str) -> Webhook:
    """A webhook and its secret; raises as ``with_key``."""
    secret = _secret("webhook", "secret", name, settings.secret_file, settings.secret_env, environ, home, prefix)
    return whole(name, settings, secret)


def _secret(
    kind: str, word: str, name: str, file: str, named: str, environ: Mapping[str, str], home: Path, prefix: str
) -> Secret | None:
    """:param word: what the table calls it. :param named: the variable that holds it, where the table names one."""
    if file and named:
        raise ValueError(f"has both {word}_file and {word}_env; keep one of them")
    if file:
        path = home / file
        where = f"{word}_file {path}"
        return _checked(_content(path, where), where)
    given = environ.get(named or variable(prefix, table_of(kind, name), KEYS[kind]))
    if given is None and named:
        raise ValueError(f"{word}_env {named} is not set in the environment")
    return None if given is None else _checked(given, f"environment: the {word} of {name}")


def _content(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise ValueError(f"{where} must be a file for the hub's user alone; chmod 600 it")
            return file.read(MAX_KEY_BYTES + 1).decode("ascii", "replace")
    except OSError as error:
        raise ValueError(f"{where} cannot be read: {error.strerror}") from None


def _checked(key: str, where: str) -> Secret:
    """What fits into a header."""
    key = key.strip()
    if not key or len(key) > MAX_KEY_BYTES or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"{where} must hold one line of printable ASCII without spaces")
    return Secret(key)
