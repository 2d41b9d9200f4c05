"""The desks of extensions, put together."""

from __future__ import annotations

from deskkit import X, at_a_desk, caller
from hubkit import Kit


def test_all_of_it_knows_the_same_links() -> None:
    kit = Kit()
    chat = kit.talk.chat
    chat.links.link(at_a_desk(kit), "lounge")
    for part in (chat.characters, chat.reading, chat.mirror):
        assert part._links is chat.links
    kit.disconnect(caller(kit, X).sid)
    kit.clock.advance(60)
    assert chat.links.of(X) is None
    kit.close()
