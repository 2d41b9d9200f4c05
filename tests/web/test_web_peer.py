"""Who a peer is and which pages may speak to us: contract 2.12, A1-A3, B1, 16.3.19 and 16.3.34."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from newage.domain.model import Agent, Peer
from newage.errors import ConfigError
from newage.web.claims import Claims
from newage.web.peer import FOREIGN_HOST, Judgement, PeerJudge, is_near, parse_address, split_host
from newage.web.settings import WebSettings

REMOTE = Peer("203.0.113.7")
HERE, AWAY = "127.0.0.1", "203.0.113.7"


def judge(**changes: Any) -> PeerJudge:
    return PeerJudge.of(evolve(WebSettings(), **changes))


def permits(known: PeerJudge, address: str, hosts: tuple[str, ...], origins: tuple[str, ...]) -> bool:
    return not known.judge(Claims(address, hosts=hosts, origins=origins)).refusal


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
def test_addresses_are_normalised(text: str, expected: str | None) -> None:
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
def test_host_of_an_authority(text: str, host: str | None) -> None:
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
def test_near_hosts(host: str) -> None:
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
def test_far_hosts(host: str) -> None:
    assert not is_near(host)


# ---------------------------------------------------------------------------------------------------------- locality

SILLYTAVERN = "http://127.0.0.1:8000"


def claims(address: str = "127.0.0.1", **others: Any) -> Claims:
    """What a program on this machine says, and what is different."""
    return Claims(address, **{"hosts": ("localhost:4000",), **others})


def xff(*values: str) -> dict[str, Any]:
    return {"forwarding": ("X-Forwarded-For",), "forwarded_for": values}


def forwarded(value: str) -> dict[str, Any]:
    return {"forwarding": ("Forwarded",), "forwarded": (value,)}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1"])
def test_where_every_witness_agrees_a_peer_is_local(address: str) -> None:
    found = judge().judge(claims(address))
    assert found.peer == Peer(str(parse_address(address)), local=True, near=True)
    assert found == Judgement(found.peer, loopback=True)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:4000", "app.localhost", "LOCALHOST.", "127.0.0.1:4000", "127.9.9.9", "[::1]:4000"]
)
def test_names_by_which_a_machine_calls_itself_are_local(host: str) -> None:
    assert judge().judge(claims(hosts=(host,))).peer.local


@pytest.mark.parametrize(
    ("dissenter", "words"),
    [
        ({"http11": False}, "HTTP/1.0"),
        ({"forwarding": ("X-Real-IP",)}, "X-Real-IP"),
        ({"forwarding": ("Via",)}, "Via"),
        (xff("127.0.0.1"), "X-Forwarded-For"),
        (xff(""), "X-Forwarded-For"),
        (forwarded("for=127.0.0.1"), "Forwarded"),
        ({"hosts": ("192.168.1.5:4000",)}, "Host"),
        ({"hosts": ("host.docker.internal:4000",)}, "Host"),
        ({"hosts": ("host.containers.internal:4000",)}, "Host"),
        ({"hosts": ("nas.local:4000",)}, "Host"),
        ({"hosts": ("100.101.102.103:4000",)}, "Host"),
        ({"hosts": ("hub.example",)}, "Host"),
        ({"hosts": ()}, "Host"),
        ({"hosts": ("localhost", "localhost")}, "Host"),
        ({"origins": ("http://192.168.1.20:8000",)}, "Origin"),
        ({"origins": ("http://nas.local",)}, "Origin"),
        ({"origins": ("http://evil.example",)}, "Origin"),
        ({"origins": ("null",)}, "Origin"),
        ({"origins": ("http://localhost", "http://localhost")}, "Origin"),
        ({"origins": (SILLYTAVERN, "http://evil.example")}, "Origin"),
        ({"fetch_sites": ("cross-site",), "fetched": True}, "Sec-Fetch-Site"),
        ({"fetch_sites": ("same-origin", "cross-site"), "fetched": True}, "Sec-Fetch-Site"),
    ],
)
def test_one_dissenting_witness_makes_a_peer_remote(dissenter: dict[str, Any], words: str) -> None:
    """B1, by name: http10_is_remote, private_origin_is_remote, forwarded_loopback_is_remote and their kin."""
    found = judge().judge(claims(**dissenter))
    assert not found.peer.local and not found.loopback
    assert words in found.dissent


@pytest.mark.parametrize("origin", [SILLYTAVERN, "http://localhost:8000", "https://app.localhost", "http://[::1]:8000"])
def test_the_page_of_a_local_sillytavern_is_local(origin: str) -> None:
    assert judge().judge(claims(origins=(origin,))).peer.local
    assert judge().judge(claims(origins=(origin,), fetch_sites=("cross-site",), fetched=True)).peer.local


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
def test_fetch_metadata_of_this_machine_is_no_dissent(site: str) -> None:
    assert judge().judge(claims(fetch_sites=(site,), fetched=True)).peer.local


def test_an_origin_that_is_listed_by_name_is_no_dissent() -> None:
    listed = judge(cors_origins=["local", "https://chat.example", "friend.example"])
    for origin in ("https://chat.example", "http://friend.example:99"):
        found = listed.judge(claims(origins=(origin,), fetch_sites=("cross-site",), fetched=True))
        assert found.peer.local
    assert not judge(cors_origins="*").judge(claims(origins=("https://chat.example",))).peer.local


def test_allowed_hosts_make_nobody_local() -> None:
    known = judge(allowed_hosts=["hub.example"], server_address="https://me.example")
    for host in ("hub.example", "me.example"):
        found = known.judge(claims(hosts=(host,)))
        assert not found.peer.local
        assert not found.refusal


@pytest.mark.parametrize("address", ["192.168.1.5", "fe80::1"])
def test_private_addresses_are_remote_and_near(address: str) -> None:
    found = judge().judge(claims(address))
    assert found == Judgement(Peer(address, near=True))


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::1"])
def test_everything_else_is_remote(address: str) -> None:
    assert judge().judge(claims(address)) == Judgement(Peer(address))


@pytest.mark.parametrize("address", ["", "/tmp/socket", "nonsense"])
def test_what_has_no_address_is_remote(address: str) -> None:
    assert judge().judge(claims(address)).peer == Peer(address)


@pytest.mark.parametrize("host", ["192.168.1.2:4000", "[fd00::2]:4000", "100.101.102.103", "hub.local", "hub.example"])
def test_a_trusted_network_is_local_by_an_address_or_a_name_of_ours(host: str) -> None:
    known = judge(trusted_networks=["192.168.0.0/16"], allowed_hosts=["hub.example"])
    found = known.judge(claims("192.168.1.5", hosts=(host,)))
    assert found == Judgement(Peer("192.168.1.5", local=True, near=True))
    own = known.judge(claims("192.168.1.5", hosts=(host,), origins=(f"http://{host}",)))
    assert own.peer.local
    assert not known.judge(claims("192.168.1.5", hosts=(host,), origins=("http://192.168.1.2:8080",))).peer.local
    assert known.judge(claims("192.168.1.5", hosts=("other.example",))).refusal


def test_loopback_in_a_trusted_network_is_judged_as_loopback() -> None:
    known = judge(trusted_networks=["127.0.0.0/8"])
    assert not known.judge(claims(hosts=("192.168.1.2",))).peer.local
    assert known.judge(claims()).loopback


def test_admin_and_bootstrap_addresses() -> None:
    known = judge(admin_addresses=["203.0.113.7"], bootstrap_addresses=["203.0.113.0/24"])
    assert known.judge(claims("203.0.113.7")).peer == Peer("203.0.113.7", admin=True, bootstrap=True)
    assert known.judge(claims("203.0.113.8")).peer == Peer("203.0.113.8", bootstrap=True)


def test_administrators_may_come_from_anywhere_where_any_is_said() -> None:
    assert judge(admin_addresses=["any"]).judge(claims("203.0.113.8", http11=False)).peer.admin
    assert judge(admin_addresses=["any", "10.0.0.1"]).judge(claims("203.0.113.8")).peer.admin


def test_a_listed_loopback_address_helps_no_foreign_page() -> None:
    known = judge(bootstrap_addresses=["127.0.0.1", "10.0.0.0/8"])
    assert known.judge(claims()).peer.bootstrap
    assert not known.judge(claims(origins=("http://192.168.1.20",))).peer.bootstrap
    assert known.judge(claims("10.0.0.7", hosts=("192.168.1.2",))).peer.bootstrap


@pytest.mark.parametrize("header", [xff("127.0.0.1"), forwarded("for=127.0.0.1"), xff(""), {"forwarding": ("Via",)}])
def test_forwarding_header_from_a_stranger_makes_remote(header: dict[str, Any]) -> None:
    """A2: an unknown proxy on this machine must not turn the internet into loopback."""
    assert judge().judge(claims(**header)).peer == Peer("127.0.0.1")


@pytest.mark.parametrize("doubt", [xff("1.2.3.4"), {"http11": False}])
def test_who_is_unknown_has_no_rights_of_an_address(doubt: dict[str, Any]) -> None:
    known = judge(admin_addresses=["203.0.113.7", "10.0.0.7"], bootstrap_addresses=["203.0.113.7", "10.0.0.7"])
    assert known.judge(claims("203.0.113.7", **doubt)).peer == REMOTE
    assert known.judge(claims("10.0.0.7", **doubt)).peer == Peer("10.0.0.7")


@pytest.mark.parametrize(
    ("values", "address"),
    [
        (("203.0.113.7",), "203.0.113.7"),
        (("127.0.0.1, 203.0.113.7",), "203.0.113.7"),  # the left one is the client's own invention
        (("127.0.0.1", "203.0.113.7"), "203.0.113.7"),
        (("203.0.113.7, 10.0.0.2, 10.0.0.1",), "203.0.113.7"),  # two proxies of ours
        (("10.0.0.2, 10.0.0.1",), "10.0.0.2"),  # all are proxies: the leftmost
        (("203.0.113.7:5555",), "203.0.113.7"),
        (("[2001:db8::1]:5555",), "2001:db8::1"),
        (("2001:db8::1",), "2001:db8::1"),
        (("unknown",), "10.0.0.1"),
        (("127.0.0.1,",), "10.0.0.1"),
        (("127.0.0.1, garbage, 10.0.0.2",), "10.0.0.1"),
    ],
)
def test_trusted_proxy_is_believed_from_the_right(values: tuple[str, ...], address: str) -> None:
    peer = judge(trusted_proxies=["10.0.0.0/8"]).judge(claims("10.0.0.1", **xff(*values))).peer
    assert (peer.address, peer.local) == (address, False)


@pytest.mark.parametrize("value", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "127.9.9.9"])
@pytest.mark.parametrize("proxy", ["10.0.0.1", "127.0.0.1"])
def test_forwarded_loopback_is_remote(value: str, proxy: str) -> None:
    """An address that a header names is never loopback: a proxy may pass on what the client said of itself."""
    known = judge(trusted_proxies=["10.0.0.0/8", "127.0.0.1"], trusted_networks=["127.0.0.0/8"])
    assert known.judge(claims(proxy, **xff(value))).peer == Peer(proxy)


def test_a_trusted_proxy_may_say_that_somebody_is_of_a_trusted_network() -> None:
    for behind in (False, True):
        known = judge(trusted_proxies=["127.0.0.1"], trusted_networks=["192.168.1.0/24"], behind_proxy=behind)
        found = known.judge(claims(**xff("192.168.1.5")))
        assert found.peer == Peer("192.168.1.5", local=True, near=True)
        assert known.judge(claims(**xff("192.168.2.5"))).peer == Peer("192.168.2.5", near=True)


def test_a_trusted_proxy_that_says_nothing_makes_remote() -> None:
    known = judge(trusted_proxies=["10.0.0.1"], trusted_networks=["10.0.0.0/8"], admin_addresses=["10.0.0.1"])
    assert known.judge(claims("10.0.0.1")).peer == Peer("10.0.0.1")
    assert known.judge(claims("10.0.0.2")).peer.local


def test_a_local_sillytavern_that_comes_directly_stays_local_beside_a_trusted_proxy() -> None:
    known = judge(trusted_proxies=["127.0.0.1", "::1"])
    assert known.judge(claims(origins=(SILLYTAVERN,))).peer.local
    assert not known.judge(claims(http11=False)).peer.local
    assert not known.judge(claims(forwarding=("X-Real-IP",))).peer.local


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.2.100"])
def test_podman_loopback_is_remote(address: str) -> None:
    """Rootless Podman shows 127.0.0.1 for everybody: with ``behind_proxy`` nobody is local who is not called so."""
    known = judge(behind_proxy=True, trusted_networks=["10.0.2.0/24"])
    found = known.judge(claims(address))
    assert not found.peer.local and not found.loopback
    assert "behind_proxy" in found.dissent
    assert judge().behind_proxy() == judge(behind_proxy=True)


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
        ('for=203.0.113.7;host="x,for=192.168.1.9"', "203.0.113.7"),  # what a guest may write into Host
        ('host="x;for=192.168.1.9";for=203.0.113.7', "203.0.113.7"),
        ('for=203.0.113.7;host="x\\",for=192.168.1.9"', "203.0.113.7"),
        ('", for=192.168.1.9', "10.0.0.1"),
        (' for = "203.0.113.7" ; , ;for=10.0.0.2', "203.0.113.7"),
        ('for="203.0.113.7', "10.0.0.1"),
    ],
)
def test_forwarded_header_of_a_trusted_proxy(value: str, address: str) -> None:
    peer = judge(trusted_proxies=["10.0.0.0/8"]).judge(claims("10.0.0.1", **forwarded(value))).peer
    assert peer.address == address
    assert not peer.local


def test_both_forwarding_headers_together_are_not_believed() -> None:
    both = {
        "forwarding": ("X-Forwarded-For", "Forwarded"),
        "forwarded_for": ("1.2.3.4",),
        "forwarded": ("for=1.2.3.4",),
    }
    assert judge(trusted_proxies=["10.0.0.1"]).judge(claims("10.0.0.1", **both)).peer == Peer("10.0.0.1")


def test_dissent_is_told_of_local_sockets_only() -> None:
    known = judge(trusted_networks=["10.0.0.0/8"])
    assert known.judge(claims("10.0.0.7", http11=False)).dissent
    assert not known.judge(claims("192.168.1.7", http11=False)).dissent


# -------------------------------------------------------------------------------------------------- programs and pages


@pytest.mark.parametrize(
    ("said", "agent"),
    [
        ({}, Agent.PROGRAM),
        ({"origins": ("http://localhost:4000",)}, Agent.OWN_PAGE),
        ({"origins": ("http://localhost:4000",), "fetch_sites": ("same-origin",), "fetched": True}, Agent.OWN_PAGE),
        ({"fetch_sites": ("same-origin",), "fetched": True}, Agent.OWN_PAGE),  # a GET of its own page
        ({"origins": ("http://localhost:8000",)}, Agent.PAGE),  # another port of loopback
        ({"origins": ("http://127.0.0.1:4000",)}, Agent.PAGE),
        ({"origins": ("http://localhost",)}, Agent.PAGE),
        ({"origins": ("http://LOCALHOST", "hosts"), "hosts": ("localhost",)}, Agent.PAGE),
        ({"origins": ("http://LOCALHOST",), "hosts": ("localhost:80",)}, Agent.OWN_PAGE),
        ({"origins": ("https://hub.example",), "hosts": ("hub.example",)}, Agent.OWN_PAGE),
        ({"origins": ("https://hub.example:8443",), "hosts": ("hub.example:8443",)}, Agent.OWN_PAGE),
        ({"origins": ("http://[::1]:4000",), "hosts": ("[::1]:4000",)}, Agent.OWN_PAGE),
        ({"origins": ("http://evil.example",), "hosts": ("evil.example",)}, Agent.PAGE),  # rebound
        ({"origins": ("ftp://localhost:4000",)}, Agent.PAGE),
        ({"origins": ("http://a b",)}, Agent.PAGE),
        ({"origins": ("null",)}, Agent.PAGE),
        ({"origins": ("http://localhost:4000",), "hosts": ()}, Agent.PAGE),
        ({"origins": ("http://localhost:4000", "http://localhost:4000")}, Agent.PAGE),
        ({"fetch_sites": ("same-site",), "fetched": True}, Agent.PAGE),
        ({"fetch_sites": ("none",), "fetched": True}, Agent.PAGE),
        ({"fetched": True}, Agent.PAGE),
        ({"origins": ("https://desk.example",)}, Agent.OWN_PAGE),  # listed in admin_origins
    ],
)
def test_what_sends_a_request(said: dict[str, Any], agent: Agent) -> None:
    known = judge(allowed_hosts=["hub.example"], admin_origins=["https://desk.example/"])
    assert known.judge(claims(**said)).peer.agent is agent


def test_proxies_are_known() -> None:
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
def test_near_origins_are_accepted(origin: str) -> None:
    assert permits(judge(), HERE, ("localhost:4000",), (origin,))
    assert permits(judge(), AWAY, ("hub.example",), (origin,))


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
def test_other_origins_are_refused(origin: str) -> None:
    assert not permits(judge(), HERE, ("localhost:4000",), (origin,))


@pytest.mark.parametrize(
    "host",
    [
        "192.168.1.5:4000",
        "100.101.102.103:4000",
        "203.0.113.7",
        "[2001:db8::1]:4000",
        "host.docker.internal:4000",
        "host.containers.internal",
        "nas.local",
    ],
)
def test_host_docker_internal_needs_key_but_is_no_403(host: str) -> None:
    """B1: nobody can rebind an address, and containers call this machine so. Their peers are remote."""
    found = judge().judge(Claims(HERE, hosts=(host,), origins=(f"http://{host}",)))
    assert not found.refusal
    assert not found.peer.local
    assert not judge().judge(Claims(HERE, hosts=(host,))).refusal


def test_which_hosts_are_refused() -> None:
    known = judge(allowed_hosts=["hub.example"], trusted_networks=["10.0.0.0/8"])

    def refused(known: PeerJudge, address: str, *hosts: str, **more: Any) -> bool:
        return known.judge(Claims(address, hosts=hosts, **more)).refusal == FOREIGN_HOST

    for address in (HERE, "10.0.0.7"):
        assert not refused(known, address, "hub.example")
        assert refused(known, address, "evil.example")
        assert refused(known, address, "localhost", "localhost")
        assert refused(known, address)
        assert not refused(known, address, "evil.example", forwarding=("Via",))
    assert not refused(known, AWAY, "evil.example")
    assert not refused(known, "", "evil.example")
    assert not refused(judge(cors_origins="*"), HERE, "evil.example")


def test_no_origin_is_accepted() -> None:
    assert permits(judge(), HERE, ("localhost:4000",), ())
    assert permits(judge(), AWAY, ("anything.example",), ())
    assert permits(judge(), AWAY, (), ())


def test_two_origins_are_refused() -> None:
    assert not permits(judge(), HERE, ("localhost",), ("http://localhost", "http://localhost"))


@pytest.mark.parametrize("hosts", [("evil.example",), ("evil.example:4000",), (), ("localhost", "localhost"), ("",)])
def test_rebound_host_is_refused_to_a_local_peer(hosts: tuple[Any, ...] | tuple[str, ...]) -> None:
    """A3: a same-origin GET carries no Origin, so the Host decides."""
    assert not permits(judge(), HERE, hosts, ())


def test_origin_equal_to_a_foreign_host_is_refused() -> None:
    """A3: after DNS rebinding both are the attacker's name."""
    assert not permits(judge(), HERE, ("evil.example:4000",), ("http://evil.example:4000",))
    assert not permits(judge(), AWAY, ("evil.example:4000",), ("http://evil.example:4000",))


def test_origin_equal_to_our_own_host_is_accepted() -> None:
    known = judge(allowed_hosts=["hub.example"])
    assert permits(known, AWAY, ("hub.example:443",), ("https://hub.example",))
    assert permits(known, HERE, ("hub.example",), ())
    assert not permits(known, AWAY, ("localhost",), ("https://hub.example",))
    assert permits(judge(server_address="https://me.example:4000"), HERE, ("me.example",), ("http://me.example",))
    assert permits(judge(server_address="me.example"), HERE, ("me.example",), ())


def test_star_restores_the_reference() -> None:
    assert permits(judge(cors_origins="*"), HERE, ("evil.example",), ("http://evil.example",))


def test_list_of_origins() -> None:
    listed = judge(cors_origins=["https://app.example/", "friend.example"])
    assert permits(listed, AWAY, ("hub.example",), ("https://app.example",))
    assert permits(listed, AWAY, ("hub.example",), ("http://friend.example:99",))
    assert not permits(listed, AWAY, ("hub.example",), ("http://app.example",))
    assert not permits(listed, HERE, ("localhost:4000",), ("http://127.0.0.1:8000",))
    assert permits(listed, HERE, ("localhost:4000",), ("http://localhost:4000",))  # its own pages
    with_near = judge(cors_origins=["local", "https://app.example"])
    assert permits(with_near, HERE, ("localhost:4000",), ("http://127.0.0.1:8000",))


@pytest.mark.parametrize("name", ["trusted_proxies", "trusted_networks", "admin_addresses", "bootstrap_addresses"])
def test_wrong_networks_are_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        judge(**{name: ["300.1.1.1"]})
