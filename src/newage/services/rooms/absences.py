"""Who is away, in what order they went, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator


class Absences:
    """Times are seconds of the hub's running time; who has been away longest comes first."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._clients: dict[str, str] = {}
        self._of: dict[str, dict[str, None]] = {}  # clientId -> identities, who went first comes first

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, identity: str) -> bool:
        return identity in self._since

    def __iter__(self) -> Iterator[str]:
        """A copy: they may go meanwhile."""
        return iter(tuple(self._since))

    def begin(self, identity: str, client_id: str, since: float) -> None:
        """It is away, and none of them longer than those that are told of before it."""
        self.end(identity)
        self._since[identity] = since
        self._clients[identity] = client_id
        self._of.setdefault(client_id, {})[identity] = None

    def end(self, identity: str) -> float | None:
        """It is here, or forgotten; being here already is fine. :return: since when it was away."""
        since = self._since.pop(identity, None)
        if since is not None:
            client_id = self._clients.pop(identity)
            del self._of[client_id][identity]
            if not self._of[client_id]:
                del self._of[client_id]
        return since

    def since(self, identity: str) -> float:
        """Of one that is away."""
        return self._since[identity]

    def client_of(self, identity: str) -> str:
        """Of one that is away."""
        return self._clients[identity]

    def of_client(self, client_id: str) -> tuple[str, ...]:
        """Its identities that are away."""
        return tuple(self._of.get(client_id, ()))
