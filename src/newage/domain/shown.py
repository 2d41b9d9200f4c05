"""How an output is named to those who are shown it."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class ShownOutput:
    """``stream_id`` is the extension's first of it, since it was begun or went on; ``request_id`` the requester's."""

    stream_id: str
    output_id: str
    request_id: str
    room: str
    client_id: str
    identity: str
