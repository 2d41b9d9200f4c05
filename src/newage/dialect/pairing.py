"""What is said of a pairing code, to who made it: by CREATE_PAIRING and by the command line (contract 3.6, B13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newage.dialect import Body
from newage.domain.pairing import Standing
from newage.errors import InvalidRequest


def code_of(body: Mapping[str, Any]) -> str:
    """:raises InvalidRequest: there is none."""
    code = body.get("code")
    if not isinstance(code, str):
        raise InvalidRequest("Invalid request data.")
    return code


def number_of(body: Mapping[str, Any]) -> int:
    """Whom a yes or no is about. :raises InvalidRequest: nobody is named."""
    number = body.get("confirm")
    if type(number) is not int:
        raise InvalidRequest("Invalid request data.")
    return number


def accepts(body: Mapping[str, Any]) -> bool:
    """Only a plain true is a yes."""
    return body.get("accept") is True


def made(code: str, seconds: float) -> Body:
    return {"code": code, "expiresIn": int(seconds)}


def standing(found: Standing) -> Body:
    """``asks``: who waits for the key, or got it."""
    body: Body = {"state": found.state}
    if (who := found.applicant) is not None:
        body["asks"] = {"confirm": who.number, "clientId": who.client_id, "name": who.name, "address": who.address}
        if who.known:
            body["asks"]["known"] = True
    return body
