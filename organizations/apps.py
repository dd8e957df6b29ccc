"""The application of tenants and people."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    """Named for the admin's headings."""

    name = "organizations"
    verbose_name = "Organizations"

    def ready(self) -> None:
        """Hear from allauth, which tells by signals only, of people's second factors."""
        from allauth.mfa.signals import authenticator_added, authenticator_removed

        from .services.second_factors import record_added, record_removed

        authenticator_added.connect(record_added)
        authenticator_removed.connect(record_removed)
