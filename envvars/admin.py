"""What support staff see of variables and automations: names and sources, never a value."""

from django.contrib import admin

from crewadmin.admin import ReadOnlyAdmin

from .models import Automation, Deployment, EnvironmentVariable, ServiceToken


@admin.register(EnvironmentVariable)
class EnvironmentVariableAdmin(ReadOnlyAdmin):
    """Variables without their values."""

    list_display = fields = ("key", "organization", "source", "provider", "reference_label", "updated_at")
    list_filter = ("source",)
    list_select_related = ("organization",)
    search_fields = ("key", "organization__slug")

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed column in the database."""
        return super().get_queryset(request).defer("value")


@admin.register(Automation)
class AutomationAdmin(ReadOnlyAdmin):
    """Automations."""

    list_display = fields = ("name", "slug", "organization", "resolves_at", "created_at")
    list_select_related = ("organization",)
    search_fields = ("name", "slug", "organization__slug")


@admin.register(ServiceToken)
class ServiceTokenAdmin(ReadOnlyAdmin):
    """Service tokens without their hashes."""

    list_display = fields = ("name", "prefix", "automation", "may_deploy", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("automation__organization",)
    search_fields = ("name", "prefix", "automation__slug")


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Deployments without their values."""

    list_display = fields = ("number", "automation", "variables_count", "by_label", "created_at")
    list_select_related = ("automation__organization",)
    search_fields = ("automation__slug", "organization__slug")

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed column in the database."""
        return super().get_queryset(request).defer("snapshot")
