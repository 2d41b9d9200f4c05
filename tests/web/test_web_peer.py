"""Who a peer is and which pages may speak to us: contract 2.12, A1-A3, 16.3.19 and 16.3.34."""

from __future__ import annotations

import pytest
from attrs import evolve

from newage.domain.model import Peer
from newage.errors import ConfigError
from newage.web.peer import PeerJudge, is_near, parse_address, split_host
from newage.web.settings import WebSettings

REMOTE = Peer("203.0.113.7")
HERE = Peer("127.0.0.1", local=True, admin=True, bootstrap=True)


def judge(**changes: object) -> PeerJudge:
    return PeerJudge.of(evolve(WebSettings(), **changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        (" ::1 ", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("1.2.3", None),
        ("host", None),
        ("", None),
    ],
)
def test_addresses_are_normalised(text, expected):
    parsed = parse_address(text)
    assert (None if parsed is None else str(parsed)) == expected


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("example.com:4000", "example.com"),
        ("localhost", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::1]:4000", "::1"),
        ("[::1]4000", None),
        ("[::1]:", None),
        ("[::1", None),
        ("[host]", None),
        ("[fe80::1%25eth0]", None),
        ("[127.0.0.1%lo]", None),
        ("user@example.com", None),
        ("example.com:port", None),
        ("example.com:", None),
        ("a b", None),
        ("", None),
        ("::1", None),
        ("exa\u00e9mple", None),
    ],
)
def test_host_of_an_authority(text, host):
    assert split_host(text) == host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "app.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "fd00::1",
        "fe80::1",
        "printer.local",
        "::ffff:192.168.1.1",
    ],
)
def test_near_hosts(host):
    assert is_near(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "8.8.8.8",
        "172.32.0.1",
        "0.0.0.0",
        "2001:db8::1",
        "notlocal",
        "local.example",
        "localhost.evil.example",
    ],
)
def test_far_hosts(host):
    assert not is_near(host)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1"])
def test_loopback_is_local_and_may_everything(address):
    peer = judge().peer(address, (), ())
    assert peer.local and peer.admin and peer.bootstrap


@pytest.mark.parametrize("address", ["192.168.1.5", "203.0.113.7", "fe80::1", "2001:db8::1"])
def test_everything_else_is_remote(address):
    assert judge().peer(address, (), ()) == Peer(address)


@pytest.mark.parametrize("address", ["", "/tmp/socket", "nonsense"])
def test_what_has_no_address_is_remote(address):
    assert judge().peer(address, (), ()) == Peer(address)


def test_trusted_network_is_local_but_no_admin():
    peer = judge(trusted_networks=["192.168.0.0/16"]).peer("192.168.1.5", (), ())
    assert peer == Peer("192.168.1.5", local=True)


def test_admin_and_bootstrap_addresses():
    settings = {"admin_addresses": ["203.0.113.7"], "bootstrap_addresses": ["203.0.113.0/24"]}
    assert judge(**settings).peer("203.0.113.7", (), ()) == Peer("203.0.113.7", admin=True, bootstrap=True)
    assert judge(**settings).peer("203.0.113.8", (), ()) == Peer("203.0.113.8", bootstrap=True)


@pytest.mark.parametrize(("xff", "forwarded"), [(("127.0.0.1",), ()), ((), ("for=127.0.0.1",)), (("",), ())])
def test_forwarding_header_from_a_stranger_makes_remote(xff, forwarded):
    """A2: an unknown proxy on this machine must not turn the internet into loopback."""
    assert judge().peer("127.0.0.1", xff, forwarded) == Peer("127.0.0.1")


def test_forwarding_header_from_a_stranger_takes_admin_rights_too():
    assert judge(admin_addresses=["203.0.113.7"]).peer("203.0.113.7", ("1.2.3.4",), ()) == REMOTE


@pytest.mark.parametrize(
    ("values", "address", "local"),
    [
        (("203.0.113.7",), "203.0.113.7", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("127.0.0.1, 203.0.113.7",), "203.0.113.7", False),  # the left one is the client's own invention
        (("127.0.0.1", "203.0.113.7"), "203.0.113.7", False),
        (("203.0.113.7, 10.0.0.2, 10.0.0.1",), "203.0.113.7", False),  # two proxies of ours
        (("10.0.0.2, 10.0.0.1",), "10.0.0.2", False),  # all are proxies: the leftmost
        (("203.0.113.7:5555",), "203.0.113.7", False),
        (("[2001:db8::1]:5555",), "2001:db8::1", False),
        (("2001:db8::1",), "2001:db8::1", False),
        (("::ffff:127.0.0.1",), "127.0.0.1", True),
        (("unknown",), "10.0.0.1", False),
        (("127.0.0.1,",), "10.0.0.1", False),
        (("127.0.0.1, garbage, 10.0.0.2",), "10.0.0.1", False),
    ],
)
def test_trusted_proxy_is_believed_from_the_right(values, address, local):
    peer = judge(trusted_proxies=["10.0.0.0/8"]).peer("10.0.0.1", values, ())
    assert (peer.address, peer.local) == (address, local)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("for=203.0.113.7", "203.0.113.7"),
        ('For="[2001:db8::1]:80";proto=http', "2001:db8::1"),
        ("for=203.0.113.7, for=10.0.0.2", "203.0.113.7"),
        ("proto=http;for=203.0.113.7;by=10.0.0.1", "203.0.113.7"),
        ("for=_hidden", "10.0.0.1"),
        ("for=127.0.0.1, proto=http", "10.0.0.1"),
        ("notfor=127.0.0.1", "10.0.0.1"),
    ],
)
def test_forwarded_header_of_a_trusted_proxy(value, address):
    peer = judge(trusted_proxies=["10.0.0.0/8"]).peer("10.0.0.1", (), (value,))
    assert peer.address == address
    assert not peer.local


def test_both_forwarding_headers_together_are_not_believed():
    peer = judge(trusted_proxies=["10.0.0.1"]).peer("10.0.0.1", ("127.0.0.1",), ("for=127.0.0.1",))
    assert peer == Peer("10.0.0.1")


def test_proxies_are_known():
    assert judge(trusted_proxies=["10.0.0.0/8"]).is_proxy("10.3.3.3")
    assert not judge(trusted_proxies=["10.0.0.0/8"]).is_proxy("11.3.3.3")
    assert not judge().is_proxy("")


# ------------------------------------------------------------------------------------------------------------- origins


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8000",
        "https://localhost",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
        "http://192.168.1.20:8000",
        "http://nas.local",
        "HTTP://LOCALHOST:8000",
    ],
)
def test_near_origins_are_accepted(origin):
    assert judge().permits(HERE, ("localhost:4000",), (origin,))
    assert judge().permits(REMOTE, ("hub.example",), (origin,))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "file://",
        "chrome-extension://abcdef",
        "http://localhost@evil.example",
        "http://localhost.evil.example",
        "http://0.0.0.0:8000",
        "localhost",
        "http://",
    ],
)
def test_other_origins_are_refused(origin):
    assert not judge().permits(HERE, ("localhost:4000",), (origin,))


def test_no_origin_is_accepted():
    assert judge().permits(HERE, ("localhost:4000",), ())
    assert judge().permits(REMOTE, ("anything.example",), ())
    assert judge().permits(REMOTE, (), ())


def test_two_origins_are_refused():
    assert not judge().permits(HERE, ("localhost",), ("http://localhost", "http://localhost"))


@pytest.mark.parametrize("hosts", [("evil.example",), ("evil.example:4000",), (), ("localhost", "localhost"), ("",)])
def test_rebound_host_is_refused_to_a_local_peer(hosts):
    """A3: a same-origin GET carries no Origin, so the Host decides."""
    assert not judge().permits(HERE, hosts, ())


def test_origin_equal_to_a_foreign_host_is_refused():
    """A3: after DNS rebinding both are the attacker's name."""
    assert not judge().permits(HERE, ("evil.example:4000",), ("http://evil.example:4000",))
    assert not judge().permits(REMOTE, ("evil.example:4000",), ("http://evil.example:4000",))


def test_origin_equal_to_our_own_host_is_accepted():
    known = judge(allowed_hosts=["hub.example"])
    assert known.permits(REMOTE, ("hub.example:443",), ("https://hub.example",))
    assert known.permits(HERE, ("hub.example",), ())
    assert not known.permits(REMOTE, ("localhost",), ("https://hub.example",))
    assert judge(server_address="https://me.example:4000").permits(HERE, ("me.example",), ("http://me.example",))
    assert judge(server_address="me.example").permits(HERE, ("me.example",), ())


def test_star_restores_the_reference():
    assert judge(cors_origins="*").permits(HERE, ("evil.example",), ("http://evil.example",))


def test_list_of_origins():
    listed = judge(cors_origins=["https://app.example/", "friend.example"])
    assert listed.permits(REMOTE, ("hub.example",), ("https://app.example",))
    assert listed.permits(REMOTE, ("hub.example",), ("http://friend.example:99",))
    assert not listed.permits(REMOTE, ("hub.example",), ("http://app.example",))
    assert not listed.permits(HERE, ("localhost:4000",), ("http://127.0.0.1:8000",))
    assert listed.permits(HERE, ("localhost:4000",), ("http://localhost:4000",))  # its own pages
    with_near = judge(cors_origins=["local", "https://app.example"])
    assert with_near.permits(HERE, ("localhost:4000",), ("http://127.0.0.1:8000",))


@pytest.mark.parametrize("name", ["trusted_proxies", "trusted_networks", "admin_addresses", "bootstrap_addresses"])
def test_wrong_networks_are_named(name):
    with pytest.raises(ConfigError, match=name):
        judge(**{name: ["300.1.1.1"]})
