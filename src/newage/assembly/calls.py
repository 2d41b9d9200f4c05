"""Functions that clients call, and what operators install."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from newage.assembly.accounts import Accounts, Basis
from newage.assembly.people import People
from newage.assembly.talk import Talk
from newage.functions.members import PluginService
from newage.namespaces.function_call import register_builtins
from newage.ports import IOutbox, IWorkers
from newage.services.calls.calls import CallService
from newage.services.calls.file_functions import FileFunctions
from newage.services.home.static_routes import StaticRoutes
from newage.services.sessions.names import Names
from newage.services.sessions.sessions import SessionService


@frozen(kw_only=True)
class Calls:
    """Functions that clients call, and the URLs that one of them adds."""

    calls: CallService
    file_functions: FileFunctions
    static: StaticRoutes


def make_calls(
    basis: Basis, outbox: IOutbox, accounts: Accounts, people: People, serving: Callable[[str], Sequence[str]]
) -> Calls:
    """:param serving: the extensions that serve an identity."""
    calls = CallService(people.sessions, outbox, serving, basis.live.calls)
    static = StaticRoutes(accounts.files, basis.file_workers, basis.config.static)
    files = FileFunctions(
        files=accounts.files,
        workers=basis.file_workers,
        server_file=accounts.server_file,
        trust=accounts.trust,
        hash_password=basis.hash,
        network_safe=accounts.network_safe,
        rank_of=people.administration.rank_of,
        is_published=static.is_published,
    )
    register_builtins(calls, files, static)
    return Calls(calls=calls, file_functions=files, static=static)


def make_plugins(
    basis: Basis, sessions: SessionService, names: Names, talk: Talk, make_workers: Callable[[str], IWorkers]
) -> PluginService:
    """What operators install.

    :param make_workers: threads for one plug-in or function, by its name.
    """
    return PluginService(
        world=basis.world,
        sessions=sessions,
        names=names,
        rooms=talk.rooms,
        entering=talk.room_service,
        history=talk.history,
        requests=talk.requests,
        message_events=talk.message_events,
        request_ends=talk.request_ends,
        messages=basis.stores.messages,
        serving=talk.assignments.assigned,
        make_workers=make_workers,
        call_seconds=lambda: basis.live.calls.value.function_call_timeout_ms / 1000,
        settings=basis.config.plugins,
    )
