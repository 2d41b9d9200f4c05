"""How the `newage` command reaches a hub: through the socket in its home, or into the home of one that is stopped.

No reactor runs here: with the hub stopped its own services do the work, at once, under the home's lock.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import orjson
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from newage.assembly.accounts import Basis, load_accounts, make_accounts
from newage.assembly.pools import at_once
from newage.config import Config
from newage.config.live import LiveTables
from newage.daemon.control import Address
from newage.daemon.home import HomeLock, prepare_home
from newage.daemon.workers import InlineWorkers
from newage.errors import ConfigError, NewAgeError
from newage.services.accounts.operator import OperatorService
from newage.services.world import World, wall_clock
from newage.storage.database import Database
from newage.storage.stores import sql_stores
from newage.telemetry.audit import AuditLog
from newage.telemetry.metrics import Counters

ANSWER_SECONDS = 30.0
MAX_ANSWER_BYTES = 4_000_000

Body: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[Mapping[str, Any]], Body]


def check_owner(home: Path) -> None:
    """Asked first, for another user could not even read the hub's settings.

    :raises ConfigError: this home is not for the user who asks.
    """
    try:
        owner = _owner(home)
    except PermissionError as error:
        raise ConfigError(f"{home} cannot be reached: {error.strerror}; run this as the hub's user") from error
    except OSError:
        return  # nothing there: ``reached`` says so
    if os.geteuid() not in (0, owner):
        raise ConfigError(f"{home} belongs to another user; {_as_its_owner(home)}")


@contextmanager
def reached(config: Config) -> Iterator[tuple[Ask, bool]]:
    """A way to ask the hub of this home, and whether it is running.

    :raises NewAgeError: there is no home, or it may not be used, or what was asked failed; with cause and cure.
    """
    home = config.home
    if not (home / "data").is_dir():
        raise ConfigError(f"there is no newage at {home}: give its --home, or start the hub there once")
    connection = _connected(home)
    if connection is not None:
        with connection:
            yield _through(connection), True
        return
    with _stopped(config) as ask:
        yield ask, False


# -------------------------------------------------------------------------------------------------------------- running


def _connected(home: Path) -> socket.socket | None:
    """None: nobody listens.

    :raises ConfigError: the socket is not for this user.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    address: Address | None = None
    try:
        address = Address(home)
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(address.path)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise ConfigError(f"{home} cannot be used: {error.strerror}; {_as_its_owner(home)}") from error
    finally:
        if address is not None:
            address.close()
    return connection


def _through(connection: socket.socket) -> Ask:
    received = bytearray()

    def ask(command: Mapping[str, Any]) -> Body:
        try:
            connection.sendall(orjson.dumps(command) + b"\n")
            while b"\n" not in received:
                chunk = connection.recv(65_536)
                if not chunk or len(received) > MAX_ANSWER_BYTES:
                    raise ConfigError("the hub closed the connection without an answer; its log may say why")
                received.extend(chunk)
        except TimeoutError as error:
            raise ConfigError(f"the hub did not answer within {ANSWER_SECONDS:g} seconds; is it stuck?") from error
        except OSError as error:
            raise ConfigError(f"the hub closed the connection ({error.strerror}); its log may say why") from error
        line, _, rest = bytes(received).partition(b"\n")
        received[:] = rest
        answer: Body = orjson.loads(line)
        if "error" in answer:
            raise NewAgeError(str(answer["error"]))
        return answer

    return ask


# -------------------------------------------------------------------------------------------------------------- stopped


def _owner(home: Path) -> int:
    """The hub's user: it made ``data``; the home may have come from somebody else, as a container's volume does.

    :raises OSError: as ``stat``.
    """
    try:
        return (home / "data").stat().st_uid
    except OSError:
        return home.stat().st_uid


def _as_its_owner(home: Path) -> str:
    return f"run this as the hub's user: sudo -u '#{_owner(home)}' newage ..."


@contextmanager
def _stopped(config: Config) -> Iterator[Ask]:
    """The services of a stopped hub, on its home.

    :raises ConfigError: the home belongs to somebody else, or a hub that starts, stops or hangs has it.
    """
    home = config.home
    if (home / "data").stat().st_uid != os.geteuid():
        # Even root: files it made here the hub could not open again.
        raise ConfigError(f"{home} belongs to another user; {_as_its_owner(home)}")
    prepare_home(home)
    lock = HomeLock(home)
    try:
        lock.take()
    except ConfigError as error:
        raise ConfigError(
            f"{home} is in use by a newage that does not listen to commands: "
            "it starts, stops or is an older one; try again in a moment"
        ) from error
    try:
        with _audited(config), _opened(config) as operator:
            yield lambda command: at_once(operator.handle(command))
    finally:
        lock.release()


@contextmanager
def _audited(config: Config) -> Iterator[None]:
    """What is done is a line of the home's audit log, as when the hub does it."""
    audit = AuditLog(config.home / "logs", config.log, Counters())
    globalLogPublisher.addObserver(audit)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(audit)
        audit.close()


@contextmanager
def _opened(config: Config) -> Iterator[OperatorService]:
    here = InlineWorkers()
    database = Database(config.home / "data" / config.storage.file_name, config.storage, here, here)
    database.open()
    try:
        basis = Basis(
            config=config,
            live=LiveTables.of(config),
            world=World(clock=Clock(), wall=wall_clock, new_id=lambda: str(uuid4())),
            stores=sql_stores(database),
            hash_workers=here,
            file_workers=here,
        )
        accounts = make_accounts(basis, read_only=True)
        at_once(load_accounts(basis, accounts, take_keys_over=True))
        yield accounts.operator
    finally:
        database.close()
