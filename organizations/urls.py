"""Addresses below an organization that belong to the organization itself."""

from django.urls import path

from .views import audit_log, home, invitations, members, organization, roles

urlpatterns = [
    path("", home.organization_home, name="organization_home"),
    path("settings/audit-log/", audit_log.audit_log, name="audit_list"),
    path("settings/audit-log/export/", audit_log.audit_export, name="audit_export"),
    path("settings/organization/", organization.organization_settings, name="organization_settings"),
    path("settings/organization/edit/", organization.organization_settings_edit, name="organization_settings_edit"),
    path("settings/members/", members.member_list, name="member_list"),
    path("settings/members/invite/", invitations.member_invite, name="member_invite"),
    path("settings/members/leave/", members.member_leave, name="member_leave"),
    path("settings/members/<uuid:uuid>/edit/", members.member_edit, name="member_edit"),
    path("settings/members/<uuid:uuid>/suspend/", members.member_suspend, name="member_suspend"),
    path("settings/members/<uuid:uuid>/reactivate/", members.member_reactivate, name="member_reactivate"),
    path("settings/members/<uuid:uuid>/remove/", members.member_remove, name="member_remove"),
    path("settings/members/<uuid:uuid>/resend/", invitations.member_resend, name="member_resend"),
    path("settings/roles/", roles.role_list, name="role_list"),
    path("settings/roles/add/", roles.role_add, name="role_add"),
    path("settings/roles/<uuid:uuid>/edit/", roles.role_edit, name="role_edit"),
    path("settings/roles/<uuid:uuid>/duplicate/", roles.role_duplicate, name="role_duplicate"),
    path("settings/roles/<uuid:uuid>/delete/", roles.role_delete, name="role_delete"),
]
