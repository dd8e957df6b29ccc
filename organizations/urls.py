"""Addresses below an organization that belong to the organization itself."""

from django.urls import path

from .views import audit_log, home, organization

urlpatterns = [
    path("", home.organization_home, name="organization_home"),
    path("settings/audit-log/", audit_log.audit_log, name="audit_list"),
    path("settings/audit-log/export/", audit_log.audit_export, name="audit_export"),
    path("settings/organization/", organization.organization_settings, name="organization_settings"),
    path("settings/organization/edit/", organization.organization_settings_edit, name="organization_settings_edit"),
]
