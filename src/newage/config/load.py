"""One frozen ``Config`` out of defaults < server_settings.json < TOML < environment < options.

Types, defaults and ranges are those of the settings classes. All mistakes of all sources are gathered and raised
together, one a line, each with its source, its key and the cure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from json import loads
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_type_hints

import attrs
from attrs import define, field

from newage.config.named import (
    KEYS,
    is_name,
    kind_of,
    said_by,
    table_of,
    too_many_places,
    variable,
    with_key,
    with_secret,
)
from newage.config.tables import NAMED, Config, Key, ServerSettings, is_exposed, sections
from newage.config.values import coerce, toml_value
from newage.domain.people_text import NotText, read_text
from newage.errors import BadParameter, ConfigError, FileReadFailed, NewAgeError

ENV_PREFIX = "NEWAGE_"
SETTINGS_FILE = "settings/server_settings.json"  # under the home (contract 8.1)

T = TypeVar("T")
Target: TypeAlias = tuple[str, str, float]  # table, field, divisor
Found: TypeAlias = dict[Key, tuple[object, str]]  # value, where it was said

# Members of server_settings.json whose fields have another name or unit: (table, key, divisor). Every other one finds
# its field by name in whichever tables have it, times with their unit: ``sessionGraceMs`` is ``session_grace_ms``, and
# ``pingTimeoutMs`` divided by 1000 is ``ping_timeout_seconds``.
MEMBERS: dict[str, tuple[Target, ...]] = {
    "serverPort": (("server", "port", 1),),
    "socketIOPath": (("web", "socket_io_path", 1),),
    "maxHttpBufferSize": (("web", "max_http_buffer_bytes", 1), ("engine", "max_payload_bytes", 1)),
    "pingInterval": (("engine", "ping_interval_seconds", 1000),),  # Socket.IO's own names, in milliseconds
    "pingTimeout": (("engine", "ping_timeout_seconds", 1000),),
    "upgradeTimeout": (("engine", "upgrade_timeout_seconds", 1000),),
    "connectTimeout": (("engine", "connect_timeout_seconds", 1000),),
}

OPTION_NAMES: dict[Key, str] = {("server", "bind_address"): "--bind"}  # where the option is not called like the key


def _types(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in attrs.fields(cls)}


def _known() -> dict[Key, Any]:
    return {(name, key): hint for name, cls in sections().items() for key, hint in _types(cls).items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def members() -> dict[str, tuple[Target, ...]]:
    """Member of server_settings.json -> the fields it sets."""
    found: dict[str, tuple[Target, ...]] = {}
    for section, key in _known():
        for name, divisor in _names(key):
            found[name] = (*found.get(name, ()), (section, key, divisor))
    return found | MEMBERS


def _names(key: str) -> Iterator[tuple[str, float]]:
    yield _camel(key), 1
    stem, _, unit = key.rpartition("_")
    if unit == "seconds":
        yield _camel(stem) + "Ms", 1000
    elif unit == "ms":
        yield _camel(stem) + "Seconds", 0.001


def load(
    *,
    options: Mapping[Key, object] | None = None,
    environ: Mapping[str, str] | None = None,
    config_file: str | None = None,
) -> Config:
    """Build the configuration; reads files, writes nothing.

    :param options: what the command line says, by (table, key); None values count as not given.
    :param config_file: path of a TOML file, or None.
    :raises ConfigError: with one line per mistake.
    """
    loader = _Loader()
    toml = loader.toml(config_file) if config_file is not None else {}
    env = loader.environment(environ or {})
    given = loader.options(options or {})
    upper = toml | env | given
    home = Path(str(upper.get(("server", "home"), (ServerSettings().home, ""))[0])).absolute()
    built = loader.build(loader.server_settings(home / SETTINGS_FILE) | upper, home, environ or {})
    return attrs.evolve(built, pinned=frozenset(upper))


def judge_members(content: Mapping[str, object]) -> dict[str, str]:
    """What the next start will think of members of server_settings.json.

    :return: each that sets something, and what is wrong with its value; nothing where it is right.
    """
    judged: dict[str, str] = {}
    for member, targets in members().items():
        if member not in content:
            continue
        loader, found = _Loader(), dict[Key, tuple[object, str]]()
        loader.member(found, content[member], targets, member)
        for (section, key), (value, where) in found.items():
            loader.section(section, sections()[section], {key: (value, where)})
        judged[member] = "; ".join(loader.mistakes)
    return judged


@define
class _Loader:
    """Reads one source after the other and remembers what is wrong with each."""

    mistakes: list[str] = field(factory=list)
    warnings: list[NewAgeError] = field(factory=list)
    known: dict[Key, Any] = field(factory=_known)
    named: dict[str, type] = field(factory=dict)  # the tables with names that were mentioned

    def take(self, into: Found, key: Key, value: object, where: str, *, lenient: bool) -> None:
        """Check one value's type; a wrong one is a mistake."""
        try:
            into[key] = (coerce(value, self.known[key], lenient=lenient), where)
        except ValueError as error:
            self.mistakes.append(f"{where} {error}; {self.cure(key)}")

    def cure(self, key: Key) -> str:
        cls = self.named.get(key[0]) or sections()[key[0]]
        return f"correct it or leave it out (default {toml_value(getattr(cls(), key[1]))})"

    def mention(self, kind: str, name: str) -> str:
        """There is a table of that kind and name from now on. :return: as it is called in TOML."""
        table = table_of(kind, name)
        if table not in self.named:
            self.named[table] = NAMED[kind]
            self.known |= {(table, key): hint for key, hint in _types(NAMED[kind]).items()}
        return table

    def options(self, options: Mapping[Key, object]) -> Found:
        found: Found = {}
        for key, value in options.items():
            if value is not None:
                self.take(found, key, value, OPTION_NAMES.get(key, f"--{key[1]}"), lenient=True)
        return found

    def toml(self, path: str) -> Found:
        try:
            tables = tomllib.loads(read_text(Path(path).read_bytes()))
        except OSError as error:
            self.mistakes.append(
                f"{path} cannot be read: {error.strerror}; give --config the path of a readable TOML file"
            )
            return {}
        except (tomllib.TOMLDecodeError, NotText) as error:
            self.mistakes.append(f"{path} is not TOML: {error}; correct that place (conf/newage.toml shows every key)")
            return {}
        found: Found = {}
        for name, table in tables.items():
            if name in NAMED:
                self.tables(found, path, name, table)
            else:
                self.table(found, path, name, table)
        return found

    def tables(self, found: Found, path: str, kind: str, tables: object) -> None:
        """All of one kind."""
        if not isinstance(tables, dict):
            self.mistakes.append(f"{path}: {kind} must be a table; write [{kind}.NAME] and its keys below it")
            return
        for name, table in tables.items():
            if not is_name(name):
                self.mistakes.append(
                    f"{path}: [{kind}.{name}] must be called by 1 to 32 small letters, digits and hyphens; rename it"
                )
            else:
                self.table(found, path, self.mention(kind, name), table)

    def table(self, found: Found, path: str, name: str, table: object) -> None:
        if name not in sections() and name not in self.named:
            self.mistakes.append(f"{path}: [{name}] is not a table of newage; {_suggest(name, sections(), '[{}]')}")
        elif not isinstance(table, dict):
            self.mistakes.append(f"{path}: {name} must be a table; write [{name}] and its keys below it")
        else:
            keys = [key for section, key in self.known if section == name]
            for key, value in table.items():
                if key in keys:
                    self.take(found, (name, key), value, f"{path}: [{name}] {key}", lenient=False)
                else:
                    cure = _suggest(key, keys, "{}")
                    self.mistakes.append(f"{path}: [{name}] {key} is not a key of newage; {cure}")

    def environment(self, environ: Mapping[str, str]) -> Found:
        """``NEWAGE_<TABLE>_<KEY>``; for the table ``server`` the key alone is enough (``NEWAGE_PORT``)."""
        names = {f"{ENV_PREFIX}{s}_{k}".upper(): (s, k) for s, k in self.known}
        names |= {f"{ENV_PREFIX}{k}".upper(): (s, k) for s, k in self.known if s == "server"}
        found: Found = {}
        for name, value in environ.items():
            if name in names:
                self.take(found, names[name], value, f"environment: {name}", lenient=True)
            elif (kind := next((k for k in NAMED if name.startswith(variable(ENV_PREFIX, k))), None)) is not None:
                self.named_variable(found, kind, name, value)
            elif name.startswith(ENV_PREFIX) and name != f"{ENV_PREFIX}CONFIG":
                cure = _suggest(name, names, "{}")
                self.warnings.append(BadParameter(f"environment: {name} is not a key of newage; {cure}"))
        return found

    def named_variable(self, found: Found, kind: str, variable_name: str, value: str) -> None:
        """``NEWAGE_<KIND>_<NAME>_<KEY>``; who says any key of a table but its secret mentions it."""
        said = said_by(variable_name.removeprefix(variable(ENV_PREFIX, kind)), kind)
        if said is None or not is_name(said[0]):
            self.warnings.append(
                BadParameter(
                    f"environment: {variable_name} is not a key of newage; see [{kind}.NAME] in conf/newage.toml"
                )
            )
        elif said[1] != KEYS[kind]:
            table = self.mention(kind, said[0])
            self.take(found, (table, said[1]), value, f"environment: {variable_name}", lenient=True)

    def server_settings(self, path: Path) -> Found:
        """The reference server's file (contract 8.1): unknown members are others', an unparsable file is kept."""
        try:
            content = loads(read_text(path.read_bytes()))
            if not isinstance(content, dict):
                raise ValueError("the outermost value must be an object")
        except (FileNotFoundError, NotADirectoryError):  # the latter is for home.check to explain
            return {}
        except OSError as error:
            self.mistakes.append(f"{path} cannot be read: {error.strerror}; make it readable for the hub's user")
            return {}
        except (ValueError, RecursionError) as error:
            reason = f"{path} is not JSON and was left alone: {error}; defaults are used until it is mended"
            self.warnings.append(FileReadFailed(reason))
            return {}
        found: Found = {}
        for member, targets in members().items():
            if member in content:
                self.member(found, content[member], targets, f"{path}: {member}")
        return found

    def member(self, into: Found, value: object, targets: tuple[Target, ...], where: str) -> None:
        """One member of server_settings.json, for each field that it sets."""
        for section, key, divisor in targets:
            if divisor != 1 and isinstance(value, (int, float)) and not isinstance(value, bool):
                self.take(into, (section, key), value / divisor, where, lenient=True)
            else:
                self.take(into, (section, key), value, where, lenient=True)

    def build(self, values: Mapping[Key, tuple[object, str]], home: Path, environ: Mapping[str, str]) -> Config:
        built: dict[str, Any] = {}
        for name, cls in (sections() | self.named).items():
            given = {key: pair for (section, key), pair in values.items() if section == name}
            built[name] = self.section(name, cls, given)
        named = {name: built.pop(name) for name in self.named}
        built["upstreams"] = tuple(self.of_kind("upstream", with_key, named, environ, home))
        self.mistakes.extend(too_many_places(built["upstreams"], built["streams"]))
        built["webhooks"] = tuple(self.of_kind("webhook", with_secret, named, environ, home))
        if self.mistakes:
            raise ConfigError("\n".join(self.mistakes))
        built["server"] = attrs.evolve(built["server"], home=str(home))
        if ("auth", "local_admin") not in values and is_exposed(built["server"], built["web"]):
            built["auth"] = attrs.evolve(built["auth"], local_admin=False)
        return Config(**built, warnings=tuple(self.warnings))

    def of_kind(
        self, kind: str, make: Callable[..., T], named: Mapping[str, Any], environ: Mapping[str, str], home: Path
    ) -> Iterator[T]:
        for table, settings in named.items():
            if kind_of(table) == kind:
                try:
                    yield make(table.removeprefix(f"{kind}."), settings, environ, home, ENV_PREFIX)
                except ValueError as error:
                    self.mistakes.append(f"[{table}] {error}")

    def section(self, name: str, cls: type, given: Mapping[str, tuple[object, str]]) -> Any:
        """Validate each value alone, so that every mistake is reported, then all together."""
        before = len(self.mistakes)
        for key, (value, where) in given.items():
            try:
                cls(**{key: value})
            except (ValueError, TypeError) as error:
                reason = str(error.args[0]).replace(f"'{key}' ", "") if error.args else "is out of range"
                self.mistakes.append(f"{where} {reason}; {self.cure((name, key))}")
        if len(self.mistakes) > before:
            return cls()
        try:
            return cls(**{key: value for key, (value, _) in given.items()})
        except (ValueError, TypeError) as error:
            together = ", ".join(where for _, where in given.values())
            self.mistakes.append(f"{together}: {error}; these values do not fit together")
            return cls()


def _suggest(name: str, known: Any, template: str) -> str:
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    if close:
        return f"did you mean {template.format(close[0])}?"
    return "remove it (conf/newage.toml shows every key)"
