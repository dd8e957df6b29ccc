"""What support staff see of credentials and their tests: metadata, never a sealed column."""

from datetime import datetime

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crewadmin.admin import ReadOnlyAdmin
from crewadmin.limits import TooManyError

from .models import ConnectionTest, Credential
from .presentation import toast_for, toast_for_limit
from .testing import run_connection_test


@admin.register(Credential)
class CredentialAdmin(ReadOnlyAdmin):
    """Credentials without what they open vaults with."""

    icon = "key"
    list_display = ("name", "organization", "provider_label", "is_default", "health", "updated_at")
    fields = (
        "name",
        "organization",
        "provider_label",
        "uuid",
        "is_default",
        "restricted",
        "health",
        "tested_at",
        "import_name",
        "version",
        "created_at",
        "updated_at",
    )
    labels = {
        "uuid": gettext_lazy("ID"),
        "provider_label": gettext_lazy("provider"),
        "is_default": gettext_lazy("default"),
        "last_test__ok": gettext_lazy("last test passed"),
        "import_name": gettext_lazy("name of its import"),
    }
    list_filter = ("last_test__ok", "is_default")
    list_select_related = ("organization", "last_test")
    search_fields = ("name", "organization__slug")
    search_help_text = gettext_lazy("Search by name or organization")
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
        except TooManyError as error:
            toast = toast_for_limit(error.seconds)
        except Credential.DoesNotExist:
            self.message_user(request, _("The credential was deleted meanwhile."), messages.ERROR)
            return
        self.message_user(request, f"“{chosen[0]}”: {toast.title}", toast.message_level, extra_tags=toast.detail)

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed column in the database."""
        return super().get_queryset(request).defer("secrets")

    @admin.display(description=gettext_lazy("state"))
    def health(self, credential: Credential) -> str:
        """What the last connection test says of it."""
        return str(credential.health.label)

    @admin.display(description=gettext_lazy("tested at"))
    def tested_at(self, credential: Credential) -> datetime | None:
        """When the last connection test began."""
        return credential.last_test.created_at if credential.last_test else None


@admin.register(ConnectionTest)
class ConnectionTestAdmin(ReadOnlyAdmin):
    """Connection tests."""

    icon = "signal"
    list_display = ("created_at", "organization", "credential", "person_label", "result", "milliseconds")
    fields = ("created_at", "organization", "credential", "person_label", "result", "problem", "milliseconds", "uuid")
    labels = {
        "uuid": gettext_lazy("ID"),
        "created_at": gettext_lazy("started"),
        "person_label": gettext_lazy("person"),
        "ok": gettext_lazy("passed"),
    }
    list_filter = ("ok",)
    search_fields = ("credential__name", "organization__slug", "person_label")
    search_help_text = gettext_lazy("Search by credential or organization")

    @admin.display(description=gettext_lazy("result"), ordering="ok")
    def result(self, test: ConnectionTest) -> str:
        """Whether it passed, still runs, or was cut off."""
        if test.was_cut_off:
            return _("Cut off")
        return {True: _("Passed"), False: _("Failed"), None: _("Running")}[test.ok]

    @admin.display(description=gettext_lazy("problem"))
    def problem(self, test: ConnectionTest) -> str:
        """What failed first, in our own words."""
        return str(test.failure.title) if test.failure else ""

    def get_queryset(self, request):  # type: ignore[no-untyped-def]  # the stubs' signature is generic
        """Leave the sealed column of each test's credential in the database."""
        return super().get_queryset(request).select_related("credential", "organization").defer("credential__secrets")
