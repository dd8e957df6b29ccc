"""Who uses a credential: asked here, answered by the layer above, which says so at start (`envvars.apps`).

Credentials must know what refers to them (to refuse a deletion, to choose the secret that a test reads) without
knowing what a variable is.
"""

from collections.abc import Collection, Iterable
from typing import Any, Protocol
from uuid import UUID

from django.db.models import QuerySet

from organizations.models import Membership, Organization, Role
from organizations.sharing import with_shown

from .models import ConnectionTest, Credential


class Use(Protocol):
    """Something that refers to a secret behind a credential."""

    uuid: UUID
    key: str
    restricted: bool

    @property
    def reference_label(self) -> str:
        """The reference as people write it: `secret-name#json_key`, or a template of several."""


class Finder(Protocol):
    """What finds uses, in a stable order, each one a `Use`.

    They have `secret_references`, one for each secret that a use names, with a `secret_name`.
    """

    def using_credential(self, credential: Credential) -> "QuerySet[Any]":
        """Return what refers to a credential: by name, or as the default of its provider."""

    def naming_secrets(self, organization: Organization, names: Collection[str]) -> "QuerySet[Any]":
        """Return what refers to any of these secrets, with whatever credential."""


_finder: Finder | None = None


def answered_by(finder: Finder) -> None:
    """Name what finds the uses of credentials and secrets."""
    global _finder
    _finder = finder


def _finds() -> Finder:
    if _finder is None:
        raise RuntimeError("No application has said how uses of a credential are found.")
    return _finder


def uses_of(credential: Credential) -> "QuerySet[Any]":
    """Return what refers to a credential: by name, or as the default of its provider."""
    return _finds().using_credential(credential)


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


def conceal(tests: Iterable[ConnectionTest | None], membership: Membership) -> None:
    """Have tests that are about to be shown keep the secret they read from a member who must not know its name.

    It is told to owners, to who sees something that refers to it, and to who asked for the test, unless what refers to
    it is hidden from them. The steps of a test are kept for long: what was open when it ran may be restricted since.
    One query, however many tests there are; None stands for a test that was never made.
    """
    rows = [test for test in tests if test]
    names = set[str]().union(*(test.secret_names for test in rows))
    if membership.role.kind == Role.Kind.OWNER or not names:
        return
    uses = with_shown(_finds().naming_secrets(membership.organization, names), membership)
    found = set(uses.order_by().values_list("secret_references__secret_name", "shown").distinct())
    shown = {name for name, is_shown in found if is_shown}
    hidden = {name for name, is_shown in found if not is_shown} - shown
    for test in rows:
        told = names - hidden if test.created_by_id == membership.user_id else shown
        test.hides_secret = not test.secret_names <= told
