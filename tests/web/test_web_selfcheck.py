"""The hub asks itself by the address that people use (contract B1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.web.iweb import IAgent
from web_doubles import House, with_settings
from zope.interface import implementer

from logkit import Logged
from newage.web.selfcheck import SECONDS, SelfCheck, question

ADDRESS = "http://hub.example"


@implementer(IAgent)
@define
class Asked:
    """An agent that keeps what it is asked; the test answers."""

    urls: list[str] = field(factory=list)
    waiting: list[Deferred[Any]] = field(factory=list)

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[Any]:
        assert method == b"GET"
        self.urls.append(uri.decode())
        self.waiting.append(Deferred())
        return self.waiting[-1]


@define
class Answer:
    code: int


class Checked:
    """A house that has begun to ask itself."""

    def __init__(self, **settings: Any) -> None:
        wanted = with_settings(**{"server_address": ADDRESS, **settings})
        self.house = House(wanted)
        self.agent = Asked()
        self.check = SelfCheck(self.house.clock, self.agent, wanted, self.house.site.gate, self.house.engines)
        self.check.startService()

    def arrives(self, address: str = "127.0.0.1", **headers: Any) -> None:
        """The question comes in, as a proxy passes it on; then its answer goes back."""
        (url,) = self.agent.urls
        parts = urlsplit(url)
        response = self.house.line(address).ask(f"{parts.path}?{parts.query}", **headers)
        assert response.summary == (204, b"")
        self.agent.waiting[0].callback(Answer(204))

    def takes_for_local(self, **headers: Any) -> bool:
        self.house.ask("/socket.io/?EIO=4&transport=polling", **headers)
        connection = self.house.engines.get(f"sid{self.house._made}")
        assert connection is not None
        return connection.peer.local


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("http://localhost", ""),
        ("http://localhost:4000", ""),
        ("localhost", ""),
        ("http://127.0.0.1:80", ""),
        ("http://[::1]", ""),
        ("", ""),
        ("http://", ""),
        ("ftp://hub.example", ""),
        ("http://hub.example", "http://hub.example/socket.io/"),
        ("hub.example:8080", "http://hub.example:8080/socket.io/"),
        ("https://hub.example/", "https://hub.example/socket.io/"),
        ("http://192.168.1.5:4000", "http://192.168.1.5:4000/socket.io/"),
    ],
)
def test_only_an_address_of_others_is_asked(address: str, asked: str) -> None:
    assert question(with_settings(server_address=address)) == asked
    assert bool(Checked(server_address=address).agent.urls) is bool(asked)


def test_a_proxy_that_makes_everybody_local_is_found(logged: Logged) -> None:
    checked = Checked()
    assert checked.takes_for_local()
    early = checked.house.engines.get("sid1")
    checked.arrives(Host="127.0.0.1:4000")
    assert not checked.takes_for_local()
    assert early is not None and early.closed, "who came before is no more certain"
    (line,) = [line for line in logged() if "looks like a program on this machine" in line]
    assert "behind_proxy" in line and "trusted_proxies" in line and "newage-self" not in line


@pytest.mark.parametrize("headers", [{"X_Real_IP": "1.2.3.4"}, {"Host": "hub.example"}])
def test_a_proxy_that_shows_itself_changes_nothing(logged: Logged, headers: dict[str, str]) -> None:
    checked = Checked()
    checked.arrives(**headers)
    assert checked.takes_for_local()
    assert any("counts as remote" in line for line in logged())


def test_a_proxy_in_a_trusted_network_is_found() -> None:
    checked = Checked(trusted_networks=["10.0.0.0/8"])
    checked.arrives("10.0.0.5", Host="hub.example")
    assert not checked.takes_for_local()


def test_a_hub_that_is_asked_directly_in_a_trusted_network_goes_on_trusting_it() -> None:
    """MemoryTransport's own end is 127.0.0.1; the address asked is loopback, but under a name of ours."""
    checked = Checked(trusted_networks=["127.0.0.0/8"], server_address="http://192.168.1.5:4000")
    checked.arrives(Host="192.168.1.5:4000")
    assert checked.takes_for_local()


def test_another_value_is_no_answer_of_ours() -> None:
    checked = Checked()
    target = "/socket.io/?newage-self="
    assert checked.house.ask(target + "x" * 22, Host="127.0.0.1").status == 400
    assert checked.house.ask(target + "é", Host="127.0.0.1").status == 400
    assert checked.takes_for_local()
    checked.arrives()
    again = checked.house.ask(urlsplit(checked.agent.urls[0]).path + "?" + urlsplit(checked.agent.urls[0]).query)
    assert again.status == 400, "once"


def test_no_answer_is_one_line(logged: Logged) -> None:
    checked = Checked()
    checked.house.clock.advance(SECONDS)
    (line,) = [line for line in logged() if "could not be tried" in line]
    assert "no answer" in line
    assert checked.takes_for_local()


def test_a_refused_connection_is_one_line(logged: Logged) -> None:
    checked = Checked()
    checked.agent.waiting[0].errback(Refused())
    (line,) = [line for line in logged() if "could not be tried" in line]
    assert "refused" in line


def test_the_answer_of_another_server_is_one_line(logged: Logged) -> None:
    checked = Checked()
    checked.agent.waiting[0].callback(Answer(301))
    (line,) = [line for line in logged() if "could not be tried" in line]
    assert "301" in line


def test_a_stop_ends_the_question_in_silence(logged: Logged) -> None:
    checked = Checked()
    checked.check.stopService()
    assert not [line for line in logged() if "could not be tried" in line]
    assert not checked.house.clock.getDelayedCalls()
    Checked(server_address="http://localhost").check.stopService()
