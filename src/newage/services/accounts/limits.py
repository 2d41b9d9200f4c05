"""Limits of authentication: keys, passwords, trust, attempts."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import and_, ge, le


@frozen(kw_only=True)
class AuthSettings:
    """What ``auth``, ``keys``, ``trust`` and ``hashing`` are bounded by (contract 2.4-2.9, A1, A7, A11)."""

    network_safe: bool = field(
        default=True,
        metadata={"doc": "local peers need no key, remote ones cannot administer; false: a key for everyone"},
    )
    local_admin: bool = field(
        default=True,
        metadata={
            "doc": "programs of the hub's own system user administer without a key; where nothing is said, false with "
            "behind_proxy, trusted_proxies or a listener beyond loopback"
        },
    )
    bcrypt_rounds: int = field(
        default=10, validator=and_(ge(4), le(14)), metadata={"doc": "cost of a new hash, as a power of two"}
    )
    hash_threads: int = field(default=2, validator=ge(1), metadata={"doc": "threads that compute hashes"})
    hash_queue_limit: int = field(
        default=1024, validator=ge(1), metadata={"doc": "hashes that may wait in all; beyond, logins are refused"}
    )
    hash_lane_limit: int = field(
        default=16, validator=ge(1), metadata={"doc": "hashes that may wait for one address and client id"}
    )
    key_cache_seconds: float = field(
        default=600.0, validator=ge(0), metadata={"doc": "seconds a verified key is remembered, as a keyed hash"}
    )
    key_cache_entries: int = field(
        default=20_000, validator=ge(1), metadata={"doc": "verified keys remembered at once"}
    )
    max_keys_per_client: int = field(
        default=8,
        validator=ge(1),
        metadata={"doc": "live keys of one client id; the oldest goes when one more is made"},
    )
    key_use_note_seconds: float = field(
        default=3600.0, validator=ge(0), metadata={"doc": "seconds between two notes of when a key was last used"}
    )
    max_client_keys: int = field(default=10_000, validator=ge(1), metadata={"doc": "client ids that may have keys"})
    max_runtime_trusted: int = field(
        default=10_000, validator=ge(1), metadata={"doc": "client ids trusted at run time, beside the settings files"}
    )
    max_self_trusted: int = field(
        default=32,
        validator=ge(0),
        metadata={"doc": "SillyTavern-<port> ids trusted because they identified themselves"},
    )
    trust_rescan_seconds: float = field(
        default=2.0, validator=ge(0), metadata={"doc": "seconds between two looks at settings/ for an unknown id"}
    )
    trust_refresh_seconds: float = field(
        default=30.0, validator=ge(0), metadata={"doc": "seconds after which settings/ is read again for a known id"}
    )
    max_client_files: int = field(default=10_000, validator=ge(1), metadata={"doc": "files of settings/ that are read"})
    max_failed_attempts: int = field(
        default=10, validator=ge(1), metadata={"doc": "failed logins of one address and client id per window"}
    )
    attempt_window_seconds: float = field(
        default=60.0, validator=ge(0), metadata={"doc": "seconds in which failed logins are counted together"}
    )
    attempt_lock_seconds: float = field(
        default=60.0, validator=ge(0), metadata={"doc": "seconds of refusal after too many failed logins"}
    )
    attempt_entries: int = field(
        default=10_000, validator=ge(1), metadata={"doc": "addresses and client ids whose failures are remembered"}
    )
    max_html_chars: int = field(default=4096, validator=ge(0), metadata={"doc": "characters kept of a client's html"})
    max_desc_chars: int = field(default=1024, validator=ge(0), metadata={"doc": "characters kept of a client's desc"})
