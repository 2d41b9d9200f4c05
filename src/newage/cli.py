"""``newage``: the operator's command. Speaks to the hub that runs on a home, or works on the home of a stopped one.

What was asked for goes to stdout, everything else to stderr. Exit code 0: done; 1: it could not be done; 2: the command
was wrong. A key is printed once and never taken from the command line.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from time import sleep
from typing import Any, TypeAlias

from attrs import evolve

from newage import __version__
from newage.assembly.operate import Ask, Body, check_owner, reached
from newage.bridge.cards import FOLDER as CHARACTERS
from newage.bridge.cards import add_card
from newage.config import ServerSettings, load
from newage.domain.model import Scope
from newage.errors import ConfigError, NewAgeError, NotAuthorised, NotFound
from newage.functions.door import Offered
from newage.functions.installed import installed
from newage.namespaces.function_call import BUILTINS
from newage.services.calls.calls import Function
from newage.web.install import install_extension
from newage.web.releases import read_releases

POLL_SECONDS = 0.5

DESCRIPTION = (
    "Keys of a newage hub, made and revoked on its own machine, and what is installed beside it. "
    "The hub itself is started with twistd newage."
)
EXAMPLES = """\
examples:
  newage keys new phone                   a key for the client "phone", printed once
  newage keys new anna --admin --days 90  a key that makes "anna" an administrator for 90 days
  newage keys new SillyTavern-8000 --scope extension
                                          a key that answers, and opens nothing of others
  newage keys list                        who has keys, and when they were used
  newage keys revoke phone                all keys of "phone"; or one, by its id
  newage pair                             a code for a SillyTavern on another machine
  newage unlock                           let everybody try again who failed to log in too often
  newage character add card.png           a character as which model servers may answer
  newage functions                        functions and plug-ins that are installed

The hub may be running or not; with the options it was started with (--home, --config) this finds it.
Run it as the hub's own user, for example: sudo -u newage newage --home /var/lib/newage keys list
"""


def _text(said: str) -> str:
    """Text that can be sent; a terminal of another encoding gives bytes that are none."""
    try:
        said.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{said!r} is not UTF-8") from None
    return said


def _days(said: str) -> float:
    """A number that JSON has: NaN and infinity it writes as null, which would mean for ever."""
    try:
        days = float(said)
    except ValueError:
        days = float("nan")
    if not isfinite(days):
        raise ArgumentTypeError(f"{said!r} is not a number of days")
    return days


def parser() -> ArgumentParser:
    top = ArgumentParser(
        prog="newage", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"newage {__version__}")
    top.add_argument("--home", metavar="DIR", help="the hub's home [default: ./newage-home]")
    top.add_argument("--config", metavar="FILE", help="the hub's TOML file, if it has one")
    top.add_argument("--json", action="store_true", help="print JSON")
    top.set_defaults(alone=None)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    keys = commands.add_parser("keys", help="make, list and revoke keys", description="Make, list and revoke keys.")
    verbs = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)

    new = verbs.add_parser(
        "new",
        help="make a key; it is printed once",
        description="Make a key and print it, once: the hub keeps only a hash. A client that the hub did not know is "
        "trusted by it. Of scope 'all' the key is what its client is: a client's, an extension's for SillyTavern-..., "
        "an administrator's for an id that settings/ makes one.",
    )
    new.add_argument("client", metavar="CLIENT_ID", type=_text, help="the id that the client connects with")
    kind = new.add_mutually_exclusive_group()
    kind.add_argument(
        "--scope",
        choices=[scope.value for scope in Scope],
        help="what the key opens: all that its client may [default]; client: no more than a client may; extension: "
        "answering and lists, no keys of others, no logs, no settings; api: only /v1 and GET /api/v1/me, no Socket.IO; "
        "webhook: saying something in the rooms it is a member of, by /api/v1, and nothing else; "
        "admin: whoever shows it is an administrator",
    )
    for scope in (Scope.ADMIN, Scope.EXTENSION):
        flag = {"dest": "scope", "action": "store_const", "const": scope.value}
        kind.add_argument(f"--{scope.value}", help=f"the same as --scope {scope.value}", **flag)
    new.add_argument(
        "--name", metavar="TEXT", type=_text, help="a note for the list, for example where the key is kept"
    )
    new.add_argument("--days", metavar="N", type=_days, help="how long it is good for [default: until it is revoked]")
    new.set_defaults(run=_new)

    listing = verbs.add_parser("list", help="show all keys", description="Show all keys, but none that opens anything.")
    listing.set_defaults(run=_list)

    revoke = verbs.add_parser(
        "revoke",
        help="revoke the keys of a client, or one key",
        description="Revoke all keys of a client and the trust that one of them brought, or one key by its id. Who "
        "came in by them is disconnected.",
    )
    revoke.add_argument("subject", metavar="CLIENT_ID|KEY_ID", type=_text, help="as `newage keys list` shows them")
    revoke.set_defaults(run=_revoke)

    unlock = commands.add_parser(
        "unlock",
        help="let clients try again that failed to log in too often",
        description="Forget failed logins: of one client, or of all.",
    )
    who = unlock.add_mutually_exclusive_group()
    who.add_argument(
        "client", metavar="CLIENT_ID", nargs="?", type=_text, help="only this client's [default: everybody's]"
    )
    who.add_argument("--all", action="store_true", help="everybody's")
    unlock.set_defaults(run=_unlock)

    pair = commands.add_parser(
        "pair",
        help="let a SillyTavern on another machine in, by a code",
        description="Print a code of six digits for newage's extension in a SillyTavern on another machine, wait until "
        "it comes, show who it is and ask before it gets a key. The code is good once, for five minutes; it ends the "
        "one before. The hub must be running.",
    )
    pair.add_argument("--yes", action="store_true", help="do not ask: whoever comes with the code gets the key")
    pair.set_defaults(run=_pair)

    functions = commands.add_parser(
        "functions",
        help="show functions and plug-ins that are installed",
        description="Show the functions and plug-ins of installed packages (docs/functions.md), as a hub that starts "
        "now would find them. Loads them; needs no hub.",
    )
    functions.set_defaults(alone=_functions)

    character = commands.add_parser(
        "character",
        help="add a character card, as which model servers may answer",
        description="Characters as which model servers may answer (docs/upstreams.md).",
    )
    cards = character.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = cards.add_parser(
        "add",
        help="put a card into the home",
        description="Put a character card (PNG or JSON, V1 to V3) into characters/ of the home. A hub that runs knows "
        "it after its next start.",
    )
    add.add_argument("file", metavar="CARD", type=Path, help="the file")
    add.set_defaults(alone=_add_character)

    extension = commands.add_parser(
        "extension",
        help="install newage's extension into SillyTavern, or show which it is",
        description="Install newage's extension into SillyTavern, or show which it is. Needs no hub.",
    )
    steps = extension.add_subparsers(title="commands", metavar="COMMAND", required=True)
    install = steps.add_parser(
        "install",
        help="copy it into a SillyTavern",
        description="Copy the newest released version to data/<user>/extensions/newage-extension, the folder that "
        "SillyTavern's own dialog would make; what is there of another version is replaced.",
    )
    install.add_argument(
        "path", metavar="PATH_TO_SILLYTAVERN", type=Path, help="the folder that holds SillyTavern's data"
    )
    install.add_argument("--user", type=_text, default="default-user", help="whose [default: default-user]")
    install.set_defaults(alone=_install)
    shown = steps.add_parser("hash", help="show versions with their commits", description="Show the released versions.")
    shown.set_defaults(alone=_hash)
    return top


# ------------------------------------------------------------------------------------------------------------- commands
# Each: (what was said, how to ask the hub, is it running) -> what --json prints, and prints the rest itself.


def _new(said: Namespace, ask: Ask, running: bool) -> Body:
    command = {"do": "keys.new", "clientId": said.client, "scope": said.scope, "name": said.name, "days": said.days}
    answer = ask(command)
    if not said.json:
        _print(answer["key"])
        end = f", good until {answer['expires']}" if answer["expires"] else ""
        what = answer["rank"] if answer["scope"] == "all" else f"{answer['rank']}, scope {answer['scope']}"
        _remark(f"key {answer['keyId']} of {answer['clientId']} ({what}{end}); it is not shown again")
    return answer


def _list(said: Namespace, ask: Ask, running: bool) -> Body:
    keys: list[Body] = []
    after: int | None = 0
    while after is not None:
        page = ask({"do": "keys.list", "after": after})
        keys += page["keys"]
        after = page["next"]
    if not said.json:
        for line in _table(keys):
            _print(line)
        if not keys:
            _remark("there are no keys; `newage keys new CLIENT_ID` makes one")
    return {"keys": keys}


def _revoke(said: Namespace, ask: Ask, running: bool) -> Body:
    answer = ask({"do": "keys.revoke", "subject": said.subject, "clientId": said.subject})
    if not said.json:
        count = len(answer["keyIds"])
        _print(f"revoked {count} key{'' if count == 1 else 's'} of {answer['clientId']}")
        for each in answer.get("made", ()):
            _remark(f"it made {_made(each)}: `newage keys revoke {each['keyId']}` ends it, too")
        if answer.get("more"):
            _remark(f"and {answer['more']} more; `newage --json keys list` tells by `madeBy`")
        if answer["trusted"]:
            _remark(f"{answer['clientId']} is still trusted: a new key would let it in")
    return answer


def _made(key: Body) -> str:
    return f"key {key['keyId']} of {key['clientId']} ({key['rank']}), which goes on working"


def _unlock(said: Namespace, ask: Ask, running: bool) -> Body:
    answer = ask({"do": "unlock", "clientId": said.client})
    if not said.json:
        for each in answer["unlocked"]:
            _print(f"unlocked {each['clientId']} from {each['address']}")
        if not running:
            _remark("the hub is not running, so nobody is locked out: locks end with it")
        elif not answer["unlocked"]:
            _remark("nobody was locked out")
    return answer


def _pair(said: Namespace, ask: Ask, running: bool) -> Body:
    if not running:
        raise ConfigError("the hub is not running: pairing needs it; start it and run `newage pair` again")
    made = ask({"do": "pair.new"})
    code = made["code"]
    if said.json:
        _remark(code)
    else:
        _print(code)
    _remark(
        f"type this code into newage's panel in SillyTavern (Pairing code); it is good for {made['expiresIn']} seconds"
    )
    while True:
        found = ask({"do": "pair.wait", "code": code})
        if found["state"] == "asked":
            asks = found["asks"]
            _remark(_applies(asks))
            yes = said.yes or _says_yes()
            found = ask({"do": "pair.confirm", "code": code, "confirm": asks["confirm"], "accept": yes})
            if not yes and found["state"] == "over":
                raise NotAuthorised("refused: nobody got a key")
        if found["state"] == "paired":
            _remark(f"{_seen(found['asks']['clientId'])} has a key; `newage keys revoke` takes it back")
            return {"clientId": found["asks"]["clientId"], "address": found["asks"]["address"]}
        if found["state"] == "over":
            raise NotFound("the code is over: time is up, or too many tried wrong ones; `newage pair` makes another")
        sleep(POLL_SECONDS)


def _applies(asks: Body) -> str:
    """Who wants a key: what the hub knows first, and what he says of himself on lines of its own, so that it passes for
    nothing else."""
    lines = [f"at {asks['address']} somebody wants to answer as an extension", f"  id    {_seen(asks['clientId'])}"]
    if asks.get("known"):
        lines.append("        a SillyTavern of this id has a key already: say no unless it is this one")
    if asks["name"]:
        lines.append(f"  name  {_seen(asks['name'])}")
    return "\n".join(lines)


def _seen(said: str) -> str:
    """What somebody calls himself; beside it what it is made of, where it may look like something else."""
    return said if said.isascii() else f"{said.encode('ascii', 'backslashreplace').decode()} = {said}"


def _says_yes() -> bool:
    """Anything but y or yes, and the end of what is typed, is no."""
    sys.stderr.write("give it a key? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _functions(said: Namespace) -> Body:
    found = [
        {
            "kind": each.kind,
            "name": each.name,
            "package": each.package,
            "from": each.value,
            "takes": str(evolve(each.offered.signature, name="")) if isinstance(each.offered, Offered) else None,
            "oldDoor": isinstance(each.offered, Function),
            "problem": each.problem or None,
        }
        for each in installed(BUILTINS.__contains__)
    ]
    if not said.json:
        for line in _table(found, _OFFERED):
            _print(line)
        if not found:
            _remark("no functions and no plug-ins are installed; docs/functions.md tells how they are made")
    return {"functions": found}


def _add_character(said: Namespace) -> Body:
    home = _home(said)
    check_owner(home)
    name, card = add_card(home / CHARACTERS, said.file)
    if not said.json:
        _print(name)
        _remark(f'{card.name}: a model server answers so by character = "{name}" in its table, after the next start')
    return {"character": name, "name": card.name}


def _install(said: Namespace) -> Body:
    release, folder = install_extension(said.path, said.user)
    if not said.json:
        _print(f"version {release.version} is in {folder}; reload SillyTavern's page")
    return {"version": release.version, "commit": release.commit, "folder": str(folder)}


def _hash(said: Namespace) -> Body:
    versions = read_releases().versions
    if not said.json:
        for release in versions:
            _print(f"{release.version} {release.commit}")
        if not versions:
            _remark("no version of the extension was released yet")
    return {"versions": [{"version": each.version, "commit": each.commit} for each in versions]}


_Columns: TypeAlias = tuple[tuple[str, Callable[[Body], str]], ...]
_OFFERED: _Columns = (
    ("KIND", lambda each: each["kind"]),
    ("NAME", lambda each: each["name"]),
    ("PACKAGE", lambda each: each["package"]),
    ("FROM", lambda each: each["from"]),
    ("", lambda each: each["problem"] or each["takes"] or ("by the old door" if each["oldDoor"] else "")),
)
_COLUMNS: _Columns = (
    ("KEY", lambda key: key["keyId"]),
    ("CLIENT", lambda key: key["clientId"]),
    ("RANK", lambda key: key["rank"]),
    ("SCOPE", lambda key: key["scope"]),
    ("MADE", lambda key: _minute(key["madeAt"])),
    ("LAST USED", lambda key: _minute(key["lastUsed"]) if key["lastUsed"] else "never noted"),
    ("FROM", lambda key: key["lastFrom"] or ""),
    ("GOOD UNTIL", lambda key: _end(key)),
    ("NAME", lambda key: key["name"]),
)


def _end(key: Body) -> str:
    if not key["live"]:
        return "it is over"
    return _minute(key["expires"]) if key["expires"] else "revoked"


def _minute(stamp: str) -> str:
    return stamp[:16].replace("T", " ")


def _table(found: list[Body], columns: _Columns = _COLUMNS) -> list[str]:
    if not found:
        return []
    rows = [[title for title, _ in columns], *([show(each) for _, show in columns] for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


# --------------------------------------------------------------------------------------------------------------- output


def _print(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"  # what a narrow terminal lacks is shown as \\x.., as on stderr
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _remark(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """:return: the exit code; argparse itself ends with 2 for a wrong command, 0 for --help."""
    said = parser().parse_args(arguments)
    try:
        if said.alone is not None:
            return _done(said, said.alone(said))
        check_owner(_home(said))
        options: dict[tuple[str, str], Any] = {("server", "home"): said.home}
        config = load(options=options, environ=os.environ, config_file=said.config or os.environ.get("NEWAGE_CONFIG"))
        with reached(config) as (ask, running):
            answer = said.run(said, ask, running)
        return _done(said, answer)
    except NewAgeError as error:
        for line in str(error).splitlines():
            _remark(f"newage: {line}")
        return 1
    except OSError as error:
        _remark(f"newage: {error.strerror or error}: {error.filename or 'stdout'}")
        return 1


def _home(said: Namespace) -> Path:
    return Path(said.home or os.environ.get("NEWAGE_HOME") or ServerSettings().home)


def _done(said: Namespace, answer: Body) -> int:
    if said.json:
        _print(json.dumps(answer, ensure_ascii=False))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
