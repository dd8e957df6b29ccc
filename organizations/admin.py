"""What support staff see of tenants, people and the audit log, and what they may do for them."""

from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy

from crewadmin.admin import ReadOnlyAdmin

from .models import AuditEvent, Invitation, Membership, Organization, Role, User
from .presentation import sentence_of
from .services.members import suspend
from .services.owners import LastOwnerError
from .services.sessions import sign_out_everywhere
from .support import confirmed


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Tenants."""

    icon = "building-office-2"
    list_display = ("name", "slug", "requires_mfa", "created_at")
    fields = ("name", "slug", "uuid", "requires_mfa", "created_at")
    labels = {"uuid": gettext_lazy("ID")}
    list_filter = ("requires_mfa",)
    search_fields = ("name", "slug")
    search_help_text = gettext_lazy("Search by name or short name")
    ordering: ClassVar[tuple[str, ...]] = ("name", "id")


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People, without their passwords."""

    icon = "users"
    list_display = fields = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    labels = {"is_staff": gettext_lazy("support staff")}
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    search_help_text = gettext_lazy("Search by e-mail or name")
    ordering: ClassVar[tuple[str, ...]] = ("email",)
    actions = ("end_sessions",)

    def has_end_sessions_permission(self, request: HttpRequest) -> bool:
        """Whether the person may sign others out."""
        return request.user.has_perm("organizations.end_sessions")

    @admin.action(permissions=["end_sessions"], description=gettext_lazy("Sign out everywhere"))
    def end_sessions(self, request: HttpRequest, people: "QuerySet[User]") -> HttpResponse | None:
        """End every session of the people chosen."""
        consequences = gettext("Every browser in which they are signed in asks for their password again.")
        asked = confirmed(self, request, people, gettext("Sign out everywhere"), consequences)
        if isinstance(asked, HttpResponse):
            return asked
        for user in asked:
            sign_out_everywhere(user, request.user)  # type: ignore[arg-type]  # staff are signed in
            self.message_user(request, gettext("%(name)s was signed out everywhere.") % {"name": user})
        return None


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    """Roles."""

    icon = "identification"
    list_display = fields = ("name", "kind", "organization")
    list_filter = ("kind",)
    list_select_related = ("organization",)
    search_fields = ("name", "organization__slug")
    search_help_text = gettext_lazy("Search by name or organization")


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where."""

    icon = "user-group"
    list_display = fields = ("user", "organization", "role", "state", "created_at")
    list_filter = ("state",)
    list_select_related = ("user", "organization", "role")
    search_fields = ("user__email", "organization__slug")
    search_help_text = gettext_lazy("Search by e-mail or organization")
    actions = ("suspend",)

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        """Whether the person may suspend members."""
        return request.user.has_perm("organizations.suspend_membership")

    @admin.action(permissions=["suspend"], description=gettext_lazy("Suspend"))
    def suspend(self, request: HttpRequest, memberships: "QuerySet[Membership]") -> HttpResponse | None:
        """Suspend the members chosen; the last active owner of an organization stays."""
        consequences = gettext("They are shut out of the organization at once. An owner there can reactivate them.")
        asked = confirmed(self, request, memberships, gettext("Suspend"), consequences)
        if isinstance(asked, HttpResponse):
            return asked
        for membership in asked:
            name = {"name": membership}
            try:
                suspended = suspend(membership, request.user)  # type: ignore[arg-type]  # staff are signed in
            except LastOwnerError:
                text = gettext("%(name)s is the last active owner, and was not suspended.") % name
                self.message_user(request, text, messages.ERROR)
            except Membership.DoesNotExist:
                self.message_user(request, gettext("A member was removed meanwhile."), messages.WARNING)
            else:
                if suspended:
                    self.message_user(request, gettext("%(name)s was suspended.") % name)
                else:
                    text = gettext("%(name)s did not join yet, and was not suspended.") % name
                    self.message_user(request, text, messages.WARNING)
        return None


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Invitations without their tokens' hashes."""

    icon = "envelope"
    list_display = ("person", "organization", "role", "expires_at", "sent_at")
    fields = ("person", "organization", "membership", "role", "invited_by", "expires_at", "sent_at")
    list_filter = ("sent_at",)
    list_select_related = ("membership__user", "membership__organization", "membership__role")
    search_fields = ("membership__user__email", "membership__organization__slug")
    search_help_text = gettext_lazy("Search by e-mail or organization")

    @admin.display(description=gettext_lazy("e-mail address"), ordering="membership__user__email")
    def person(self, invitation: Invitation) -> str:
        """Who is invited."""
        return invitation.membership.user.email

    @admin.display(description=gettext_lazy("role"))
    def role(self, invitation: Invitation) -> str:
        """The role that the person gets."""
        return invitation.membership.role.name


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log, newest first."""

    icon = "clipboard-document-list"
    list_display = ("created_at", "organization", "sentence")
    fields = ("created_at", "organization", "actor_label", "action", "target_label", "target_uuid", "details", "uuid")
    labels = {
        "created_at": gettext_lazy("when"),
        "actor_label": gettext_lazy("person"),
        "target_label": gettext_lazy("object"),
        "target_uuid": gettext_lazy("object's ID"),
        "uuid": gettext_lazy("ID"),
    }
    sortable_by = ()  # an organization's index has this order alone
    list_filter = ("action",)
    list_select_related = ("organization",)
    search_fields = ("=organization__slug", "=actor_label", "=target_label")
    search_help_text = gettext_lazy("Whole e-mail, object or short name")
    ordering: ClassVar[tuple[str, ...]] = ("-id",)

    @admin.display(description=gettext_lazy("what"))
    def sentence(self, event: AuditEvent) -> str:
        """The event in words."""
        return str(sentence_of(event))
