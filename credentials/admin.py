"""What support staff see of credentials and their tests: metadata, never a sealed column."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crewadmin.admin import ReadOnlyAdmin

from .models import ConnectionTest, Credential
from .presentation import toast_for, toast_for_limit
from .testing import TooManyTestsError, run_connection_test

#: The toast's levels in Django's numbers.
_LEVELS = {"success": messages.SUCCESS, "warning": messages.WARNING, "error": messages.ERROR}


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin):
    """Credentials without what they open vaults with."""

    list_display = ("name", "organization", "provider", "is_default", "last_test_ok", "updated_at")
    fields = ("name", "organization", "provider", "is_default", "version", "created_at", "updated_at")
    list_filter = ("provider", "is_default")
    list_select_related = ("organization", "last_test")
    search_fields = ("name", "organization__slug")
    actions = ("retest",)

    def has_retest_permission(self, request: HttpRequest) -> bool:
        """Whether the person may test credentials."""
        return request.user.has_perm("credentials.retest_credential")

    @admin.action(permissions=["retest"], description=gettext_lazy("Test the connection again"))
    def retest(self, request: HttpRequest, credentials: "QuerySet[Credential]") -> None:
        """Test one credential, within its organization's limits; one, because a test may take fifteen seconds."""
        chosen = list(credentials[:2])
        if len(chosen) != 1:
            self.message_user(request, _("Choose one credential: they are tested one at a time."), messages.ERROR)
            return
        try:
            toast = toast_for(run_connection_test(chosen[0], request.user))  # type: ignore[arg-type]  # staff are signed in
        except TooManyTestsError as error:
            toast = toast_for_limit(error.seconds)
        except Credential.DoesNotExist:
            self.message_user(request, _("The credential was deleted meanwhile."), messages.ERROR)
            return
        text = " ".join(filter(None, (f"“{chosen[0]}”: {toast.title}.", toast.detail)))
        self.message_user(request, text, _LEVELS[toast.level])

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

    list_display = fields = ("created_at", "organization", "credential", "person_label", "ok", "milliseconds")
    list_filter = ("ok",)
    list_select_related = ("credential", "organization")
    search_fields = ("credential__name", "organization__slug", "person_label")

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed column of each test's credential in the database."""
        return super().get_queryset(request).defer("credential__secrets")
