"""The application of tenants and people."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    """Named for the admin's headings."""

    name = "organizations"
    verbose_name = "Organizations"
