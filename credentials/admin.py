"""What support staff see of credentials and their tests: metadata, never a sealed column."""

from django.contrib import admin

from crewadmin.admin import ReadOnlyAdmin

from .models import ConnectionTest, Credential


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin):
    """Credentials without what they open vaults with."""

    list_display = ("name", "organization", "provider", "is_default", "last_test_ok", "updated_at")
    fields = ("name", "organization", "provider", "is_default", "version", "created_at", "updated_at")
    list_filter = ("provider", "is_default")
    list_select_related = ("organization", "last_test")
    search_fields = ("name", "organization__slug")

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed column in the database."""
        return super().get_queryset(request).defer("secrets")

    @admin.display(boolean=True, description="last test")
    def last_test_ok(self, credential: Credential) -> bool | None:
        """Whether the last connection test passed."""
        return credential.last_test.ok if credential.last_test else None


@admin.register(ConnectionTest)
class ConnectionTestAdmin(ReadOnlyAdmin):
    """Connection tests."""

    list_display = fields = ("created_at", "credential", "person_label", "ok", "milliseconds")
    list_filter = ("ok",)
    list_select_related = ("credential",)
