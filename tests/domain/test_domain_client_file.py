"""What two settings files say of one client together."""

from __future__ import annotations

from newage.domain.client_file import ClientFile


def test_one_file_stands_for_itself() -> None:
    one = ClientFile(client_id="web1", trusted=True)
    assert one.joined(None) is one


def test_two_files_say_more_together() -> None:
    one = ClientFile(client_id="web1", trusted=True, password_hash="$1")
    other = ClientFile(client_id="web1", password_hash="$2")
    assert other.joined(one) == ClientFile(client_id="web1", trusted=True, password_hash="$1")


def test_an_administrator_is_trusted_by_the_same_file() -> None:
    untrusted, trusted = ClientFile(client_id="a", admin=True), ClientFile(client_id="a", trusted=True)
    assert not untrusted.joined(trusted).admin
    assert not trusted.joined(untrusted).admin
    both = ClientFile(client_id="a", admin=True, trusted=True)
    assert untrusted.joined(both).admin
    assert both.joined(untrusted).admin
