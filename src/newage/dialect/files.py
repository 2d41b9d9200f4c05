"""Files of the home as people and extensions write them (contract 8), and what calls answer about them (contract 7.4).

Members keep the reference server's spelling. No file is opened here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any

from newage.dialect import Body
from newage.domain.client_file import ClientFile
from newage.domain.ids import is_valid_id
from newage.domain.logs import LogPage
from newage.errors import BadParameter, FileMissing, NewAgeError, PathRestricted

MAX_MERGE_DEPTH = 32

# ------------------------------------------------------------------------------------- settings/server_settings.json

# The reference server's members and values, with its spelling.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "serverPort": 4000,
        "serverAddress": "http://localhost",
        "staticResouce": {},
        "timeout": 5000,
        "socketIOPath": "/socket.io",
        "queryParameters": {},
        "transport": "websocket",
        "Rooms": [],
        "clientKeys": {},
        "sillyTavernPassword": {},
        "networkSafe": True,
        "debugMode": False,
        "contextPageSize": 50,
        "contextSendDelay": 100,
        "restrictedFiles": [],
    }
)

# Of the members that set something, those that may come by a call (A37, B20). All others are the operator's: what
# lowers security, names a path, or says where the hub listens and who reaches it.
OF_THE_WIRE = frozenset(
    {
        "timeout",
        "queryParameters",
        "transport",
        "Rooms",
        "clientKeys",
        "sillyTavernPassword",
        "debugMode",
        "contextPageSize",
        "contextSendDelay",
        "defaultRoomMessageRequestMode",
        "connectionPolicy",
        "reconnectAttempts",
        "reconnectDelay",
        "autoConnect",
        "extensionRooms",
    }
)
OPERATORS = "stay as they are: the operator sets them, in settings/server_settings.json or the configuration file"


def merged(defaults: Mapping[str, Any], values: Mapping[str, Any], depth: int = 0) -> Body:
    """``values`` over ``defaults``, objects member by member."""
    result = dict(defaults)
    for name, value in values.items():
        present = result.get(name)
        if isinstance(present, Mapping) and isinstance(value, Mapping) and depth < MAX_MERGE_DEPTH:
            result[name] = merged(present, value, depth + 1)
        else:
            result[name] = deepcopy(value)
    return result


def _whole(low: int, high: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 20:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadParameter(f"must be a whole number from {low} to {high}")
        return value

    return check


def _of(kind: type, name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise BadParameter(f"must be {name}")
        return value

    return check


def _mount(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("/") or len(value) > 256 or not value.isprintable():
        raise BadParameter("must be a path that begins with /")
    return value


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "serverPort": _whole(0, 65535),
    "serverAddress": _of(str, "a string"),
    "staticResouce": _of(dict, "an object"),
    "timeout": _whole(0, 3_600_000),
    "socketIOPath": _mount,
    "queryParameters": _of(dict, "an object"),
    "transport": _of(str, "a string"),
    "Rooms": _of(list, "a list"),
    "networkSafe": _of(bool, "true or false"),
    "debugMode": _of(bool, "true or false"),
    "contextPageSize": _whole(1, 10_000),
    "contextSendDelay": _whole(0, 60_000),
    "defaultRoomMessageRequestMode": _of(str, "a string"),
    "reconnectAttempts": _whole(0, 1_000_000),
    "reconnectDelay": _whole(0, 3_600_000),
    "autoConnect": _of(bool, "true or false"),
    "extensionRooms": _of(dict, "an object"),
    "restrictedFiles": _of(list, "a list"),
}


def validated(values: Mapping[str, Any]) -> Body:
    """Values that may be written: known members of their type, unknown ones untouched.

    :raises BadParameter: one member is wrong; the text names it.
    """
    result: Body = {}
    for name, value in values.items():
        check = _CHECKS.get(name)
        try:
            result[name] = value if check is None else check(value)
        except BadParameter as error:
            raise BadParameter(f"{name} {error}") from error
    return result


def writable(
    wanted: Mapping[str, Any], present: Mapping[str, Any], judge: Callable[[Mapping[str, Any]], Mapping[str, str]]
) -> tuple[Body, list[str]]:
    """What of these members may be written, checked as the next start will check it.

    :param present: what is in force.
    :param judge: tells of each member that sets something what is wrong with its value; nothing where it is right.
    :return: what may be written, and the names of those that are the operator's and would have changed something.
    :raises BadParameter: one is wrong; the text names it.
    """
    checked = validated(wanted)
    judged = judge(checked)
    sets = judged.keys() | DEFAULTS.keys() | _CHECKS.keys()
    withheld: list[str] = []
    for name in sorted((sets - OF_THE_WIRE) & checked.keys()):
        if name == "networkSafe" and checked[name] is False:
            continue  # takes rights away, and gives none
        if checked[name] != _plain(present.get(name), name):
            del checked[name]
            withheld.append(name)
    for name in checked:
        if judged.get(name):
            raise BadParameter(judged[name])
    return checked, withheld


def _plain(value: Any, name: str) -> Any:
    """A value that is in force, as a check would write it."""
    try:
        return _CHECKS[name](value) if name in _CHECKS else value
    except BadParameter:
        return value


def without_keys(content: Mapping[str, Any]) -> Body:
    """Keys have never any business in this file (contract 8.1), whoever wrote them there."""
    return {**content, "clientKeys": {}}


def network_safe(values: Mapping[str, Any]) -> bool:
    """Contract 2.6; anything that is not a boolean counts as the default."""
    value = values.get("networkSafe")
    return value if isinstance(value, bool) else True


def restricted(values: Mapping[str, Any]) -> list[object]:
    """Paths of files and folders that no call reads or writes (contract 7.5.4)."""
    listed = values.get("restrictedFiles")
    return listed if isinstance(listed, list) else []


def mounts(values: Mapping[str, Any]) -> object:
    """URLs and paths that are mapped at the start (contract 7.6), unchecked."""
    return values["staticResouce"]


# ------------------------------------------------------------------------------------------ settings/<client>.json

PASSWORD = "sillyTavernPassWord"  # noqa: S105 - a member's name, sic
MASTER_KEY = "sillyTavernMasterKey"
SECRETS = frozenset({PASSWORD, MASTER_KEY, "clientKeys", "sillyTavernPassword"})
HIDDEN = "***"  # stands for a secret that is read, and leaves one that is saved as it is
OPERATORS_OWN = frozenset({"isTrust", "isAdmin", "clientId"})  # members a client may not give itself


def client(content: Mapping[str, Any]) -> ClientFile | None:
    """The members that decide whom the hub trusts; None if the file names no client."""
    client_id = content.get("clientId")
    if not isinstance(client_id, str) or not is_valid_id(client_id):
        return None
    password = content.get(PASSWORD)
    return ClientFile(
        client_id=client_id,
        trusted=bool(content.get("isTrust")),
        admin=content.get("isAdmin") is True,
        password_hash=password if isinstance(password, str) and password.startswith("$") else None,
    )


def without_master_key(content: Mapping[str, Any]) -> Body:
    """It has no business on disk (contract 8.2)."""
    return {name: value for name, value in content.items() if name != MASTER_KEY}


def clear_password(content: Mapping[str, Any]) -> str | None:
    """The password, if it is not hashed yet."""
    password = content.get(PASSWORD)
    return password if isinstance(password, str) and not password.startswith("$") else None


def with_password_hash(content: Mapping[str, Any], hashed: str) -> Body:
    return {**content, PASSWORD: hashed}


def redacted(value: Any) -> Any:
    """Without the values of secrets, at any depth."""
    if isinstance(value, dict):
        return {name: HIDDEN if name in SECRETS else redacted(member) for name, member in value.items()}
    if isinstance(value, list):
        return [redacted(item) for item in value]
    return value


def unredacted(content: Mapping[str, Any]) -> Body:
    """What is to be saved: without secrets that are still as ``redacted`` left them."""
    return {name: value for name, value in content.items() if value != HIDDEN or name not in SECRETS}


def owner(content: Mapping[str, Any]) -> Any:
    """Whose settings these are, as the file says; None if it names nobody."""
    return content.get("clientId")


def sets_password(content: Mapping[str, Any]) -> bool:
    """Would saving this give the client another password?"""
    return bool(content.get(PASSWORD, HIDDEN) != HIDDEN)


def own_settings(present: Mapping[str, Any], wanted: Mapping[str, Any], client_id: str, *, may_register: bool) -> Body:
    """A client's settings file after its own change.

    :param may_register: it may trust itself where the operator said nothing yet (contract 7.5.10): that makes a client
        of it, never an administrator.
    :raises PathRestricted: the file is another client's, whatever its name.
    """
    if present.get("clientId", client_id) != client_id:
        raise PathRestricted(RESTRICTED)
    result = {**present, **{n: value for n, value in unredacted(wanted).items() if n not in OPERATORS_OWN}}
    if wanted.get("clientId") == client_id:
        result["clientId"] = client_id
        if may_register and wanted.get("isTrust") is True and "isTrust" not in present and "isAdmin" not in present:
            result["isTrust"] = True
    return result


# ------------------------------------------------------------------------------------------------ results of calls

RESTRICTED = "Access denied: File is restricted."
PUBLIC_FOLDERS = frozenset({"exampleClient", "client", "Client", "public"})  # whose files may be mapped to URLs


def read(content: Mapping[str, Any]) -> Body:
    """The result of readJsonFromFile: flattened and nested, so that every reader finds it."""
    return {**content, "success": True, "result": content}


def not_read(error: NewAgeError) -> Body:
    """The same of a failure; an empty ``result`` keeps the reference extension from failing itself (contract 7.4)."""
    code = error.code if isinstance(error, FileMissing) else error.error_code
    return {"success": False, "error": {"message": str(error), "code": code}, "result": {}}


def saved(withheld: Iterable[str] = ()) -> Body:
    """The result of saveJsonToFile.

    :param withheld: members that were not written, for they are the operator's.
    """
    names = ", ".join(withheld)
    return {"success": True, "warning": f"{names} {OPERATORS}"} if names else {"success": True}


def not_saved(error: NewAgeError) -> Body:
    return {"success": False, "error": str(error)}


def mapped(outcomes: Iterable[tuple[str, NewAgeError | None]]) -> Body:
    """The result of addStaticResources: each URL, and what was wrong with it."""
    results = [
        {"urlPath": url, "status": "success"}
        if error is None
        else {"urlPath": url, "status": "error", "message": str(error)}
        for url, error in outcomes
    ]
    return {"success": all(entry["status"] == "success" for entry in results), "results": results}


def log_page(page: LogPage) -> Body:
    """The ack of READ_LOG (contract 10.3)."""
    return {
        "lines": list(page.lines),
        "total": page.total,
        "page": page.page,
        "pageSize": page.page_size,
        "level": page.level,
        **({"truncated": True} if page.truncated else {}),
    }
