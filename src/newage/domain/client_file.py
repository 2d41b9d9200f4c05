"""What a settings file says about its client (contract 8.2)."""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class ClientFile:
    """Two files may describe one client: ``<id>.json`` and ``<id>-settings.json`` are both documented."""

    client_id: str
    trusted: bool = False
    admin: bool = False
    password_hash: str | None = field(default=None, repr=False)

    def joined(self, other: ClientFile | None) -> ClientFile:
        """What both say together; an administrator is one only by a file that is trusted, too."""
        if other is None:
            return self
        return ClientFile(
            client_id=other.client_id,
            trusted=other.trusted or self.trusted,
            admin=(other.admin and other.trusted) or (self.admin and self.trusted),
            password_hash=other.password_hash or self.password_hash,
        )
