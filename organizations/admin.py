"""What support staff see of tenants, people and the audit log, and what they may do for them."""

from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy

from crewadmin.admin import ReadOnlyAdmin

from .models import AuditEvent, Membership, Organization, Role, User
from .services.members import suspend
from .services.owners import LastOwnerError
from .services.sessions import sign_out_everywhere
from .support import confirmed


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Tenants."""

    list_display = fields = ("name", "slug", "uuid", "created_at")
    search_fields = ("name", "slug")
    ordering: ClassVar[tuple[str, ...]] = ("name", "id")


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People, without their passwords."""

    list_display = fields = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering: ClassVar[tuple[str, ...]] = ("email",)
    actions = ("end_sessions",)

    def has_end_sessions_permission(self, request: HttpRequest) -> bool:
        """Whether the person may sign others out."""
        return request.user.has_perm("organizations.end_sessions")

    @admin.action(permissions=["end_sessions"], description=gettext_lazy("Sign out everywhere"))
    def end_sessions(self, request: HttpRequest, people: "QuerySet[User]") -> HttpResponse | None:
        """End every session of the people chosen."""
        asked = confirmed(self, request, people, gettext("Sign out everywhere"))
        if isinstance(asked, HttpResponse):
            return asked
        for user in asked:
            sign_out_everywhere(user, request.user)  # type: ignore[arg-type]  # staff are signed in
            self.message_user(request, gettext("%(name)s was signed out everywhere.") % {"name": user})
        return None


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    """Roles."""

    list_display = fields = ("name", "kind", "organization")
    list_filter = ("kind",)
    list_select_related = ("organization",)
    search_fields = ("name", "organization__slug")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where."""

    list_display = fields = ("user", "organization", "role", "state", "created_at")
    list_filter = ("state",)
    list_select_related = ("user", "organization", "role")
    search_fields = ("user__email", "organization__slug")
    actions = ("suspend",)

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        """Whether the person may suspend members."""
        return request.user.has_perm("organizations.suspend_membership")

    @admin.action(permissions=["suspend"], description=gettext_lazy("Suspend"))
    def suspend(self, request: HttpRequest, memberships: "QuerySet[Membership]") -> HttpResponse | None:
        """Suspend the members chosen; the last active owner of an organization stays."""
        asked = confirmed(self, request, memberships, gettext("Suspend"))
        if isinstance(asked, HttpResponse):
            return asked
        for membership in asked:
            name = {"name": membership}
            try:
                suspend(membership, request.user)  # type: ignore[arg-type]  # staff are signed in
            except LastOwnerError:
                text = gettext("%(name)s is the last active owner, and was not suspended.") % name
                self.message_user(request, text, messages.ERROR)
            except Membership.DoesNotExist:
                self.message_user(request, gettext("A member was removed meanwhile."), messages.WARNING)
            else:
                self.message_user(request, gettext("%(name)s was suspended.") % name)
        return None


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log, newest first."""

    list_display = fields = ("created_at", "organization", "actor_label", "action", "target_label", "details")
    list_filter = ("action",)
    list_select_related = ("organization",)
    search_fields = ("=organization__slug", "=actor_label", "=target_label")
    search_help_text = gettext_lazy("A whole short name of an organization, e-mail address, or name of an object.")
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
