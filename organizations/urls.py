"""Addresses below an organization that belong to the organization itself."""

from django.urls import path

from .views import audit_log, home

urlpatterns = [
    path("", home.organization_home, name="organization_home"),
    path("settings/audit-log/", audit_log.audit_log, name="audit_list"),
    path("settings/audit-log/export/", audit_log.audit_export, name="audit_export"),
]
