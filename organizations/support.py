"""What support staff looked at, written into the audit log of every organization concerned.

An object's page is one event about the object in each organization that it belongs to (a person: to several). A list is
one event in each organization of which it showed rows, with how many, never with what was searched for: that may name
another organization. So a page of a list writes at most as many events as the organizations of its 50 rows, and a
search that finds nothing of an organization tells it nothing. It is all written before the page is sent.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from .access import has_fresh_proof
from .audit import changing, record
from .models import AuditEvent, Invitation, Membership, Organization, User
from .services.members import in_the_log

Action = AuditEvent.Action
Row = TypeVar("Row", bound=models.Model)

#: How many objects one action may touch.
MOST = 20


@transaction.atomic
def record_look(user: User, rows: Sequence[models.Model], is_list: bool) -> None:  # noqa: FBT001 - crewadmin.admin's hook
    """Record that a person saw these rows of one model: in a list, or one on a page of its own."""
    concerned = _by_organization(rows)
    # In the order of their numbers: two pages at once must not wait for each other.
    for organization in Organization.objects.filter(pk__in=concerned).order_by("pk"):
        seen = concerned[organization.pk]
        kind = str(seen[0]._meta.verbose_name if not is_list else seen[0]._meta.verbose_name_plural)
        with changing(organization):
            if is_list:
                details: dict[str, str | int] = {"kind": kind, "rows": len(seen)}
                record(organization, user, Action.SUPPORT_LISTED, organization, details)
            else:
                record(organization, user, Action.SUPPORT_LOOKED, _target(seen[0], organization), {"kind": kind})


def _target(row: models.Model, organization: Organization) -> Any:
    """Return what a look at a row is told of: the row, or the person as the organization knows them."""
    if isinstance(row, User):
        row = organization.memberships.filter(user=row).first() or row
    elif isinstance(row, Invitation):
        row = row.membership
    return in_the_log(row) if isinstance(row, Membership) else row


def _by_organization(rows: Sequence[models.Model]) -> dict[int, list[models.Model]]:
    """Return the rows by the primary keys of the organizations that they concern."""
    found: dict[int, list[models.Model]] = defaultdict(list)
    of_people = _organizations_of_people([row for row in rows if isinstance(row, User)])
    for row in rows:
        if isinstance(row, User):
            concerned = of_people[row.pk]
        else:
            concerned = [row.pk if isinstance(row, Organization) else row.organization.pk]  # type: ignore[attr-defined]  # all other models have one
        for organization in concerned:
            found[organization].append(row)
    return found


def _organizations_of_people(people: Sequence[User]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for user, organization in Membership.objects.filter(user__in=people).values_list("user_id", "organization_id"):
        found[user].append(organization)
    return found


def confirmed(
    page: "admin.ModelAdmin[Any]",
    request: HttpRequest,
    chosen: "models.QuerySet[Row]",
    action_label: str,
    consequences: str,
) -> list[Row] | HttpResponse:
    """Return the objects that an action was confirmed for, or the answer that comes first.

    That is a question which names the objects, a request for a fresh proof, or a refusal of too many.
    """
    rows = list(chosen[: MOST + 1])
    if len(rows) > MOST:
        page.message_user(request, _("Choose at most %(most)d.") % {"most": MOST}, messages.ERROR)
        return redirect(request.get_full_path())
    if not has_fresh_proof(request):
        page.message_user(request, _("First confirm that it is you, then do it again."), messages.WARNING)
        return redirect(reverse("account_reauthenticate", query={"next": request.get_full_path()}))
    if "confirmed" in request.POST:
        return rows
    record_look(request.user, rows, is_list=True)  # type: ignore[arg-type]  # staff are signed in
    context = {
        **page.admin_site.each_context(request),
        "title": action_label,
        "consequences": consequences,
        "opts": page.opts,
        "rows": rows,
        "action": request.POST["action"],
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
