"""Decide and write: automations. Each function is one transaction, audited."""

from collections.abc import Iterable, Mapping

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from organizations.audit import changing, record
from organizations.models import AuditEvent, Organization, User
from organizations.services.managers import changing_as_manager

from ..models import Automation, EnvironmentVariable

Action = AuditEvent.Action


def add_automation(
    organization: Organization,
    by: User | None,
    *,
    name: str,
    slug: str,
    variables: Iterable[EnvironmentVariable] = (),
    resolves_at: str = "",
) -> Automation:
    """Store an automation with its variables. `resolves_at` is one of Automation.ResolvesAt, or blank for the default.

    Raises ValidationError if the name or short name is taken.
    """
    automation = Automation(organization=organization)
    with changing(organization):
        _take_names(automation, name, slug)
        automation.resolves_at = resolves_at or automation.resolves_at
        automation.save(force_insert=True)
        automation.variables.set(variables)
        record(organization, by, Action.AUTOMATION_CREATED, automation)
    return automation


def change_automation(
    automation: Automation,
    by: User | None,
    *,
    name: str,
    slug: str,
    variables: Iterable[EnvironmentVariable],
    resolves_at: str = "",
) -> Automation:
    """Store what changed. `resolves_at` is one of Automation.ResolvesAt, or blank for what it is.

    What was deployed stays, also if it is not used any more.

    Raises ValidationError if the name or short name is taken, and what `managed_row` does.
    """
    organization = automation.organization
    with changing_as_manager(automation, by) as automation:
        receives = set(variables)
        resolves_at = resolves_at or automation.resolves_at
        before = {
            "name": automation.name,
            "slug": automation.slug,
            "resolves_at": automation.resolves_at,
            "variables": set(automation.variables.all()),
        }
        after = {"name": name, "slug": slug, "resolves_at": resolves_at, "variables": receives}
        changed = [label for label, now in after.items() if before[label] != now]
        if not changed:
            return automation
        _take_names(automation, name, slug)
        automation.resolves_at = resolves_at
        automation.save()
        automation.variables.set(receives)
        record(organization, by, Action.AUTOMATION_CHANGED, automation, {"fields": changed})
    return automation


def delete_automation(automation: Automation, by: User | None) -> None:
    """Delete an automation; its variables stay. Raises what `managed_row` does."""
    with changing_as_manager(automation, by) as automation:
        record(automation.organization, by, Action.AUTOMATION_DELETED, automation)
        automation.delete()


def _take_names(automation: Automation, name: str, slug: str) -> None:
    others = Automation.objects.filter(organization=automation.organization).exclude(pk=automation.pk)
    errors: Mapping[str, str] = {
        label: text
        for label, taken, text in (
            ("name", others.filter(name=name).exists(), _("Another automation has this name.")),
            ("slug", others.filter(slug=slug).exists(), _("Another automation has this short name.")),
        )
        if taken
    }
    if errors:
        raise ValidationError(dict(errors))
    automation.name, automation.slug = name, slug
