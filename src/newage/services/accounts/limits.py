"""Limits of authentication: keys, passwords, trust, attempts."""

from __future__ import annotations

from attrs import frozen

from newage.settings import limit, switch


@frozen(kw_only=True)
class AuthSettings:
    """What ``auth``, ``keys``, ``trust`` and ``hashing`` are bounded by (contract 2.4-2.9, A1, A7, A11)."""

    network_safe: bool = switch(
        True, "local peers need no key, remote ones cannot administer; false: a key for everyone"
    )
    local_admin: bool = switch(
        True,
        "programs of the hub's own system user administer without a key; where nothing is said, false with "
        "behind_proxy, trusted_proxies or a listener beyond loopback",
    )
    bcrypt_rounds: int = limit(10, "cost of a new hash, as a power of two", least=4, most=14)
    hash_threads: int = limit(2, "threads that compute hashes")
    hash_niceness: int = limit(
        10, "by how much these give way to everything else that the hub does (Linux)", least=0, most=19
    )
    hash_queue_limit: int = limit(1024, "hashes that may wait in all; beyond, logins are refused")
    hash_lane_limit: int = limit(16, "hashes that may wait for one address, client id and sort of secret")
    max_keys_per_client: int = limit(8, "live keys of one client id; the oldest goes when one more is made")
    key_use_note_seconds: float = limit(3600.0, "seconds between two notes of when a key was last used", least=0)
    max_client_keys: int = limit(10_000, "client ids that may have keys")
    max_runtime_trusted: int = limit(10_000, "client ids trusted at run time, beside the settings files")
    max_self_trusted: int = limit(32, "SillyTavern-<port> ids trusted because they identified themselves", least=0)
    trust_rescan_seconds: float = limit(2.0, "seconds between two looks at settings/ for an unknown id", least=0)
    trust_refresh_seconds: float = limit(30.0, "seconds after which settings/ is read again for a known id", least=0)
    max_client_files: int = limit(10_000, "files of settings/ that are read")
    max_failed_attempts: int = limit(
        10, "wrong passwords and keys of foreign form, of one client id and address, per window"
    )
    attempt_window_seconds: float = limit(60.0, "seconds in which these are counted together", least=0)
    attempt_lock_seconds: float = limit(
        60.0, "seconds in which nothing of that kind is looked at after too many", least=0
    )
    max_failed_attempts_per_id: int = limit(50, "the same of one client id from all addresses that never were right")
    attempt_per_id_seconds: float = limit(30.0, "seconds after which one of those is forgotten", least=0.001)
    attempt_entries: int = limit(10_000, "addresses and client ids of which failures, or rightness, are remembered")
    pairing_seconds: float = limit(300.0, "seconds for which a pairing code is good", least=1, most=3600)
    pairing_wrong_tries: int = limit(5, "wrong tries, whoever makes them, that end a pairing code", most=100)
    pairing_tries_per_minute: int = limit(5, "pairing codes that one address may try in a minute", most=100)
    max_html_chars: int = limit(4096, "characters kept of a client's html", least=0)
    max_desc_chars: int = limit(1024, "characters kept of a client's desc", least=0)
