"""How many rooms, members and joins there may be, and how long what nobody uses is kept."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import RequestMode
from newage.settings import limit, switch, text


@frozen(kw_only=True)
class RoomSettings:
    max_group_rooms: int = limit(1000, "rooms created by clients and administrators")
    max_rooms: int = limit(
        50_000, "rooms of all kinds, those of who is away included; when all hold something, newcomers are refused"
    )
    identities_per_client: int = limit(
        32, "identities of one client id, those that are away included; one that owns nothing gives way first"
    )
    keyless_identities: int = limit(10_000, "identities of all client ids together that are not trusted")
    max_members_per_room: int = limit(500, "members of one room")
    joins_per_minute: int = limit(20, "rooms an identity may enter by itself in a minute; each leaves a message there")
    kick_bar_seconds: int = limit(300, "how long who was kicked does not come back by himself", zero="he may at once")
    max_bars_per_room: int = limit(
        1000, "clients that are kept out of one room; beyond, a kick that would last is refused"
    )
    member_retention_days: float = limit(
        400.0, "days of the hub's running time that who said something, was added or is trusted may be away"
    )
    offline_retention_seconds: int = limit(86_400, "how long the membership of anybody else outlives the session")
    empty_room_retention_days: float = limit(
        30.0,
        "days of the hub's running time that a group room without members is kept in which somebody said something",
    )
    empty_room_grace_seconds: int = limit(60, "how long any other empty group room is kept")
    sweep_seconds: int = limit(60, "how often expired memberships are looked for")
    clients_may_create_rooms: bool = switch(False, "open CREATE_ROOM to client kind; off: administrators only")
    default_room_message_request_mode: str = text(
        "Default", "request mode of new rooms (contract 5.4)", among=(mode.value for mode in RequestMode)
    )
