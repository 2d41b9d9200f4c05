"""``readJsonFromFile`` and ``saveJsonToFile``: which files, for whom, and what of them (contract 7.4, 7.5, A10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import define

from newage.dialect import files
from newage.dialect.files import RESTRICTED
from newage.domain.model import Caller, Kind, Rank
from newage.domain.policy import administers
from newage.domain.rank import may_touch
from newage.errors import BadArguments, NewAgeError, NotAuthorised, PathRestricted
from newage.ports import IWorkers
from newage.services.accounts.trust import TrustService, tidied
from newage.services.home.files import HomeFiles, Json, Parts
from newage.services.home.server_file import PARTS as SERVER_PARTS
from newage.services.home.server_file import ServerFile


@define(eq=False, kw_only=True)
class FileFunctions:
    """The two functions; everything that touches the disk runs in ``workers``.

    :param is_published: whether a file can be had by a URL.
    :param rank_of: an id's rank (B6): a password is a credential, too.
    """

    _files: HomeFiles
    _workers: IWorkers
    _server_file: ServerFile
    _trust: TrustService
    _hash_password: Callable[[bytes], str]
    _network_safe: Callable[[], bool]
    _rank_of: Callable[[str], Rank]
    _is_published: Callable[[Parts], bool]

    # ------------------------------------------------------------------------------------------------------- the calls

    async def read(self, caller: Caller, path: object) -> Json:
        """The ``result`` of readJsonFromFile: flattened and nested, so that every reader finds it (contract 7.4).

        :raises NotAuthorised: a peer without a key asks for more than its own settings.
        """
        try:
            parts = self._files.parts(path)
            if caller.bootstrap and parts != SERVER_PARTS and not self._is_own_settings(parts, caller):
                raise NotAuthorised("Unauthorized")
            self._check_readable(parts, caller)
            content = await self._workers.run(self._files.read, parts)
            if parts[0] == "settings":
                self._check_reader(parts, content, caller)
                content = files.redacted(content)
        except NotAuthorised:
            raise
        except NewAgeError as error:
            return files.not_read(error)
        return files.read(content)

    async def save(self, caller: Caller, path: object, content: object) -> Json:
        """The ``result`` of saveJsonToFile.

        :raises NotAuthorised: the file is one of those that take rights which this caller lacks; BadArguments.
        """
        if not isinstance(content, dict):
            raise BadArguments("saveJsonToFile takes a path and an object.")
        try:
            parts = self._files.parts(path)
            if parts == SERVER_PARTS:
                return files.saved(await self._save_server_settings(caller, content))
            if self._is_own_settings(parts, caller):
                await self._save_own_settings(parts, caller, content)
            elif self._is_own_data(parts, caller):
                self._check_listed(parts)
                await self._workers.run(
                    partial(
                        self._files.update,
                        parts,
                        lambda present: {**(present or {}), **content},
                        create_folders=True,
                        quota=parts[:2],
                    )
                )
            else:
                raise PathRestricted(RESTRICTED)
        except NotAuthorised:
            raise
        except NewAgeError as error:
            return files.not_saved(error)
        return files.saved()

    # ---------------------------------------------------------------------------------------------------------- rights

    def _check_readable(self, parts: Parts, caller: Caller) -> None:
        """The allow-list of contract 7.5.4 for reading."""
        in_settings = len(parts) == 2 and parts[0] == "settings"
        in_data = len(parts) >= 2 and parts[0] == "data"
        if not (in_settings or in_data) or not _is_plain_json(parts):
            raise PathRestricted(RESTRICTED)
        in_folder = in_data and len(parts) > 2
        if in_folder and not (self._is_own_data(parts, caller) or administers(caller) or self._is_published(parts)):
            raise PathRestricted(RESTRICTED)  # another client's
        self._check_listed(parts)

    def _check_listed(self, parts: Parts) -> None:
        """``restrictedFiles`` of the server settings: files and whole folders."""
        for path in self._server_file.restricted:
            try:
                forbidden = self._files.parts(path)
            except NewAgeError:
                continue
            if _caseless(parts[: len(forbidden)]) == _caseless(forbidden):
                raise PathRestricted(RESTRICTED)

    def _check_reader(self, parts: Parts, content: Mapping[str, Any], caller: Caller) -> None:
        """Another client's settings are for administrators (contract 7.5.5); the member decides, then the name."""
        if parts == SERVER_PARTS or administers(caller):
            return
        owner = files.owner(content)
        own = self._is_own_settings(parts, caller) if owner is None else owner == caller.client_id
        if not own:
            raise PathRestricted(RESTRICTED)

    @staticmethod
    def _is_own_settings(parts: Parts, caller: Caller) -> bool:
        own = (f"{caller.client_id}-settings.json", f"{caller.client_id}.json")
        return (
            len(parts) == 2
            and parts[0] == "settings"
            and parts[1] in own
            and _caseless(parts) != SERVER_PARTS
            and _is_plain_json(parts)
        )

    @staticmethod
    def _is_own_data(parts: Parts, caller: Caller) -> bool:
        return len(parts) >= 3 and parts[0] == "data" and parts[1] == caller.client_id and _is_plain_json(parts)

    # --------------------------------------------------------------------------------------------------------- writing

    async def _save_server_settings(self, caller: Caller, content: Json) -> list[str]:
        """:return: the members that are the operator's, and were left as they are."""
        if caller.kind is Kind.CLIENT:
            raise PathRestricted(RESTRICTED)
        if not caller.sensitive:
            raise NotAuthorised("Unauthorized")
        self._check_listed(SERVER_PARTS)
        changed: tuple[Json, list[str]] = await self._workers.run(self._server_file.change, files.unredacted(content))
        self._server_file.adopt(changed[0])
        return changed[1]

    async def _save_own_settings(self, parts: Parts, caller: Caller, content: Json) -> None:
        self._check_listed(parts)
        reaches = may_touch(caller.rank, self._rank_of(caller.client_id), own=True)
        if not reaches and files.sets_password(content):
            raise NotAuthorised("Unauthorized")  # else it would log in with it as what it is not
        may_register = reaches and caller.peer.local and self._network_safe()

        def change(present: Json | None) -> Json:
            own = files.own_settings(present or {}, content, caller.client_id, may_register=may_register)
            return tidied(own, self._hash_password)

        await self._workers.run(partial(self._files.update, parts, change, create_folders=True))
        await self._trust.rescan()


def _caseless(parts: Parts) -> Parts:
    """What a path may be the same as, on a disk that does not tell case apart (macOS, its folders in a container)."""
    return tuple(part.casefold() for part in parts)


def _is_plain_json(parts: Parts) -> bool:
    return parts[-1].endswith(".json") and not any(part.startswith(".") for part in parts)
