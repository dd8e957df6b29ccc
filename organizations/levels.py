"""Features and levels in words: what a role's choices allow, one plain sentence each."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .access import Feature, Level

FEATURE_LABELS: Mapping[Feature, Promise] = {
    Feature.SECRET_PROVIDERS: _("Secret Provider Credentials"),
    Feature.WORKLOAD_IDENTITY_CONFIGS: _("Workload Identity"),
    Feature.ENVIRONMENT_VARIABLES: _("Environment Variables"),
}

LEVEL_LABELS: Mapping[Level, Promise] = {Level.NONE: _("None"), Level.READ: _("Read"), Level.MANAGE: _("Manage")}

SENTENCES: Mapping[Feature, Mapping[Level, Promise]] = {
    Feature.SECRET_PROVIDERS: {
        Level.NONE: _("Does not see credentials. Variables show that a credential is used, not which."),
        Level.READ: _(
            "Sees credentials and their tests, never a key, and can test them. With Manage for Environment Variables: "
            "can choose one as the source of a variable."
        ),
        Level.MANAGE: _("Can also create, edit and delete credentials and choose the default one."),
    },
    Feature.WORKLOAD_IDENTITY_CONFIGS: {
        Level.NONE: _("Does not see workload identity configs."),
        Level.READ: _("Sees workload identity configs."),
        Level.MANAGE: _(
            "Can also create, edit and delete them. Needs Manage for Secret Provider Credentials too, because a "
            "config opens vaults through a credential."
        ),
    },
    Feature.ENVIRONMENT_VARIABLES: {
        Level.NONE: _("Does not see environment variables or automations."),
        Level.READ: _(
            "Sees variables with their values masked, and automations, and can check whether all have a value."
        ),
        Level.MANAGE: _("Can also create, edit and delete variables and automations, and assign one to the other."),
    },
}


@dataclass(frozen=True)
class GrantedLevel:
    """A role's level for one feature, as a list shows it."""

    feature: Promise
    level: Promise
    name: str


def levels_in_words(levels: Mapping[Feature, Level]) -> list[GrantedLevel]:
    """Return a role's levels in the order of the features."""
    return [
        GrantedLevel(FEATURE_LABELS[feature], LEVEL_LABELS[levels[feature]], levels[feature].name.lower())
        for feature in Feature
    ]
