"""The secret of digests: a file of its own, and what is done without it (B7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from logkit import Logged
from newage.domain.model import KeyRecord
from newage.services.accounts.digests import KeyDigests

RECORD = KeyRecord(client_id="ann", hash="h", created_at=1.0)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    return tmp_path / "keys" / "digest_secret"


def loaded(home: Path | None, secret: bytes = b"s" * 32) -> KeyDigests:
    digests = KeyDigests(secret, home)
    digests.load()
    return digests


def test_two_hubs_of_one_home_have_one_secret(secret: Path, tmp_path: Path) -> None:
    first, second = loaded(tmp_path, b"1" * 32), loaded(tmp_path, b"2" * 32)
    record = first.noted(RECORD, b"key")
    assert second.decides(record)
    assert second.fits(record, b"key")
    assert not second.fits(record, b"other")
    assert secret.read_text("ascii") == (b"1" * 32).hex() + "\n"
    assert [path.name for path in secret.parent.iterdir()] == ["digest_secret"]


def test_without_a_home_it_is_kept_in_memory() -> None:
    first, second = loaded(None), loaded(None, b"2" * 32)
    record = first.noted(RECORD, b"key")
    assert first.fits(record, b"key")
    assert not second.decides(record)
    assert not second.fits(record, b"key")
    assert not first.fits(RECORD, b"key")


def test_a_secret_that_others_can_read_is_closed(secret: Path, tmp_path: Path) -> None:
    loaded(tmp_path)
    secret.chmod(0o644)
    loaded(tmp_path)
    assert secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"00ff\n", b"not hexadecimal", b"\xff" * 64, b"0" * 4096])
def test_a_damaged_one_is_made_anew_and_the_log_says_so(
    secret: Path, tmp_path: Path, content: bytes, logged: Logged
) -> None:
    secret.write_bytes(content)
    record = loaded(tmp_path).noted(RECORD, b"key")
    assert loaded(tmp_path, b"2" * 32).fits(record, b"key")
    (line,) = logged()
    assert line.startswith(f"{secret} is not usable and made anew: ")


def test_a_link_is_not_followed(secret: Path, tmp_path: Path, logged: Logged) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("00" * 32, "ascii")
    secret.symlink_to(elsewhere)
    loaded(tmp_path)
    assert not secret.is_symlink()
    assert elsewhere.read_text("ascii") == "00" * 32
    assert len(logged()) == 1


def test_where_it_cannot_be_written_digests_last_as_long_as_the_hub(tmp_path: Path, logged: Logged) -> None:
    digests = loaded(tmp_path)
    assert digests.fits(digests.noted(RECORD, b"key"), b"key")
    (line,) = logged()
    assert "cannot be written, so each first login after a start takes longer" in line


def test_parts_are_told_apart() -> None:
    digests = loaded(None)
    assert digests.of(b"ab", b"c") != digests.of(b"a", b"bc")
