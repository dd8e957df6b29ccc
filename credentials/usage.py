"""Who uses a credential: asked here, answered by the layer above, which says so at start (`envvars.apps`).

Credentials must know what refers to them (to refuse a deletion, to choose the secret that a test reads) without
knowing what a variable is.
"""

from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from django.db.models import QuerySet

from .models import Credential


class Use(Protocol):
    """Something that refers to a secret behind a credential."""

    uuid: UUID
    key: str
    restricted: bool

    @property
    def reference_label(self) -> str:
        """The reference as people write it: `secret-name#json_key`, or a template of several."""


_finder: Callable[[Credential], "QuerySet[Any]"] | None = None


def answered_by(finder: Callable[[Credential], "QuerySet[Any]"]) -> None:
    """Name the function that returns the uses of a credential, in a stable order, each one a `Use`.

    The rows it returns have `secret_references`, one for each secret that a use names, with a `secret_name`.
    """
    global _finder
    _finder = finder


def uses_of(credential: Credential) -> "QuerySet[Any]":
    """Return what refers to a credential: by name, or as the default of its provider."""
    if _finder is None:
        raise RuntimeError("No application has said how uses of a credential are found.")
    return _finder(credential)


def secrets_of(uses: "QuerySet[Any]") -> list[str]:
    """Return the names of all secrets that some uses refer to, each once, in order."""
    names = uses.order_by().values_list("secret_references__secret_name", flat=True)
    return sorted(names.distinct())


def secret_to_read(credential: Credential) -> str | None:
    """Return the name of the secret that a connection test reads: the first that something refers to, or None.

    Never that of something restricted: the steps of a test are shown to everybody who sees the credential.
    """
    uses = uses_of(credential).filter(restricted=False).order_by("key", "secret_references__position")
    return uses.values_list("secret_references__secret_name", flat=True).first()
