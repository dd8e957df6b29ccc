"""The application of tenants and people."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    """Tells the admin who is concerned when support staff look at something."""

    name = "organizations"
    verbose_name = "Organizations and people"

    def ready(self) -> None:
        """Answer where a look of support staff is recorded; hear from allauth, by signals only, of second factors."""
        from allauth.mfa.signals import authenticator_added, authenticator_removed

        from crewadmin import admin

        from .services.second_factors import record_added, record_removed
        from .support import record_look

        admin.looks_recorded_by(record_look)
        authenticator_added.connect(record_added)
        authenticator_removed.connect(record_removed)
