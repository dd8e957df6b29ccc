"""Addresses below an organization that belong to the organization itself."""

from django.urls import path

from .views import home

urlpatterns = [
    path("", home.organization_home, name="organization_home"),
]
