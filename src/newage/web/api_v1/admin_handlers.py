"""What administration does by ``/api/v1``, and the calls of functions; as ``handlers``."""

from __future__ import annotations

from attrs import field, frozen

from newage.dialect import calls as words
from newage.domain.calls import SERVER, FunctionCall, subject_of, went_well
from newage.domain.foreign_json import without_hostile_keys
from newage.domain.logs import LogQuery
from newage.domain.model import Caller
from newage.errors import BadArguments, CallFailed, ClientMissing, NewAgeError, NotFound
from newage.protocol.json_text import dumps
from newage.services.accounts.expulsion import Expulsion
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.key_desk import KeyDesk, NewKey
from newage.services.accounts.revocation import Revoked
from newage.services.api.questions import too_much
from newage.services.calls.calls import CallService
from newage.services.home.diagnostics import Diagnostics
from newage.telemetry.audit import FAILED, OK, Recorder
from newage.web.api_v1 import admin_bodies as bodies
from newage.web.api_v1.table import Call

_DAY = 86_400.0
NO_JSON = "What the function says is no JSON, and cannot be told over HTTP."


@frozen(kw_only=True)
class AdminHandlers:
    """Keys, who is connected, and what the hub's logs say."""

    desk: KeyDesk
    administration: KeyAdministration
    expulsion: Expulsion
    diagnostics: Diagnostics

    def keys(self, actor: Caller, call: Call) -> bodies.Keys:
        found, start = self.desk.listed(actor), call.query.offset
        page = found[start : start + call.query.limit]
        return bodies.Keys(
            keys=tuple(bodies.Key.of(record, live=live) for record, live in page),
            has_more=len(found) > start + len(page),
        )

    async def make_key(self, actor: Caller, call: Call) -> bodies.MadeKey:
        wanted: bodies.WantedKey = call.body
        seconds = None if wanted.days is None else wanted.days * _DAY
        new = NewKey(client_id=wanted.client_id, scope=wanted.scope, name=wanted.name, seconds=seconds)
        record, key = await self.desk.make(actor, new)
        return bodies.MadeKey(key=key, record=bodies.Key.of(record, live=True))

    async def revoke_key(self, actor: Caller, call: Call) -> bodies.RevokedKeys:
        return _revoked(await self.desk.revoke(actor, call.path["id"]))

    async def revoke_keys(self, actor: Caller, call: Call) -> bodies.RevokedKeys:
        return _revoked(await self.administration.remove(actor, call.path["client"]))

    def put_out(self, actor: Caller, call: Call) -> bodies.PutOut:
        wanted: bodies.Departure = call.body
        try:
            ended = self.expulsion.disconnect(actor, call.path["client"], wanted.identity, wanted.reason)
        except ClientMissing as error:
            raise NotFound(str(error)) from error
        return bodies.PutOut(connections=ended)

    async def logs(self, actor: Caller, call: Call) -> bodies.LogLines:
        wanted: bodies.LogWanted = call.query
        query = LogQuery(
            filename=wanted.file,
            level=wanted.level,
            page=wanted.page,
            page_size=wanted.limit,
            descending=wanted.newest_first,
        )
        return bodies.LogLines.of(await self.diagnostics.read_log(actor, query))


@frozen(kw_only=True)
class CallHandlers:
    """Functions of the hub, and of clients."""

    calls: CallService
    _called: Recorder = field(
        factory=lambda: Recorder(
            "function.call", "FUNCTION_CALL_RESPONSE", "FUNCTION_CALL_ERROR", function="name", target="target"
        ),
        init=False,
    )

    def all(self, actor: Caller, call: Call) -> bodies.Functions:
        return bodies.Functions(functions=self.calls.names)

    async def run(self, actor: Caller, call: Call) -> bodies.Result:
        return await self._audited(actor, call, SERVER)

    async def forward(self, actor: Caller, call: Call) -> bodies.Result:
        return await self._audited(actor, call, call.path["session"])

    async def _audited(self, actor: Caller, call: Call, target: str) -> bodies.Result:
        asked = FunctionCall(name=call.path["function"], args=list(call.body.arguments), target=target)
        try:
            with too_much():
                result = await self._result(actor, asked)
        except Exception as error:
            known = error if isinstance(error, NewAgeError) else CallFailed(words.UNKNOWN_FAULT)
            self._called.failed(actor, asked, known, **subject_of(asked))
            raise
        self._called.done(actor, asked, outcome=OK if went_well(result) else FAILED, **subject_of(asked))
        return bodies.Result(result=result)

    async def _result(self, actor: Caller, asked: FunctionCall) -> object:
        if len(asked.args) > self.calls.settings.value.max_call_arguments:
            raise BadArguments("There are too many arguments.")
        if asked.target == SERVER:
            return _json(await self.calls.run(actor, asked))
        try:
            answer = words.relayed(None, without_hostile_keys(await self.calls.forward(actor, asked)))
        except ClientMissing as error:
            raise NotFound(str(error)) from error
        if answer["success"] is not True:
            raise CallFailed(answer["message"])
        return _json(answer["result"])


def _json(result: object) -> object:
    """By Socket.IO it may be bytes, or have some; here it may not."""
    try:
        dumps(result)
    except (TypeError, RecursionError):
        raise CallFailed(NO_JSON) from None
    return result


def _revoked(revoked: Revoked) -> bodies.RevokedKeys:
    return bodies.RevokedKeys(
        client_id=revoked.client_id,
        revoked=tuple(each.key_id for each in revoked.records),
        made=tuple(each.key_id for each in revoked.made),
    )
