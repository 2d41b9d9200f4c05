"""An extension with a desk, for the kit: what it is asked, and what it answers (contract 5.9)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from hubkit import Kit
from newage.domain.chat import ChatEvent, ChatLine, Op
from newage.domain.model import Caller, RequestMode, Role

X = "SillyTavern-8000"
FEATURES = frozenset({"characters", "snapshot", "mirror"})
AVA = {"id": "ava.png", "name": "Ava", "tags": ["kind"]}


def at_a_desk(kit: Kit, *, features: frozenset[str] = FEATURES) -> Caller:
    """The lounge with its people, and an extension that is a member of it; ``out`` is no member."""
    for who in ("mas", "man", "gue", "out"):
        kit.connect(who, incremental=True)
    kit.connect("admin", client_type="monitor", incremental=True)
    kit.extension(X, features=features)
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, man=Role.MANAGER, gue=Role.GUEST, SillyTavern_8000=Role.GUEST)
    kit.settle()
    kit.outbox.clear()
    return caller(kit, X)


def caller(kit: Kit, who: str) -> Caller:
    return kit.caller(kit.sessions.sids(who, "/llm")[-1])


def begun(question: Coroutine[Deferred[Any], Any, Any]) -> Deferred[Any]:
    """It has been asked; what comes of it is in ``result_of``."""
    return Deferred.fromCoroutine(question)


def asked(kit: Kit) -> list[tuple[str, Any]]:
    """What extensions are asked now."""
    return [(call.event, call.args[0]) for call in kit.outbox.calls]


def event(op: Op, line_id: str = "1", chat: str = "chat", **line: Any) -> ChatEvent:
    return ChatEvent(op, chat, ChatLine(id=line_id, **line))
