"""What credentials ask about variables: the answers to `credentials.usage`."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet

from credentials.models import Credential
from credentials.providers.base import Fetched, ProviderError, SecretId
from credentials.usage import Usage, Why
from organizations.models import Membership, Organization, User
from organizations.sharing import with_shown

from .models import Automation, EnvironmentVariable
from .resolving import problem_with
from .services.variables import move_variables


class VariableUsage(Usage):
    """Variables as uses of credentials."""

    def by_name(self, credential: Credential) -> "QuerySet[Any]":
        """See Usage."""
        return EnvironmentVariable.objects.naming(credential)

    def by_default(self, organization: Organization, provider: str) -> "QuerySet[Any]":
        """See Usage."""
        return EnvironmentVariable.objects.using_default(organization, provider)

    def naming_secrets(self, organization: Organization, names: Collection[str]) -> "QuerySet[Any]":
        """See Usage."""
        return EnvironmentVariable.objects.naming_secrets(organization, names)

    def with_receivers(self, uses: "QuerySet[Any]", membership: Membership) -> "QuerySet[Any]":
        """See Usage."""
        return uses.prefetch_related(Prefetch("automations", shown_automations(membership)))

    def why_not(self, use: Any, answers: Mapping[SecretId, Fetched | ProviderError]) -> Why | None:
        """See Usage."""
        problem = problem_with(use, answers)
        return Why(problem.code, problem.facts) if problem else None

    def move(self, uses: "QuerySet[Any]", to: Credential, by: User | None, *, as_default: bool) -> None:
        """See Usage."""
        move_variables(uses, to, by, as_default=as_default)


def shown_automations(membership: Membership) -> "QuerySet[Automation]":
    """Return automations by name, each with `shown`: whether a member may see it."""
    return with_shown(Automation.objects.order_by("name"), membership)
