"""Addresses below an organization: environment-variables/ and automations/."""

from django.urls import path

from . import views

urlpatterns = [
    path("environment-variables/", views.variable_list, name="variable_list"),
    path("environment-variables/add/", views.variable_add, name="variable_add"),
    path("environment-variables/<uuid:uuid>/edit/", views.variable_edit, name="variable_edit"),
    path("environment-variables/<uuid:uuid>/delete/", views.variable_delete, name="variable_delete"),
    path("automations/", views.automation_list, name="automation_list"),
    path("automations/add/", views.automation_add, name="automation_add"),
    path("automations/<uuid:uuid>/", views.automation_detail, name="automation_detail"),
    path("automations/<uuid:uuid>/check/", views.automation_check, name="automation_check"),
    path("automations/<uuid:uuid>/edit/", views.automation_edit, name="automation_edit"),
    path("automations/<uuid:uuid>/delete/", views.automation_delete, name="automation_delete"),
]
