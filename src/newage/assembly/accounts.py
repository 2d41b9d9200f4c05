"""What services are made on, and the first group of them: who may come in. The ``newage`` command needs no other."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

from attrs import evolve, frozen

from newage.config import Config
from newage.config.live import LiveTables
from newage.config.load import judge_members
from newage.ports import IWorkers
from newage.services.accounts.attempts import AttemptLimiter
from newage.services.accounts.digests import KeyDigests
from newage.services.accounts.hashing import HashService, make_hash, matches
from newage.services.accounts.key_import import import_keys
from newage.services.accounts.keys import KeyService
from newage.services.accounts.operator import OperatorService
from newage.services.accounts.pairing import PairingService
from newage.services.accounts.revocation import Revocation
from newage.services.accounts.trust import TrustService
from newage.services.events import AccountEvents
from newage.services.home.files import HomeFiles
from newage.services.home.server_file import ServerFile
from newage.services.world import World
from newage.storage.stores import Stores


@frozen(kw_only=True)
class Basis:
    """What services are made on.

    :param make_hash: of a secret, at a cost. :param matches: whether a secret has that hash.
    """

    config: Config
    live: LiveTables
    world: World
    stores: Stores
    hash_workers: IWorkers
    file_workers: IWorkers
    make_hash: Callable[[bytes, int], str] = make_hash
    matches: Callable[[bytes, str], bool] = matches

    def hash(self, raw: bytes) -> str:
        """Blocks for as long as the configured cost takes: for a thread."""
        return self.make_hash(raw, self.config.auth.bcrypt_rounds)


@frozen(kw_only=True)
class Accounts:
    """The home's files, and who may come in by what they say: keys, trust, passwords.

    ``network_safe`` is that setting as it is now.
    """

    files: HomeFiles
    server_file: ServerFile
    network_safe: Callable[[], bool]
    hashes: HashService
    keys: KeyService
    trust: TrustService
    limiter: AttemptLimiter
    events: AccountEvents
    revocation: Revocation
    pairing: PairingService
    operator: OperatorService


def make_accounts(basis: Basis, *, read_only: bool = False, network_safe: Callable[[], bool] | None = None) -> Accounts:
    """:param network_safe: None: as the server file says."""
    config, world, store = basis.config, basis.world, basis.stores.keys
    files = HomeFiles(config.home, evolve(config.files, read_only=read_only or config.files.read_only))
    server_file = ServerFile(files, judge_members)
    hashes = HashService(basis.hash_workers, config.auth, basis.make_hash, basis.matches)
    digests = KeyDigests(secrets.token_bytes(32), None if config.server.ephemeral else config.home)
    keys = KeyService(store, hashes, world, config.auth, digests, secrets.token_bytes)
    events = AccountEvents()
    trust = TrustService(files, store, basis.file_workers, basis.hash, world, config.auth, events)
    limiter = AttemptLimiter(world.clock.seconds, config.auth)
    pairing = PairingService(keys, trust, world, config.auth, secrets.token_bytes)
    revocation = Revocation(keys, trust, limiter, events)
    return Accounts(
        files=files,
        server_file=server_file,
        network_safe=(lambda: server_file.network_safe) if network_safe is None else network_safe,
        hashes=hashes,
        keys=keys,
        trust=trust,
        limiter=limiter,
        events=events,
        revocation=revocation,
        pairing=pairing,
        operator=OperatorService(keys, trust, limiter, world, revocation, pairing),
    )


async def load_accounts(basis: Basis, accounts: Accounts, *, take_keys_over: bool) -> None:
    """Read keys and trust.

    :param take_keys_over: import the keys of a home of the reference server.
    """
    await accounts.keys.load()
    if take_keys_over:
        limit = basis.config.auth.max_client_keys
        await import_keys(accounts.files, basis.file_workers, basis.stores.state, accounts.keys, basis.world, limit)
    await accounts.trust.load()
    await accounts.keys.give_ranks(partial(accounts.trust.rank, network_safe=False))
