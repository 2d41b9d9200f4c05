"""Namespaces and their handlers."""

from __future__ import annotations

import pytest
from attrs import Attribute, fields

from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import ConnectRefused, Dispatcher, Namespace


def namespace(path: str) -> Namespace:
    return Namespace(path, connect=lambda socket, auth: None, disconnected=lambda socket, reason: None)


def test_a_namespace_is_found_by_its_path() -> None:
    dispatcher, llm = Dispatcher(), namespace("/llm")
    dispatcher.add(llm)
    assert dispatcher.get("/llm") is llm
    assert dispatcher.get("/other") is None
    with pytest.raises(ValueError):
        dispatcher.add(namespace("/llm"))


@pytest.mark.parametrize("path", ["", "llm", "/a,b"])
def test_a_path_that_could_not_be_written(path: str) -> None:
    with pytest.raises(ValueError):
        namespace(path)


@pytest.mark.parametrize("event", ["message", "connect", "disconnect", "newListener"])
def test_an_event_has_one_handler_and_a_name_that_can_arrive(event: str) -> None:
    llm = namespace("/llm")
    llm.on("message", lambda socket, args, wanted: None)
    with pytest.raises(ValueError):
        llm.on(event, lambda socket, args, wanted: None)


def test_a_refusal_is_an_object_for_the_client() -> None:
    assert ConnectRefused("no").data == {"message": "no"}
    assert ConnectRefused({"message": "no", "data": 1}).data == {"message": "no", "data": 1}


def test_every_limit_says_what_it_limits() -> None:
    assert all(field.metadata["doc"] for field in fields(GatewaySettings))


@pytest.mark.parametrize("field", fields(GatewaySettings), ids=lambda field: field.name)
def test_no_limit_may_be_zero(field: Attribute[int]) -> None:
    with pytest.raises(ValueError):
        GatewaySettings(**{field.name: 0})
