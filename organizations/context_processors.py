"""What the frame around every page shows: the organization, the switcher, the navigation, the demo banner."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from . import single_sign_on


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the frame's variables without asking the database: `require` put the rows on the request."""
    memberships = getattr(request, "memberships", [])
    organization = getattr(request, "organization", None)
    return {
        "demo": settings.AWS_SANDBOX_URL is not None,
        "organization": organization,
        "nav": "components/nav.html" if organization else None,
        "organizations": [membership.organization for membership in memberships],
        "levels": getattr(request, "access", None),
        "sign_on_name": single_sign_on.name(),
    }
