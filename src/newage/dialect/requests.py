"""Requests to models: what becomes of them, and what extensions are asked (contract 5.1-5.4, 5.8)."""

from __future__ import annotations

from collections.abc import Sequence

from newage.dialect import Body, Event, messages
from newage.domain.forwarded import ForwardedRequest, Question
from newage.domain.model import RequestMode
from newage.domain.request import Accepted, Cancelled, Queued, Request, Standing, Waiting
from newage.domain.times import iso
from newage.errors import NewAgeError

# What the hub writes into a forwarded request itself; a client's own member of that name does not pass through.
MEMBERS = messages.MEMBERS | {
    "targets",
    "requestingIdentity",
    "isStreaming",
    "isStream",
    "room",
    "mode",
    "type",
    "currentRequest",
    "context",
    "isMerged",
    "mergedFromCount",
    "originalRequestIds",
}

WISHES = ("character", "failover")


def accepted(outcome: Accepted, *, question: bool = False) -> Body:
    """The ack of LLM_REQUEST (contract 5.2 with A12). :param question: say which one it is, in any case."""
    found: Body = {
        "message": "Request received.",
        "requestId": outcome.request_id,
        "messageId": outcome.message_id or None,
        "roomName": outcome.room,
        "state": outcome.state,
        **_waiting(outcome.waiting),
    }
    if outcome.again or (question and outcome.message_id):
        found["questionId"] = outcome.message_id
    return found


def recorded(message_id: str) -> Body:
    """Further members of a failure: the message of the request is stored nevertheless."""
    return {"messageId": message_id}


def status(
    request: Request,
    state: str,
    *,
    response_id: str | None = None,
    remaining: int | None = None,
    message: str | None = None,
    merged_into: str | None = None,
    waiting: Waiting | None = None,
    by: str | None = None,
    where: str | None = None,
    position: int | None = None,
    moved: tuple[str, str] | None = None,
) -> Event:
    """REQUEST_STATUS_UPDATE (contract 5.3); what is None is left out.

    :param remaining: answers that are still to come. :param merged_into: the requestId that it is answered with.
    :param by: the identity that took it back. :param where: its extension answers it, at that ``position`` of its own
        queue. :param moved: from which extension to which it went.
    """
    details = {
        "responseId": response_id,
        "remaining": remaining,
        "message": message,
        "mergedInto": merged_into,
        "by": by,
        "where": where,
        "position": position,
        **({} if moved is None else {"from": moved[0], "to": moved[1]}),
    }
    found = {
        "mode": request.mode.value,
        "roomName": request.room,
        "requestId": request.request_id,
        "status": state,
        **{name: value for name, value in details.items() if value is not None},
        **_waiting(waiting),
    }
    return Event("REQUEST_STATUS_UPDATE", found)


def _waiting(waiting: Waiting | None) -> Body:
    return {} if waiting is None else {"waitsFor": waiting.what, "position": waiting.position}


def failed(request: Request, error: NewAgeError, *, source: str | None = None, detail: object = None) -> Event:
    """ERROR to who asked (contract 5.8).

    :param source: the extension it came from. :param detail: what that said besides.
    """
    found: Body = {
        "type": "ERROR",
        "message": str(error),
        "code": error.code,
        "errorCode": error.error_code,
        "requestId": request.request_id,
    }
    if detail is not None:
        found["error"] = detail
    if source is not None:
        found["source"] = source
    return Event("ERROR", found)


def warning(request: Request, words: str) -> Event:
    """WARNING to who asked."""
    return Event("WARNING", {"type": "WARNING", "message": words, "requestId": request.request_id})


def standings(found: Sequence[Standing]) -> Body:
    """Where requests stand, for who was away (contract 5.7.7): the newest status of each, and who is to answer it."""
    return {"requests": [_standing(each) for each in found]}


def _standing(found: Standing) -> Body:
    request, whole = found.request, found.whole
    if request is None or whole is None:
        return {"requestId": found.request_id, "status": "gone", "live": False}
    state, remaining, where, position = request.state, None, None, None
    if state == "forwarded" and request.answered:
        state, remaining = "processing", request.remaining
    elif state == "forwarded" and request.taker is not None:
        state, (where, position) = "accepted", request.taker
    told = status(
        request,
        state,
        response_id=request.responses[-1] if request.responses else None,
        remaining=remaining,
        message=request.why or None,
        merged_into=None if whole is request else whole.request_id,
        by=request.by or None,
        where=where,
        position=position,
        waiting=found.waiting,
    ).body
    wrong = request.trouble
    if wrong is not None:
        told |= {"code": wrong.code, "errorCode": wrong.error_code}
    return {**told, "live": request.live, "targets": list(whole.targets)}


def queue_update(request: Request, place: Waiting) -> Event:
    """QUEUE_UPDATE (contract 5.4)."""
    found: Body = {"roomName": request.room, "requestId": request.request_id, **_waiting(place), "of": place.of}
    if place.extension:
        found["extension"] = place.extension
    return Event("QUEUE_UPDATE", found)


def queue(entries: Sequence[Queued]) -> Body:
    """The ack of GET_QUEUE."""
    return {
        "entries": [
            {
                "requestId": entry.request_id,
                "identity": entry.identity,
                "name": entry.name or None,
                "messageId": entry.message_id or None,
                "since": iso(entry.since),
                **_waiting(entry.waiting),
            }
            for entry in entries
        ]
    }


def cancelled(outcome: Cancelled) -> Body:
    """The ack of CANCEL_REQUEST."""
    return {"requestId": outcome.request_id, "state": outcome.state, "outputs": list(outcome.outputs)}


# --------------------------------------------------------------------------------------------------- to extensions


def stop(request_id: str, output_ids: Sequence[str], reason: str) -> Event:
    """CANCEL_REQUEST as an extension gets it."""
    return Event("CANCEL_REQUEST", {"requestId": request_id, "outputIds": list(output_ids), "reason": reason})


def forwarded(request: ForwardedRequest) -> Event:
    """LLM_REQUEST as an extension gets it (contract 5.4)."""
    found = _unasked(request) if request.question is None else _asked(request, request.question)
    return Event("LLM_REQUEST", found)


def _asked(request: ForwardedRequest, question: Question) -> Body:
    current = {**messages.body(question.said), "message": request.text, "requestId": request.request_id}
    current["requestType"] = request.request_type
    if question.merged:
        current["data"] = request.text
        current["isMerged"] = True
        current["mergedFromCount"] = len(question.merged) + 1
        current["originalRequestIds"] = [*question.merged, question.request_id]
    extra = question.said.extra
    found = {
        **{name: value for name, value in extra.items() if not (request.declared and name in WISHES)},
        "requestId": request.request_id,
        "message": request.text,
        "requestType": request.request_type,
        "targets": list(question.targets),
        "clientId": question.client_id,
        "identity": question.identity,
        "requestingIdentity": question.identity,
        "role": question.role.wire,
        "data": current["data"],
        "isStreaming": question.streaming,
        "isStream": question.streaming,
        "mode": request.mode.value,
        "targetRoom": request.room,
        "roomName": request.room,
        "currentRequest": current,
        "context": messages.bodies(request.context),
    }
    if request.mode is RequestMode.CONVERSATIONAL:
        found["type"] = "DIRECT_REQUEST"
    if question.said.origin:
        found["origin"] = question.said.origin
    if request.action:
        found["action"] = request.action
    if request.about:
        found["messageId"] = request.about
    if request.character:
        found["character"] = request.character
    if request.failover:
        found["failover"] = True
    found["target"] = request.target
    return found


def _unasked(request: ForwardedRequest) -> Body:
    return {
        "mode": request.mode.value,
        "type": "THINK_REQUEST",
        "requestId": request.request_id,
        "target": request.target,
        "targetRoom": request.room,
        "roomName": request.room,
        "context": messages.bodies(request.context),
        "instruction": request.text,
        "message": request.text,
        "requestType": request.request_type,
    }
