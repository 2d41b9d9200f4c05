"""``keys/clients.json`` of an existing installation, taken over once (contract 8.4, A5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from attrs import evolve
from twisted.logger import Logger

from newage.domain.ids import is_valid_id
from newage.domain.model import KeyRecord
from newage.errors import FileMissing, NewAgeError
from newage.ports import IStateStore, IWorkers
from newage.services.accounts.keys import KeyService
from newage.services.home.files import HomeFiles
from newage.services.world import World

_log = Logger()

_PLACE = ("keys", "clients.json")
# Cost 4 to 13: a hash of cost 20 in that file would keep a thread busy for a minute at every login.
_HASH = re.compile(r"\$2[aby]\$(0[4-9]|1[0-3])\$[./A-Za-z0-9]{53}\Z")


async def import_keys(
    files: HomeFiles, workers: IWorkers, state: IStateStore, keys: KeyService, world: World, max_clients: int
) -> int:
    """Read the file if that was never done; it is left as it is.

    :return: how many keys were taken over. An unreadable file is reported and tried again at the next start.
    """
    if (await state.load_state()).keys_imported:
        return 0
    try:
        content = await workers.run(files.read, _PLACE)
    except FileMissing:
        content = {}
    except NewAgeError as error:
        _log.error("keys/clients.json was not imported: {reason}", reason=str(error))
        return 0
    known = {(record.client_id, record.hash) for client_id in keys.client_ids() for record in keys.records(client_id)}
    count = 0
    for client_id, entry in list(content.items())[:max_clients]:
        for record in _records(client_id, entry, world.wall()):
            if (record.client_id, record.hash) not in known:
                await keys.add(evolve(record, key_id=keys.new_key_id(), made_by="keys/clients.json"))
                count += 1
    await state.save_keys_imported(world.timestamp())
    if count:
        _log.info("{count} keys imported from keys/clients.json", count=count)
    return count


def _records(client_id: str, entry: Any, now: float) -> Iterator[KeyRecord]:
    """The keys of one member, oldest first; anything malformed is left out."""
    if not is_valid_id(client_id) or not isinstance(entry, dict):
        return
    several = entry.get("keys")
    found: dict[str, KeyRecord] = {}
    for item in several if isinstance(several, list) else []:
        if isinstance(item, dict) and _is_hash(item.get("hash")):
            at = item.get("at")
            found[item["hash"]] = KeyRecord(
                client_id=client_id,
                hash=item["hash"],
                created_at=float(at) if isinstance(at, (int, float)) and not isinstance(at, bool) else now,
                local=item.get("local") is True,
            )
    newest = entry.get("key")
    if isinstance(newest, str) and _is_hash(newest) and newest not in found:
        found[newest] = KeyRecord(client_id=client_id, hash=newest, created_at=now)
    yield from found.values()


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.match(value) is not None
