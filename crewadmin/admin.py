"""Django admin for support staff: metadata to look at, little to do, never a value.

Every look is told to whom it concerns before the page is sent. Who that is, this layer does not know: it asks, and
`organizations.support` answers, which says so at start (`organizations.apps`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver
from django.utils.translation import gettext_lazy as _

from .admin_pages import Listing, linked_facts_of

#: Tells who is concerned that a person looked at a row, or at a list that showed these rows.
LookRecorder = Callable[[Any, Sequence[models.Model], bool], None]

_record_look: LookRecorder | None = None


def looks_recorded_by(recorder: LookRecorder) -> None:
    """Name the function that is told of every look: the person, the rows, and whether it was a list."""
    global _record_look
    _record_look = recorder


def record_look(user: Any, rows: Sequence[models.Model], *, is_list: bool) -> None:
    """Tell of a look. Raises RuntimeError if nobody records: then nobody looks."""
    if _record_look is None:
        raise RuntimeError("No application has said how the looks of support staff are recorded.")
    _record_look(user, rows, is_list)


#: Django's pages that this site is without. `autocomplete` would tell names of rows, and nobody of it; a password is
#: changed on the product's own page, which has limits; the others belong to forms that are not here.
_LEFT_OUT = {"autocomplete", "jsi18n", "password_change", "password_change_done", "view_on_site"}


class SupportSite(admin.AdminSite):
    """The admin site in the product's frame (templates/admin/), with the product's own sign-in and sign-out.

    Its own would be a second sign-in, without the product's limits.
    """

    index_title = _("Support")

    def register(self, model_or_iterable: Any, admin_class: type[Any] | None = None, **options: Any) -> None:
        """Take read-only pages; what other packages bring (groups, login addresses) could be changed, and stays out."""
        if admin_class is not None and issubclass(admin_class, ReadOnlyAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> "list[URLPattern | URLResolver]":
        """Return the site's addresses, without those that it has no use for."""
        return [url for url in super().get_urls() if getattr(url, "name", None) not in _LEFT_OUT]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return what the person may see, by application, in the order in which it was registered."""
        apps = list(self._build_app_dict(request, app_label).values())
        for listed in (listed for app in apps for listed in app["models"]):
            listed["icon"] = self.get_model_admin(listed["model"]).icon  # type: ignore[attr-defined]  # see register
        return apps

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page of the site needs: the frame's navigation besides Django's own."""
        return {**super().each_context(request), "nav": "admin/nav.html"}

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send a visitor to the sign-in page; somebody signed in who is not staff gets 403."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", ""))

    def logout(  # type: ignore[override]  # a redirect instead of a page
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send people to the product's own page."""
        return redirect("account_logout")


#: What stands behind a filter's name in the links that Django makes of it.
_FILTER_ENDINGS = ("", "__exact", "__isnull", "__gte", "__lt")


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """A model that support staff may look at.

    `fields` and `list_display` are always explicit, so that a new column shows nowhere by itself; `labels` names what
    the model gives no name for people; `icon` stands in the navigation. Looking up by query string is limited to what
    `list_filter` offers, letter for letter: any column, and any that a relation leads to, can otherwise be read
    character by character. Each object's page, and each list with the rows that it showed, is recorded for the
    organizations concerned (see organizations.support).
    """

    icon = "table-cells"
    labels: Mapping[str, Any] = {}
    actions: Sequence[Any] = ()
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

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
        return lookup in {f"{name}{ending}" for name in map(str, self.list_filter) for ending in _FILTER_ENDINGS}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Listing]:
        """Return what makes a list's page."""
        return Listing

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a list, once its rows are recorded."""
        response = super().changelist_view(request, extra_context)
        page = (getattr(response, "context_data", None) or {}).get("cl")
        if page is not None:
            record_look(request.user, list(page.result_list), is_list=True)
        return response

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Show an object, once the look is recorded."""
        record_look(request.user, [obj], is_list=False)
        context["facts"] = linked_facts_of(self, obj, request)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Have no page: what happened to an object stands in its organization's audit log."""
        raise Http404
