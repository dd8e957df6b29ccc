"""Find the automation that a command line names."""

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from organizations.models import public_id

from .models import Automation


def find_automation(name: str) -> Automation:
    """Return the automation called ORGANIZATION/AUTOMATION (short names), or by its UUID, or by a unique short name.

    Raises CommandError saying which names there are to choose from.
    """
    rows = Automation.objects.select_related("organization")
    if uuid := public_id(name):
        found = list(rows.filter(uuid=uuid))
    elif "/" in name:
        organization, _slash, slug = name.partition("/")
        found = list(rows.filter(organization__slug=organization, slug=slug))
    else:
        found = list(rows.filter(slug=name).order_by("organization__slug")[:20])
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(
            _("There is no automation called “%(name)s”. Write ORGANIZATION/AUTOMATION.") % {"name": name}
        )
    names = ", ".join(f"{automation.organization.slug}/{automation.slug}" for automation in found)
    raise CommandError(_("Several automations have this short name: %(names)s. Write one of these.") % {"names": names})
