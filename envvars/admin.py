"""What support staff see of variables and automations: names and sources, never a value."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from crewadmin.admin import ReadOnlyAdmin

from .models import Automation, Deployment, EnvironmentVariable, ServiceToken


@admin.register(EnvironmentVariable)
class EnvironmentVariableAdmin(ReadOnlyAdmin):
    """Variables without their values."""

    icon = "variable"
    list_display = ("key", "organization", "source", "reference", "updated_at")
    fields = (
        "key",
        "organization",
        "source",
        "provider",
        "credential",
        "reference",
        "version_stage",
        "uuid",
        "restricted",
        "acknowledged",
        "import_name",
        "created_at",
        "updated_at",
    )
    labels = {
        "uuid": gettext_lazy("ID"),
        "acknowledged": gettext_lazy("name acknowledged"),
        "import_name": gettext_lazy("name of its import"),
    }
    list_filter = ("source",)
    search_fields = ("key", "organization__slug")
    search_help_text = gettext_lazy("Search by key or organization")

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed columns, also that of each variable's credential, in the database."""
        rows = super().get_queryset(request).select_related("organization", "credential")
        return rows.defer("value", "credential__secrets")


@admin.register(Automation)
class AutomationAdmin(ReadOnlyAdmin):
    """Automations."""

    icon = "bolt"
    list_display = ("name", "slug", "organization", "resolves_at", "created_at")
    fields = ("name", "slug", "organization", "uuid", "resolves_at", "restricted", "created_at")
    labels = {"uuid": gettext_lazy("ID")}
    list_select_related = ("organization",)
    search_fields = ("name", "slug", "organization__slug")
    search_help_text = gettext_lazy("Search by name or organization")


@admin.register(ServiceToken)
class ServiceTokenAdmin(ReadOnlyAdmin):
    """Service tokens without their hashes."""

    icon = "ticket"
    list_display = ("name", "prefix", "organization", "may_deploy", "expires_at", "last_used_at", "revoked_at")
    fields = (
        "name",
        "prefix",
        "organization",
        "automation",
        "may_deploy",
        "uuid",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "created_at",
        "created_by",
    )
    labels = {"uuid": gettext_lazy("ID")}
    list_filter = ("revoked_at",)
    list_select_related = ("automation__organization",)
    search_fields = ("name", "prefix", "automation__slug", "automation__organization__slug")
    search_help_text = gettext_lazy("Search by name, prefix or organization")


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    """Deployments without their values."""

    icon = "rocket-launch"
    list_display = ("number", "automation", "organization", "variables_count", "stale_since", "created_at")
    fields = (
        "number",
        "automation",
        "organization",
        "uuid",
        "variables_count",
        "checked_at",
        "stale_since",
        "created_at",
        "by_label",
    )
    labels = {"uuid": gettext_lazy("ID")}
    list_select_related = ("automation", "organization")
    search_fields = ("automation__slug", "organization__slug")
    search_help_text = gettext_lazy("Search by automation or organization")

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed column in the database."""
        return super().get_queryset(request).defer("snapshot")
