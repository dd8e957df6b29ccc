"""crewadmin.bulk: very many rows in few statements, as the models would write them."""

from uuid import uuid4

import pytest
from django.utils import timezone

from credentials.models import ConnectionTest
from crewadmin.bulk import upsert
from organizations.models import Organization

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("update", [(), ("milliseconds", "steps")], ids=["only new ones", "known ones too"])
def test_a_value_that_all_rows_share_is_written_as_its_column_keeps_it(
    acme: Organization, update: tuple[str, ...]
) -> None:
    now, first, second = timezone.now(), uuid4(), uuid4()
    same = {"organization": acme.pk, "provider": "aws", "created_at": now, "steps": [{"step": "read"}]}
    upsert(ConnectionTest, ["uuid", "milliseconds"], [[first, 1], [second, 2]], same, update)
    rows = ConnectionTest.objects.order_by("milliseconds").values_list("uuid", "milliseconds", "steps", "created_at")
    assert list(rows) == [(first, 1, [{"step": "read"}], now), (second, 2, [{"step": "read"}], now)]


def test_a_row_that_is_there_takes_over_what_is_named_and_nothing_else(acme: Organization) -> None:
    now, known = timezone.now(), uuid4()
    same = {"organization": acme.pk, "provider": "aws", "created_at": now}
    upsert(ConnectionTest, ["uuid", "milliseconds"], [[known, 1]], same | {"person_label": "before"}, ["milliseconds"])
    upsert(ConnectionTest, ["uuid", "milliseconds"], [[known, 2]], same | {"person_label": "after"}, ["milliseconds"])
    stored = ConnectionTest.objects.get()
    assert (stored.uuid, stored.milliseconds, stored.person_label) == (known, 2, "before")
