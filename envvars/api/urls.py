"""Addresses below api/v1/."""

from django.urls import path

from . import views

urlpatterns = [
    # Not <uuid:>: whatever stands there, the answer is JSON, and the same for what does not exist.
    path("automations/<str:uuid>/environment", views.environment, name="api_environment"),
    path("automations/<str:uuid>/deployments", views.deployments, name="api_deployments"),
    path("openapi.json", views.openapi, name="api_openapi"),
]
