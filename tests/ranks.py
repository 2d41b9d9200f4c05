"""Who may what: every kind of peer with every proof from every place, on a whole hub, through its real door.

A first table says what somebody is let in as. What he may do then depends on that alone, and a second one says it for
every event there is: asked of a hub, not of the rules. ``test_ranks.py`` holds docs/security.md against both;
``make ranks`` writes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve, frozen
from isolation import EXTENSION, ROOM, Hub, ListSink, Somebody, done
from isolation_events import EVENTS, Does, Event, body

from newage.domain.model import Kind, Peer, Rank, Scope
from newage.services.accounts.keys import Grant
from newage.web.claims import Claims
from newage.web.peer import PeerJudge
from newage.web.settings import WebSettings

DOCUMENT = Path(__file__).parent.parent / "docs" / "security.md"
BEGIN, END = "<!-- written by tests/ranks.py -->", "<!-- until here -->"
NAMESPACES = ("/", "/auth", "/clients", "/llm", "/rooms", "/function_call", "/sillytavern", "/debug")

# ------------------------------------------------------------------------------------------------------------ subjects

JUDGE = PeerJudge.of(WebSettings(admin_addresses=("198.51.100.7",)))
LOOPBACK, PUBLIC = ("127.0.0.1:4000",), ("203.0.113.5:4000",)


def _here(*, owned: bool = True, **headers: Any) -> Peer | None:
    """Over a loopback socket, as the gate judges it; None: 403. Whose socket it is, is the kernel's to say."""
    judged = JUDGE.judge(Claims("127.0.0.1", hosts=LOOPBACK, **headers))
    return None if judged.refusal else judged.peer._replace(owned=lambda: owned and judged.loopback)


def _page(origin: str, site: str) -> Peer | None:
    return _here(origins=(origin,), fetch_sites=(site,), fetched=True)


def _from(address: str, hosts: tuple[str, ...] = PUBLIC) -> Peer:
    return JUDGE.judge(Claims(address, hosts=hosts)).peer


PLACES: dict[str, Peer | None] = {
    "program, hub's user": _here(),
    "program, another user": _here(owned=False),
    "the hub's page": _page("http://127.0.0.1:4000", "same-origin"),
    "page of another port": _page("http://127.0.0.1:8000", "same-site"),
    "private network": _from("192.168.1.9", ("192.168.1.5:4000",)),
    "`admin_addresses`": _from("198.51.100.7"),
    "elsewhere": _from("203.0.113.9"),
    "behind a proxy": _here(forwarding=("x-forwarded-for",), forwarded_for=("203.0.113.9",)),
    "foreign page": _page("https://evil.example", "cross-site"),
}
KINDS = {Kind.CLIENT: "web-app", Kind.EXTENSION: "SillyTavern", Kind.ADMIN: "monitor"}
IDS = {Kind.CLIENT: "somebody", Kind.EXTENSION: "SillyTavern-7", Kind.ADMIN: "chief"}
SCOPES = {
    "scope client": (Scope.CLIENT, Rank.CLIENT),
    "scope extension": (Scope.EXTENSION, Rank.EXTENSION),
    "scope api": (Scope.API, Rank.CLIENT),
    "scope admin": (Scope.ADMIN, Rank.ADMIN),
}
PROOFS = ("none", "getKey", "wrong", "own", "revoked", *SCOPES)
LATER = ("REMOVE_CLIENT_FROM_ROOM", "KICK_MEMBER", "DELETE_ROOM", "REMOVE_CLIENT_KEY", "DISCONNECT_CLIENT")
WORDS = ("first key", "client", "keyless extension", "extension", "extension+", "admin")  # what one is let in as
ABOUT_CLIENTS = ("GENERATE_CLIENT_KEY", "GET_CLIENT_KEY", "REMOVE_CLIENT_KEY", "DISCONNECT_CLIENT")
TARGETS = {"a client": "guest", "an extension": EXTENSION, "an administrator": "far-monitor", "himself": ""}
NO_RIGHT = 6  # the errorCode; the codes of refusals that follow from rights, too:
DENIED = frozenset({"unauthorized", "room_denied", "not_member", NO_RIGHT})


def _of(target: str) -> Callable[[Hub, str], Any]:
    return lambda hub, who: {"clientId": target or who, "targetClientId": target or who}


def _files(function: str, *args: Any) -> Event:
    """A call of one of the hub's functions of files."""

    def valid(hub: Hub, who: str) -> Any:
        path = args[0].replace("OWN", who)
        return {"functionName": function, "args": [path, *args[1:]], "target": "server", "requestId": "f"}

    return Event("/function_call", function, Does.CHANGE, valid)


def _asked() -> Iterator[tuple[str, Event]]:
    """Every event that is answered, those about clients once for each rank; functions of files beside them."""
    for event in EVENTS:
        if event.namespace == "/clients" and event.name in ABOUT_CLIENTS:
            for rank, target in TARGETS.items():
                yield f"{event.name} of {rank}", evolve(event, valid=_of(target))
        elif event.name == "REMOVE_CLIENT_FROM_ROOM":  # somebody else than is kicked
            yield event.name, evolve(event, valid=body(identity="special", roomName=ROOM))
        elif event.does is not Does.UPSTREAM:
            yield event.name, event
    yield "saveJsonToFile of the hub's settings", _files("saveJsonToFile", "settings/server_settings.json", {})
    yield "saveJsonToFile of his own data", _files("saveJsonToFile", "data/OWN/notes.json", {"a": 1})
    yield "readJsonFromFile of his own data", _files("readJsonFromFile", "data/OWN/notes.json")
    yield "readJsonFromFile of another's data", _files("readJsonFromFile", "data/guest/notes.json")


ASKED = {(event.namespace, name): event for name, event in _asked()}


class RankHub(Hub):
    """One more client, extension and administrator are trusted, and may connect from anywhere."""

    def _furnish(self) -> None:
        super()._furnish()
        for kind, client_id in IDS.items():
            content = {"clientId": client_id, "isTrust": True, "isAdmin": kind is Kind.ADMIN}
            (self.home / "settings" / f"{client_id}.json").write_text(json.dumps(content), "utf-8")
        (self.home / "data" / "guest").mkdir(parents=True)
        (self.home / "data" / "guest" / "notes.json").write_text("{}", "utf-8")

    def client_id(self, who: str) -> str:
        return who if who in IDS.values() else super().client_id(who)

    def key(self, kind: Kind, proof: str) -> str | None:
        """What the handshake shows."""
        if proof in {"none", "getKey", "wrong"}:
            return {"none": None, "getKey": "getKey", "wrong": "wrong"}[proof]
        scope, rank = SCOPES.get(proof, (Scope.ALL, Rank.of(kind)))
        keys = self.core.accounts.keys
        made: str = done(keys.generate(IDS[kind], local=True, grant=Grant(rank=rank, scope=scope)))
        if proof == "revoked":
            done(keys.remove(IDS[kind]))
        return made

    def arrive(self, kind: Kind, peer: Peer, key: str | None) -> Somebody:
        """Try every namespace; ``namespaces`` are those that let it in."""
        sink = ListSink()
        connection = self.core.engines.open(sink, peer)
        sink.frames.clear()
        somebody = Somebody("somebody", sink, connection, ())
        auth = {"clientType": KINDS[kind], "clientId": IDS[kind], **({} if key is None else {"key": key})}
        inside = []
        for namespace in NAMESPACES:
            somebody.join(namespace, auth)
            if not any(packet.kind == "1" for packet in somebody.take()):
                inside.append(namespace)
        somebody.namespaces = tuple(inside)
        return somebody

    def leave(self, somebody: Somebody) -> None:
        somebody.connection.close("over")
        self.settle()

    def standing(self, kind: Kind, somebody: Somebody) -> str:
        """What it was let in as, by a word of the table."""
        callers = list(self.core.people.sessions.all_callers(IDS[kind]))
        if not callers:
            return "first key" if somebody.namespaces else "-"
        ((got, sensitive, rank),) = {(each.kind, each.sensitive, each.rank) for each in callers}
        if got is not Kind.EXTENSION:
            return {Kind.CLIENT: "client", Kind.ADMIN: "admin"}[got]
        return "extension+" if sensitive else "extension" if rank >= Rank.EXTENSION else "keyless extension"

    def may(self, kind: Kind, somebody: Somebody, event: Event) -> bool:
        """Whether rights let the event through, whatever else becomes of it."""
        function = not event.name.isupper()
        somebody.take()
        somebody.send(
            event.namespace, ["FUNCTION_CALL" if function else event.name, event.valid(self, IDS[kind])], ack=True
        )
        (reply,) = (packet.data[0] for packet in somebody.take() if packet.kind == "3")
        if not isinstance(reply, dict) or reply.get("success") is not False:
            return not function or reply["result"]["success"] is True
        return reply["error"]["code"] not in DENIED and not function


@frozen
class Subject:
    """Who claims to be of that kind, shows that, and comes from there."""

    strict: bool
    kind: Kind
    proof: str
    place: str


def subjects() -> Iterator[Subject]:
    for strict, kind, proof, place in product((False, True), KINDS, PROOFS, PLACES):
        yield Subject(strict, kind, proof, place)


@cache
def admissions() -> dict[Subject, tuple[str, tuple[str, ...]]]:
    """Of each: as what it is let in, and into which namespaces."""
    found: dict[Subject, tuple[str, tuple[str, ...]]] = {}
    for strict, proof in product((False, True), PROOFS):
        with TemporaryDirectory() as home:
            hub = RankHub(Path(home), strict=strict)
            keys = {kind: hub.key(kind, proof) for kind in KINDS}
            for kind, (place, peer) in product(KINDS, PLACES.items()):
                subject = Subject(strict, kind, proof, place)
                if peer is None:
                    found[subject] = "403", ()
                    continue
                somebody = hub.arrive(kind, peer, keys[kind])
                found[subject] = hub.standing(kind, somebody), somebody.namespaces
                hub.leave(somebody)
    return found


def _when(event: Event) -> int:
    return LATER.index(event.name) + 1 if event.name in LATER else 0


def rights(subject: Subject) -> dict[tuple[str, str], bool]:
    """What it may do, of what its namespaces have."""
    with TemporaryDirectory() as home:
        hub = RankHub(Path(home), strict=subject.strict)
        peer = PLACES[subject.place]
        assert peer is not None
        somebody = hub.arrive(subject.kind, peer, hub.key(subject.kind, subject.proof))
        return {
            name: event.namespace in somebody.namespaces and hub.may(subject.kind, somebody, event)
            for name, event in sorted(ASKED.items(), key=lambda item: _when(item[1]))
        }


def examples() -> dict[tuple[bool, str], list[Subject]]:
    """Who is let in as that word, one of each place; those who come into most namespaces first."""
    found: dict[tuple[bool, str], dict[str, Subject]] = {}
    ranked = sorted(admissions().items(), key=lambda item: -len(item[1][1]))
    for subject, (word, _) in ranked:
        if word in WORDS:
            found.setdefault((subject.strict, word), {}).setdefault(subject.place, subject)
    return {key: list(places.values()) for key, places in found.items()}


# ------------------------------------------------------------------------------------------------------------- tables


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def admission_table() -> list[str]:
    """A row for all proofs of a kind that come to the same."""
    lines = [_row(("says it is", "shows", *PLACES)), "|" + "---|" * (2 + len(PLACES))]
    for kind in KINDS:
        rows: dict[tuple[str, ...], list[str]] = {}
        for proof in PROOFS:
            cells = []
            for place in PLACES:
                safe, strict = (admissions()[Subject(mode, kind, proof, place)][0] for mode in (False, True))
                cells.append(safe if safe == strict else f"{safe} / {strict}")
            rows.setdefault(tuple(cells), []).append(proof)
        lines += [_row((kind.value, ", ".join(proofs), *cells)) for cells, proofs in rows.items()]
    return lines


def rights_table() -> list[str]:
    """A row for all events of a namespace that the same may use, as far as a key's scope lets them in there."""
    found = {
        key: {name: may for name, may in rights(each).items() if name[0] in admissions()[each][1]}
        for key, (each, *_) in examples().items()
    }
    lines = [_row(("namespace", "event", *WORDS)), "|" + "---|" * (2 + len(WORDS))]
    rows: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in ASKED:
        cells = tuple(
            _cell([may[name] for mode in (False, True) if name in (may := found.get((mode, word), {}))])
            for word in WORDS
        )
        rows.setdefault((name[0], cells), []).append(name[1])
    return lines + [_row((f"`{where}`", ", ".join(names), *cells)) for (where, cells), names in rows.items()]


def _cell(may: Sequence[bool]) -> str:
    assert len(set(may)) <= 1, "with networkSafe on and off the same may do the same"
    return "yes" if may and may[0] else "-"


def text() -> str:
    """What stands in the document between the two marks."""
    return "\n".join((BEGIN, "", *admission_table(), "", *rights_table(), "", END))


def document() -> str:
    """The document with the tables as they are now."""
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    return before + text() + rest.partition(END)[2]


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
