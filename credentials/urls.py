"""Addresses below an organization's settings/credentials/."""

from django.urls import path

from . import catalogue, policy, views
from .importing.views import credential_import

urlpatterns = [
    path("", views.credential_list, name="credential_list"),
    path("import/", credential_import, name="credential_import"),
    path("add/", views.credential_add, name="credential_add"),
    path("add/test/", views.credential_try, name="credential_add_test"),
    path("<uuid:uuid>/edit/test/", views.credential_try, name="credential_edit_test"),
    path("problems/", catalogue.failure_catalogue, name="failure_catalogue"),
    path("problems/explain/", catalogue.failure_explain, name="failure_explain"),
    path("<uuid:uuid>/", views.credential_detail, name="credential_detail"),
    path("<uuid:uuid>/uses/", views.credential_uses, name="credential_uses"),
    path("<uuid:uuid>/edit/", views.credential_edit, name="credential_edit"),
    path("<uuid:uuid>/delete/", views.credential_delete, name="credential_delete"),
    path("<uuid:uuid>/make-default/", views.credential_make_default, name="credential_make_default"),
    path("<uuid:uuid>/access/", views.credential_access, name="credential_access"),
    path("<uuid:uuid>/policy/", policy.credential_policy, name="credential_policy"),
    path("<uuid:uuid>/test/", views.credential_test, name="credential_test"),
    path("<uuid:uuid>/trust/", views.credential_check_trust, name="credential_check_trust"),
]
