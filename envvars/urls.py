"""Addresses below an organization: environment-variables/ and automations/."""

from django.urls import path

from .views import automations, deployments, drift, explaining, imports, references, secrets, tokens, variables

urlpatterns = [
    path("environment-variables/", variables.variable_list, name="variable_list"),
    path("environment-variables/import/", imports.variable_import, name="variable_import"),
    path("environment-variables/add/", variables.variable_add, name="variable_add"),
    path("environment-variables/add/suggest/", references.reference_suggest, name="variable_add_suggest"),
    path("environment-variables/add/check/", references.reference_check, name="variable_add_check"),
    path("environment-variables/<uuid:uuid>/edit/suggest/", references.reference_suggest, name="variable_edit_suggest"),
    path("environment-variables/<uuid:uuid>/edit/check/", references.reference_check, name="variable_edit_check"),
    path("environment-variables/secret/", secrets.variable_secret, name="variable_secret"),
    path("environment-variables/<uuid:uuid>/edit/", variables.variable_edit, name="variable_edit"),
    path("environment-variables/<uuid:uuid>/delete/", variables.variable_delete, name="variable_delete"),
    path("environment-variables/<uuid:uuid>/access/", variables.variable_access, name="variable_access"),
    path("environment-variables/<uuid:uuid>/explain/", explaining.variable_explain, name="variable_explain"),
    path("automations/", automations.automation_list, name="automation_list"),
    path("automations/add/", automations.automation_add, name="automation_add"),
    path("automations/stale/", drift.stale_list, name="automation_stale"),
    path("automations/<uuid:uuid>/", automations.automation_detail, name="automation_detail"),
    path("automations/<uuid:uuid>/check/", automations.automation_check, name="automation_check"),
    path("automations/<uuid:uuid>/edit/", automations.automation_edit, name="automation_edit"),
    path("automations/<uuid:uuid>/delete/", automations.automation_delete, name="automation_delete"),
    path("automations/<uuid:uuid>/access/", automations.automation_access, name="automation_access"),
    path("automations/<uuid:uuid>/deploy/", deployments.automation_deploy, name="automation_deploy"),
    path("automations/<uuid:uuid>/deployments/", deployments.automation_history, name="automation_history"),
    path("automations/<uuid:uuid>/compare/", deployments.automation_compare, name="automation_compare"),
    path("deployments/<uuid:uuid>/", deployments.deployment_detail, name="deployment_detail"),
    path("automations/<uuid:uuid>/drift/", drift.drift_check, name="automation_drift"),
    path(
        "automations/<uuid:uuid>/variables/<uuid:variable>/explain/",
        explaining.automation_explain,
        name="automation_explain",
    ),
    path("automations/<uuid:uuid>/tokens/add/", tokens.token_add, name="automation_token_add"),
    path("service-tokens/<uuid:uuid>/rotate/", tokens.token_rotate, name="token_rotate"),
    path("service-tokens/<uuid:uuid>/revoke/", tokens.token_revoke, name="token_revoke"),
]
