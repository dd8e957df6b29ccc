"""The page of one secret: what refers to it. It is known by its name only; the vault is not asked."""

from django.db.models import Prefetch, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from crewadmin.pagination import page_of
from organizations.access import OrganizationRequest
from organizations.sharing import Grant, beyond

from ..models import EnvironmentVariable, SecretReference
from ..presentation import source_name
from ..uses import shown_automations
from .shared import can_read, shown_variables


@can_read
@require_safe
def variable_secret(request: OrganizationRequest) -> HttpResponse:
    """Show which variables refer to the secret called `name`, with key, version and credential, and who receives them.

    The name is compared as it was written in the variables: a secret's name and its ARN are two.
    """
    name = request.GET.get("name", "").replace("\0", "").strip()[:2048]
    parts = SecretReference.objects.filter(secret_name=name).order_by("position")
    referring = Q(pk__in=parts.order_by().values("variable"))
    everything = EnvironmentVariable.objects.for_organization(request.organization).filter(referring)
    rows = (
        shown_variables(request)
        .filter(referring)
        .prefetch_related(
            Prefetch("automations", shown_automations(request.membership)),
            Prefetch("secret_references", parts, to_attr="parts"),
        )
    )
    page = page_of(rows, request.GET, "key", filters={"name": name})
    context = {
        "name": name,
        "page": page,
        "rows": [(variable, source_name(variable, request.access)) for variable in page.rows],
        "hidden_count": beyond(everything, request.membership, Grant.READ).count(),
        "can_manage": request.access.environment_variables.manage,
    }
    return render(request, "envvars/secret.html", context)
