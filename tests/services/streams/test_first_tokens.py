"""Looks for answers whose first token does not come (contract 5.8, A22); what follows: services/requests."""

from __future__ import annotations

from hubkit import Kit


def test_it_looks_every_second_until_it_is_closed(kit: Kit) -> None:
    kit.change("requests", first_token_ms=1000)
    links = [kit.extension(each) for each in ("tavern-a", "tavern-b")]
    sid = kit.connect("web1")
    kit.talk.first_tokens.start()
    kit.submit(sid, "q", "r1", failover=True)
    kit.clock.pump([0.5, 0.6])
    assert [len(link.forwarded) for link in links] == [1, 1]
    kit.talk.first_tokens.close()
    kit.talk.first_tokens.close()
    kit.submit(sid, "q", "r2", failover=True)
    kit.clock.pump([1] * 3)
    assert "r2" not in [each["requestId"] for each in links[1].forwarded]
