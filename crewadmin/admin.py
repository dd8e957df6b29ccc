"""Django admin for support staff: metadata to look at, nothing to change, never a value."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _


class SupportSite(admin.AdminSite):
    """The admin site, with the product's own sign-in in place of a second one without its limits."""

    site_header = site_title = _("crewadmin support")
    index_title = _("Metadata for support staff")

    def register(self, model_or_iterable: Any, admin_class: type[Any] | None = None, **options: Any) -> None:
        """Take read-only pages; what other packages bring (groups, login addresses) could be changed, and stays out."""
        if admin_class is not None and issubclass(admin_class, ReadOnlyAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send a visitor to the sign-in page; somebody signed in who is not staff gets 403."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", ""))

    def password_change(  # type: ignore[override]  # a redirect instead of a page
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send people to the product's own page, which has limits."""
        return redirect("account_change_password")


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """A model that support staff may look at.

    `fields` and `list_display` are always explicit, so that a new column shows nowhere by itself. Looking up by query
    string is limited to `list_filter` and `search_fields`: any column can otherwise be read letter by letter.
    """

    actions = None
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes here."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the filters that the page itself offers, and nothing else."""
        return any(lookup == name or lookup.startswith(f"{name}__") for name in map(str, self.list_filter))
