"""What support staff see of tenants, people and the audit log."""

from typing import ClassVar

from django.contrib import admin

from crewadmin.admin import ReadOnlyAdmin

from .models import AuditEvent, Membership, Organization, Role, User


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Tenants."""

    list_display = fields = ("name", "slug", "uuid", "created_at")
    search_fields = ("name", "slug")


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People, without their passwords."""

    list_display = fields = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")


@admin.register(Role)
class RoleAdmin(ReadOnlyAdmin):
    """Roles."""

    list_display = fields = ("name", "kind", "organization")
    list_filter = ("kind",)
    list_select_related = ("organization",)


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where."""

    list_display = fields = ("user", "organization", "role", "state", "created_at")
    list_filter = ("state",)
    list_select_related = ("user", "organization", "role")
    search_fields = ("user__email", "organization__slug")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log, newest first."""

    list_display = fields = ("created_at", "organization", "actor_label", "action", "target_label", "details")
    list_filter = ("action",)
    list_select_related = ("organization",)
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
