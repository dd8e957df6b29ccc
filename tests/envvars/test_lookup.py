"""How a command line names an automation."""

import pytest
from django.core.management.base import CommandError

from envvars.lookup import find_automation
from envvars.models import Automation
from organizations.models import Organization
from tests.builders import store_automation

pytestmark = pytest.mark.django_db


def test_it_is_found_by_both_short_names_its_uuid_or_its_own_short_name(acme: Organization, crew: Automation) -> None:
    for name in ("acme/invoice-crew", str(crew.uuid), crew.uuid.hex, "invoice-crew"):
        assert find_automation(name) == crew


def test_a_short_name_that_several_organizations_use_is_refused_with_the_choices(
    acme: Organization, umbrella: Organization, crew: Automation
) -> None:
    other = store_automation(umbrella)
    with pytest.raises(CommandError, match=r"acme/invoice-crew, umbrella/invoice-crew"):
        find_automation("invoice-crew")
    assert find_automation("umbrella/invoice-crew") == other


@pytest.mark.parametrize(
    "name", ["", "no-such", "acme/no-such", "umbrella/invoice-crew", "/invoice-crew", "acme/", "a/b/c", "Invoice crew"]
)
def test_what_is_not_there_is_said_with_the_way_to_write_it(name: str, crew: Automation) -> None:
    with pytest.raises(CommandError, match="ORGANIZATION/AUTOMATION"):
        find_automation(name)


def test_a_uuid_of_nothing_is_not_found(crew: Automation) -> None:
    with pytest.raises(CommandError, match="There is no automation called"):
        find_automation(str(crew.organization.uuid))
