"""The audit log's page is read from an index, in order, whatever it is narrowed by; `make bench` has the figures."""

import pytest
from django.db import connection
from django.http import QueryDict

from organizations.audit import changing, record
from organizations.audit_filters import AuditFilters
from organizations.models import AuditEvent, Organization, User

pytestmark = pytest.mark.django_db


def plan_of(organization: Organization, address: str) -> str:
    """Return how the database would read a page. On a small table PostgreSQL is told not to read all of it."""
    filters = AuditFilters(QueryDict(address))
    assert filters.is_valid()
    events = filters.narrow(AuditEvent.objects.for_organization(organization))
    if "older" in address:
        events = events.filter(pk__lt=events[0].pk)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for way in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    return str(events[:51].explain())


@pytest.fixture
def log(acme: Organization, umbrella: Organization, alice: User) -> Organization:
    """Acme, with some events beside another organization's."""
    for organization in (acme, umbrella):
        with changing(organization):
            for _number in range(60):
                record(organization, alice, AuditEvent.Action.CREDENTIAL_TESTED, organization)
    return acme


@pytest.mark.parametrize(
    ("address", "index"),
    [
        ("", "audit_newest_first"),
        ("older=1", "audit_newest_first"),
        ("person=alice@acme.example", "audit_by_person"),
        ("action=credential:tested", "audit_by_action"),
        ("object=00000000-0000-0000-0000-000000000007", "audit_by_object"),
        ("object=aws-prod", "audit_by_object_name"),
        ("since=2026-01-01", "audit_by_time"),
        ("until=2026-12-31", "audit_by_time"),
        ("since=2026-01-01&until=2026-12-31", "audit_by_time"),
    ],
)
def test_a_page_is_read_from_an_index_and_never_sorted(log: Organization, address: str, index: str) -> None:
    plan = plan_of(log, address)
    assert index in plan or (index == "audit_newest_first" and "organizations_auditevent_pkey" in plan), plan
    for way in ("SCAN organizations_auditevent", "TEMP B-TREE", "Seq Scan", "Sort"):
        assert way not in plan, plan
