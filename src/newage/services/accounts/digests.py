"""Keyed digests of keys: a right or a wrong key costs no bcrypt (contract 2.8.7, B7).

The secret lies in a file of its own, so that whoever has the database alone can test no key; without it bcrypt decides,
and the digests are made anew.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from attrs import define, evolve, field
from twisted.logger import Logger

from newage.domain.model import KeyRecord
from newage.services.home.openat import folder_below, open_below, replace_in

FOLDER, FILE = "keys", "digest_secret"
_BYTES = 32


@define(eq=False)
class KeyDigests:
    """
    :param secret: random bytes, ``_BYTES`` of them: used as they are until a home's own are read.
    :param home: None keeps everything in memory.
    """

    _log: ClassVar[Logger] = Logger()

    _secret: bytes = field(repr=False)
    _home: Path | None = None

    def load(self) -> None:
        """Read the home's secret, or leave ours there; blocks. Never fails: without it digests are made anew.

        The file is one line of hexadecimal digits, for the hub's user alone.
        """
        if self._home is None:
            return
        path = str(self._home / FOLDER / FILE)
        try:
            self._secret = _read(self._home)
        except FileNotFoundError:
            self._leave(self._home, path)
        except (OSError, ValueError) as error:
            self._log.error("{path} is not usable and made anew: {why}", path=path, why=str(error))
            self._leave(self._home, path)

    def _leave(self, home: Path, path: str) -> None:
        try:
            with folder_below(home, (FOLDER,)) as folder:
                replace_in(folder, FILE, self._secret.hex().encode() + b"\n")
        except OSError as error:
            why = error.strerror or str(error)
            self._log.warn(
                "{path} cannot be written, so each first login after a start takes longer: {why}",
                path=path,
                why=why,
            )

    @property
    def _secret_id(self) -> str:
        """Tells which secret a digest was made with, and nothing about it."""
        return sha256(b"id of a digest secret\0" + self._secret).hexdigest()[:16]

    def of(self, *parts: bytes) -> bytes:
        """A digest of these parts, in this order: it says nothing about them to who has not the secret."""
        return hmac.digest(self._secret, b"".join(len(part).to_bytes(4) + part for part in parts), "sha256")

    def noted(self, record: KeyRecord, raw: bytes) -> KeyRecord:
        """The record of this key, with its digest."""
        return evolve(record, digest=self._of_key(record, raw), digest_secret=self._secret_id)

    def decides(self, record: KeyRecord) -> bool:
        """Whether the record's digest can be compared."""
        return record.digest is not None and record.digest_secret == self._secret_id

    def fits(self, record: KeyRecord, raw: bytes) -> bool:
        """Whether this is the key of a record whose digest can be compared."""
        return (
            record.digest is not None
            and self.decides(record)
            and hmac.compare_digest(record.digest, self._of_key(record, raw))
        )

    def _of_key(self, record: KeyRecord, raw: bytes) -> bytes:
        return self.of(b"key", record.client_id.encode(), raw)


def _read(home: Path) -> bytes:
    """:raises OSError, ValueError: it is not there, not readable, a link, or no secret."""
    descriptor = open_below(home, (FOLDER, FILE))
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        secret = bytes.fromhex(os.read(descriptor, 4 * _BYTES).decode("ascii").strip())
    finally:
        os.close(descriptor)
    if len(secret) != _BYTES:
        raise ValueError("it does not hold a secret")
    return secret
