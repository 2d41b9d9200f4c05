"""What is said, where, and who answers: the order in which they are told is part of what they do."""

from __future__ import annotations

from typing import Any

from hubkit import Kit


def told(service: Any) -> list[str]:
    return [type(listener).__name__ for listener in service.events._listeners]


def test_whom_rooms_tell() -> None:
    """Notices go out before system messages."""
    assert told(Kit(load=False).rooms) == [
        "Residents",
        "RoomRetention",
        "Mutes",
        "Bars",
        "RoomNotices",
        "AssignmentService",
        "RequestService",
        "MuteNotices",
        "DownstreamService",
        "ActivityService",
        "MissedService",
        "HistoryService",
        "ContextPages",
        "Snapshots",
        "ThinkingService",
        "ChatLinks",
        "Lookouts",
    ]


def test_whom_sessions_tell() -> None:
    """Rooms exist before anything is said of them."""
    assert told(Kit(load=False).sessions) == [
        "Places",
        "Residents",
        "RoomRetention",
        "AssignmentService",
        "ActivityService",
        "DownstreamService",
        "Desks",
        "UpstreamService",
        "Returns",
        "RequestService",
        "RequestNotices",
        "QueueNews",
        "MissedService",
        "Pushing",
        "Snapshots",
        "ChatLinks",
        "CharacterService",
        "Mirror",
        "WebhookEvents",
    ]
