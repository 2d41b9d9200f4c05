"""The rows of administration in the table of ``/api/v1``, and those of functions."""

from __future__ import annotations

from newage.services.sessions.rates import Pace
from newage.telemetry.audit import Recorder
from newage.web.api_v1 import admin_bodies as bodies
from newage.web.api_v1.admin_handlers import AdminHandlers, CallHandlers
from newage.web.api_v1.table import Endpoint

ADMIN, CALLS = "Administration", "Functions"


def admin_rows(admin: AdminHandlers) -> tuple[Endpoint, ...]:
    made = Recorder("key.generate", "CLIENT_KEY_GENERATED")
    removed = Recorder("key.remove", "CLIENT_KEY_REMOVED")
    ended = Recorder("client.disconnect", "CLIENT_DISCONNECTED")
    read = Recorder("log.read", "LOG_READ_RESPONSE")
    return (
        Endpoint(
            method="GET",
            template="/keys",
            summary="Your keys and those of clients below you, for an administrator",
            tag=ADMIN,
            handle=admin.keys,
            answers=bodies.Keys,
            query=bodies.KeyPage,
        ),
        Endpoint(
            method="POST",
            template="/keys",
            summary="A new key, by an administrator; it is shown this once",
            tag=ADMIN,
            handle=admin.make_key,
            answers=bodies.MadeKey,
            body=bodies.WantedKey,
            status=201,
            audit=made,
            noted=("client:client_id", "scope", "name"),
        ),
        Endpoint(
            method="DELETE",
            template="/keys/{id}",
            summary="Revoke a key by its id; who came in by it is put out",
            tag=ADMIN,
            handle=admin.revoke_key,
            answers=bodies.RevokedKeys,
            audit=removed,
        ),
        Endpoint(
            method="DELETE",
            template="/clients/{client}/keys",
            summary="Revoke all keys of a client, and the trust that came with one",
            tag=ADMIN,
            handle=admin.revoke_keys,
            answers=bodies.RevokedKeys,
            audit=removed,
        ),
        Endpoint(
            method="POST",
            template="/clients/{client}/disconnect",
            summary="End the connections of a client, which may come back",
            tag=ADMIN,
            handle=admin.put_out,
            answers=bodies.PutOut,
            body=bodies.Departure,
            audit=ended,
            noted=("instance:identity",),
        ),
        Endpoint(
            method="GET",
            template="/logs",
            summary="A page of a log file of the hub, for an administrator",
            tag=ADMIN,
            handle=admin.logs,
            answers=bodies.LogLines,
            query=bodies.LogWanted,
            audit=read,
            noted=("file", "page"),
            pace=Pace.EVENT,
        ),
    )


def call_rows(calls: CallHandlers) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="GET",
            template="/functions",
            summary="The functions that the hub has",
            tag=CALLS,
            handle=calls.all,
            answers=bodies.Functions,
        ),
        Endpoint(
            method="POST",
            template="/functions/{function}",
            summary="Call a function of the hub",
            tag=CALLS,
            handle=calls.run,
            answers=bodies.Result,
            body=bodies.Arguments,
        ),
        Endpoint(
            method="POST",
            template="/sessions/{session}/functions/{function}",
            summary="Call a function of somebody who is connected, by identity or clientId",
            tag=CALLS,
            handle=calls.forward,
            answers=bodies.Result,
            body=bodies.Arguments,
        ),
    )
