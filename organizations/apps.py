"""The application of tenants and people."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    """Tells the admin who is concerned when support staff look at something."""

    name = "organizations"
    verbose_name = "Organizations"

    def ready(self) -> None:
        """Answer the question that a lower layer asks: where is a look recorded?"""
        from crewadmin import admin

        from .support import record_look

        admin.looks_recorded_by(record_look)
