"""The project as a Django application: its checks, template tags and commands."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class CrewadminConfig(AppConfig):
    """Registers the system checks."""

    name = "crewadmin"

    def ready(self) -> None:
        """Import what registers itself with Django."""
        from . import checks, sealing  # noqa: F401 - imported for its checks


class SupportAdminConfig(AdminConfig):
    """Django admin with our site."""

    default_site = "crewadmin.admin.SupportSite"
