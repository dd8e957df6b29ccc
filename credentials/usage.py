"""Who uses a credential: asked here, answered by the layer above, which says so at start (`envvars.apps`).

Credentials must know what refers to them (to choose the secret that a test reads, to show what a change would do, to
move it to another credential before a deletion) without knowing what a variable is.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet

from organizations.models import Membership, Organization, Role, User
from organizations.sharing import with_shown

from .models import ConnectionTest, Credential
from .providers.base import Fetched, ProviderError, SecretId
from .providers.failures import FailureCode


class Use(Protocol):
    """Something that refers to a secret, or several, behind a credential."""

    uuid: UUID
    key: str
    restricted: bool
    #: As people write it: `secret-name#json_key`, or a template of several.
    reference: str
    #: Whether the member who asked may see it: set by `organizations.sharing.with_shown`.
    shown: bool

    @property
    def secret_ids(self) -> tuple[SecretId, ...]:
        """What is read for it, each secret once."""

    @property
    def uses_default(self) -> bool:
        """Whether it names only the provider, and is read with the default."""


class Why(NamedTuple):
    """Why a use would have no value, and what the failure's text may name."""

    code: FailureCode
    facts: Mapping[str, str]


class Usage(ABC):
    """What the layer above knows. The rows of each query are `Use`s of one organization, by key.

    They have `secret_references`, one for each secret that a use names, with a `secret_name`; and `updated_at`.
    """

    @abstractmethod
    def by_name(self, credential: Credential) -> "QuerySet[Any]":
        """Return what names a credential."""

    @abstractmethod
    def by_default(self, organization: Organization, provider: str) -> "QuerySet[Any]":
        """Return what is read with a provider's default, whichever that is."""

    @abstractmethod
    def naming_secrets(self, organization: Organization, names: Collection[str]) -> "QuerySet[Any]":
        """Return what refers to any of these secrets, with whatever credential; once for each of them."""

    @abstractmethod
    def with_receivers(self, uses: "QuerySet[Any]", membership: Membership) -> "QuerySet[Any]":
        """Return uses with their `automations`: who receives the value, each `shown` or not to a member."""

    @abstractmethod
    def why_not(self, use: Any, answers: Mapping[SecretId, Fetched | ProviderError]) -> Why | None:
        """Return why a use would have no value if its secrets were answered so; None if it had one."""

    @abstractmethod
    def move(self, uses: "QuerySet[Any]", to: Credential, by: User | None, *, as_default: bool) -> None:
        """Let uses be read with another credential: by its name, or as their provider's default.

        Audited by their keys, inside the transaction of the caller, who holds the organization's row.
        """


_usage: Usage | None = None


def answered_by(usage: Usage) -> None:
    """Name who answers."""
    global _usage
    _usage = usage


def usage() -> Usage:
    """Return who answers."""
    if _usage is None:
        raise RuntimeError("No application has said how uses of a credential are found.")
    return _usage


def uses_of(credential: Credential) -> "QuerySet[Any]":
    """Return what is read with a credential: what names it, and what relies on it as the default."""
    named = usage().by_name(credential)
    return named | usage().by_default(credential.organization, credential.provider) if credential.is_default else named


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
    uses = with_shown(usage().naming_secrets(membership.organization, names), membership)
    found = set(uses.order_by().values_list("secret_references__secret_name", "shown").distinct())
    shown = {name for name, is_shown in found if is_shown}
    hidden = {name for name, is_shown in found if not is_shown} - shown
    for test in rows:
        told = names - hidden if test.created_by_id == membership.user_id else shown
        test.hides_secret = not test.secret_names <= told


def state_of(organization: Organization, provider: str, *credentials: Credential) -> str:
    """Return a text that is another one once anything has changed that a preview of a change looks at.

    That is: the `credentials` and the provider's default as they are stored, and what is read with any of them.
    """
    rows = Credential.objects.filter(organization=organization, provider=provider)
    asked = rows.filter(Q(pk__in=[one.pk for one in credentials]) | Q(is_default=True)).order_by("pk")
    parts: list[object] = list(asked.values_list("pk", "version", "is_default"))
    for uses in (usage().by_default(organization, provider), *map(usage().by_name, credentials)):
        parts.append(uses.order_by().aggregate(count=Count("pk"), last=Max("updated_at")))
    return repr(parts)
