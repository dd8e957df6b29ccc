"""organizations.audit: a chain of events that shows every tampering, written with the change or not at all."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, models, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credentials import services as credential_services
from credentials.models import Credential
from crewadmin.sealing import key_ring
from envvars.models import Automation, EnvironmentVariable
from envvars.services import automations as automation_services
from envvars.services import variables as variable_services
from organizations.access import Feature, Level
from organizations.audit import (
    DETAIL_NAMES,
    MOST_NAMES,
    MOST_SINGLE,
    changing,
    content_of,
    hasher_of,
    record,
    record_many,
)
from organizations.audit_chain import verify
from organizations.models import (
    AppendOnlyError,
    AuditEvent,
    AuditHead,
    Invitation,
    Membership,
    Organization,
    OrganizationGroupPermission,
    Role,
    User,
)
from organizations.presentation import sentence_of
from organizations.services import members, roles
from organizations.services.invitations import invite
from organizations.services.members import add_member

from .conftest import Rows, rows_of

Action = AuditEvent.Action


def broken_at(organization: Organization) -> int | None:
    """Return the position of the first event that does not fit, from 0, or None."""
    broken = verify(organization).broken
    return broken and broken.position - 1


def behind_the_model() -> "models.QuerySet[AuditEvent]":
    """Return all events by a query that refuses nothing, as somebody with access to the database has."""
    return models.QuerySet(AuditEvent)


@pytest.fixture
def events(acme: Organization, alice: User, acme_rows: Rows) -> list[AuditEvent]:
    """Acme's events so far, oldest first, with details of every type among them."""
    with changing(acme):
        record(acme, None, Action.CREDENTIAL_TESTED, acme, {"fields": ["b", "a"], "variables": 3, "result": "é"})
        record(acme, alice, Action.AUTOMATION_RESOLVED, acme)
    return list(AuditEvent.objects.filter(organization=acme).order_by("id"))


# --- The chain ------------------------------------------------------------------------------------------------------
def test_a_chain_that_nobody_touched_fits(acme: Organization, events: list[AuditEvent]) -> None:
    assert len(events) >= 6
    assert broken_at(acme) is None
    assert {len(event.hash) for event in events} == {32}


def test_each_organization_has_a_chain_of_its_own(
    acme: Organization, umbrella: Organization, events: list[AuditEvent], umbrella_rows: Rows
) -> None:
    assert broken_at(acme) is broken_at(umbrella) is None
    firsts = [AuditEvent.objects.filter(organization=one).order_by("id")[0] for one in (acme, umbrella)]
    assert [bytes(event.previous_hash) for event in firsts] == [b"", b""]


@pytest.mark.parametrize(
    "edit",
    [
        {"actor_label": "somebody@else.example"},
        {"action": Action.CREDENTIAL_DELETED},
        {"target_label": "other"},
        {"target_uuid": "00000000-0000-0000-0000-000000000000"},
        {"details": {}},
        {"details": {"fields": ["a", "b"], "variables": 3, "result": "é"}},
        {"created_at": "2020-01-01T00:00:00Z"},
        {"uuid": "00000000-0000-0000-0000-000000000000"},
        {"previous_hash": b"x" * 32},
        {"hash": b"x" * 32},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_an_edited_event_breaks_the_chain(
    acme: Organization, events: list[AuditEvent], edit: dict[str, object]
) -> None:
    position = len(events) - 2
    behind_the_model().filter(pk=events[position].pk).update(**edit)
    assert broken_at(acme) == position


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_deleted_event_breaks_the_chain(acme: Organization, events: list[AuditEvent], position: int) -> None:
    behind_the_model().filter(pk=events[position].pk).delete()
    assert broken_at(acme) == position


def test_a_deleted_event_breaks_the_chain_also_when_its_neighbours_are_joined(
    acme: Organization, events: list[AuditEvent]
) -> None:
    behind_the_model().filter(pk=events[3].pk).update(previous_hash=events[1].hash)
    behind_the_model().filter(pk=events[2].pk).delete()
    assert broken_at(acme) == 2


def test_two_events_in_each_others_place_break_the_chain(acme: Organization, events: list[AuditEvent]) -> None:
    one, two = events[1], events[2]
    one_id, two_id = one.pk, two.pk
    behind_the_model().filter(pk=one_id).update(id=0)
    behind_the_model().filter(pk=two_id).update(id=one_id)
    behind_the_model().filter(pk=0).update(id=two_id)
    assert broken_at(acme) == 1


def test_an_event_moved_to_another_organization_breaks_its_chain(
    acme: Organization, umbrella: Organization, events: list[AuditEvent]
) -> None:
    behind_the_model().filter(pk=events[-1].pk).update(organization=umbrella)
    assert broken_at(umbrella) is not None


def test_without_the_organizations_key_no_event_can_be_forged(
    acme: Organization, umbrella: Organization, events: list[AuditEvent]
) -> None:
    forged = events[-1]
    forged.organization = umbrella
    assert hasher_of(umbrella)(content_of(forged)) != bytes(events[-1].hash)


def test_time_never_runs_backwards_in_a_log(
    acme: Organization, events: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("organizations.audit.timezone.now", lambda: events[0].created_at - timedelta(days=1))
    with changing(acme):
        assert record(acme, None, Action.AUTOMATION_RESOLVED, acme).created_at == events[-1].created_at
    assert broken_at(acme) is None


def test_an_event_outlives_its_actor_and_its_target(acme: Organization, events: list[AuditEvent]) -> None:
    Credential.objects.all().delete()
    Membership.objects.filter(user__email="alice@acme.example").delete()
    User.objects.filter(email="alice@acme.example").delete()
    assert AuditEvent.objects.filter(organization=acme, actor_label="alice@acme.example").exists()
    assert broken_at(acme) is None


# --- Written once ---------------------------------------------------------------------------------------------------
def test_nobody_changes_or_deletes_an_event(acme: Organization, events: list[AuditEvent]) -> None:
    rows = AuditEvent.objects.filter(organization=acme)
    refused: list[Callable[[], object]] = [
        lambda: rows.update(target_label="other"),
        lambda: AuditEvent.objects.bulk_update(events, ["target_label"]),
        rows.delete,
        events[0].save,
        events[0].delete,
    ]
    for change in refused:
        with pytest.raises(AppendOnlyError), transaction.atomic():
            change()
    assert len(events) == rows.count()
    assert broken_at(acme) is None


def test_an_organization_is_not_deleted_with_its_log(acme: Organization, events: list[AuditEvent]) -> None:
    with pytest.raises(ProtectedError):
        acme.delete()
    assert broken_at(acme) is None
    assert AuditHead.objects.get(organization=acme).count == len(events)


def write_many(organization: Organization, failures: list[BaseException]) -> None:
    try:
        for _ in range(10):
            with changing(organization):
                record(organization, None, Action.CREDENTIAL_TESTED, organization, {"result": "passed"})
    except BaseException as error:  # told in the main thread
        failures.append(error)
    finally:
        connections["default"].close()


@pytest.mark.django_db(transaction=True)
def test_eight_writers_at_once_make_one_chain(acme: Organization) -> None:
    before = acme.audit_events.count()
    failures: list[BaseException] = []
    writers = [threading.Thread(target=write_many, args=(acme, failures)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert acme.audit_events.count() == before + 80
    assert broken_at(acme) is None


# --- What an event tells --------------------------------------------------------------------------------------------
def test_an_event_tells_who_what_and_when(acme: Organization, alice: User, acme_rows: Rows) -> None:
    event = AuditEvent.objects.get(action=Action.CREDENTIAL_CREATED)
    credential = acme_rows["credential"]
    assert (event.actor, event.actor_label) == (alice, "alice@acme.example")
    assert (event.target_uuid, event.target_label) == (credential.uuid, "aws-prod")
    assert event.details == {"provider": "aws"}
    assert str(event) == "alice@acme.example created a credential: aws-prod"


def test_a_command_is_its_own_actor(acme: Organization) -> None:
    with changing(acme):
        event = record(acme, None, Action.AUTOMATION_RESOLVED, acme)
    assert (event.actor, event.actor_label) == (None, "command line")


@pytest.mark.parametrize("name", ["secret", "value", "secret_access_key", "Fields"])
def test_an_unknown_detail_is_refused_without_its_value(acme: Organization, name: str) -> None:
    count = AuditEvent.objects.count()
    with pytest.raises(ValueError, match=name) as caught, changing(acme):
        record(acme, None, Action.CREDENTIAL_CHANGED, acme, {name: "canary"})
    assert "canary" not in str(caught.value)
    assert AuditEvent.objects.count() == count
    assert name not in DETAIL_NAMES


def test_a_very_long_name_is_cut(acme: Organization) -> None:
    acme.name = "x" * 1000
    with changing(acme):
        assert len(record(acme, None, Action.CREDENTIAL_CHANGED, acme).target_label) == 255


def test_no_event_holds_a_value(acme: Organization, alice: User, acme_rows: Rows) -> None:
    variable_services.change_variable(
        acme_rows["variable"],
        alice,
        key="API_KEY",
        value=variable_services.Value(EnvironmentVariable.Source.DIRECT, text="canary-value"),
        automations=[],
    )
    assert AuditEvent.objects.filter(action=Action.VARIABLE_CHANGED).exists()
    assert "canary" not in str(list(AuditEvent.objects.values()))


# --- With the change or not at all ----------------------------------------------------------------------------------
class AuditFailureError(Exception):
    """The log cannot be written."""


def fail(*args: object, **kwargs: object) -> None:
    raise AuditFailureError


CHANGES: dict[str, Callable[[Organization, User, Rows], object]] = {
    "add": lambda acme, alice, rows: rows_of(acme, alice),
    "change": lambda acme, alice, rows: credential_services.change_credential(
        rows["credential"], alice, name="new", config={}, secrets={}, is_default=False
    ),
    "make default": lambda acme, alice, rows: credential_services.make_default(rows["credential"], alice),
    "delete credential": lambda acme, alice, rows: credential_services.delete_credential(rows["credential"], alice),
    "delete variable": lambda acme, alice, rows: variable_services.delete_variable(rows["variable"], alice),
    "change automation": lambda acme, alice, rows: automation_services.change_automation(
        rows["automation"], alice, name="new", slug="new", variables=[]
    ),
    "delete automation": lambda acme, alice, rows: automation_services.delete_automation(rows["automation"], alice),
    "add member": lambda acme, alice, rows: add_member(
        acme, User.objects.get(email="mallory@umbrella.example"), acme.roles.get(kind=Role.Kind.MEMBER), by=alice
    ),
    "give role": lambda acme, alice, rows: members.give_role(rows["member"], acme.roles.get(kind="owner"), alice),
    "suspend": lambda acme, alice, rows: members.suspend(rows["member"], alice),
    "remove": lambda acme, alice, rows: members.remove(rows["member"], alice),
    "leave": lambda acme, alice, rows: members.leave(rows["member"]),
    "invite": lambda acme, alice, rows: invite(acme, alice, email="new@acme.example", role=rows["role"]),
    "add role": lambda acme, alice, rows: roles.add_role(acme, alice, name="New", levels={}),
    "change role": lambda acme, alice, rows: roles.change_role(
        rows["role"], alice, name="New", levels=dict.fromkeys(Feature, Level.READ)
    ),
    "delete role": lambda acme, alice, rows: roles.delete_role(
        rows["role"], alice, successor=acme.roles.get(kind="member")
    ),
}


def stored() -> list[object]:
    models: tuple[Any, ...] = (
        *(Credential, EnvironmentVariable, Automation, AuditEvent, User, Membership, Invitation, Role),
        OrganizationGroupPermission,
    )
    through = list(Automation.variables.through.objects.values())
    return [*(list(model.objects.order_by("pk").values()) for model in models), through]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_cannot_be_audited_does_not_happen(
    acme: Organization,
    alice: User,
    mallory: User,
    acme_rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    Credential.objects.update(is_default=False)
    if change == "add":
        for row in reversed(acme_rows.values()):
            row.delete()
    before = stored()
    monkeypatch.setattr(AuditEvent, "save", fail)
    with pytest.raises(AuditFailureError):
        CHANGES[change](acme, alice, acme_rows)
    assert stored() == before


def test_a_page_whose_change_cannot_be_audited_stores_nothing(
    acme: Organization, alice: User, sign_in: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(alice)
    client.raise_request_exception = False
    monkeypatch.setattr(AuditEvent, "save", fail)
    fields = {"key": "API_KEY", "source": "direct", "value": "made-up"}
    assert client.post(f"/organizations/{acme.uuid}/environment-variables/add/", fields).status_code == 500
    assert not EnvironmentVariable.objects.exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time anyway")
def test_a_change_holds_the_organizations_row(acme: Organization) -> None:
    with CaptureQueriesContext(connection) as queries, changing(acme):
        pass
    assert any("FOR UPDATE" in query["sql"] for query in queries)


def test_a_lost_key_stops_the_log_and_with_it_the_change(
    acme: Organization, acme_rows: Rows, alice: User, settings: Any
) -> None:
    settings.FERNET_KEYS = ["b3RoZXItMzItcmFuZG9tLWJ5dGVzLTRuUTd4WjJrVzk="]
    key_ring.forget()
    with pytest.raises(Exception, match="FERNET_KEYS"):
        variable_services.delete_variable(acme_rows["variable"], alice)
    assert EnvironmentVariable.objects.count() == 1


# --- Very many at once ----------------------------------------------------------------------------------------------
def happenings(count: int) -> list[Any]:
    changed = [(Action.VARIABLE_CHANGED, uuid4(), f"CHANGED_{number}", {"fields": ["value"]}) for number in range(3)]
    created = [(Action.VARIABLE_CREATED, uuid4(), f"KEY_{number}", {}) for number in range(count - 4)]
    return [*changed, *created, (Action.VARIABLE_CHANGED, uuid4(), "OTHER", {"fields": ["automations"]})]


def test_up_to_a_thousand_objects_have_an_event_each(acme: Organization, alice: User) -> None:
    before = AuditEvent.objects.count()
    with changing(acme):
        record_many(acme, alice, happenings(MOST_SINGLE))
    assert AuditEvent.objects.count() - before == MOST_SINGLE
    assert AuditEvent.objects.get(target_label="KEY_7").details == {}
    assert broken_at(acme) is None


def test_more_share_events_that_name_each_of_them(acme: Organization, alice: User) -> None:
    many = happenings(MOST_SINGLE + 1)
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    with changing(acme):
        record_many(acme, alice, many)
    events = list(AuditEvent.objects.exclude(pk__in=before).order_by("pk"))
    told = [(event.action, name, event.details.get("fields")) for event in events for name in event.details["names"]]
    assert sorted(map(str, told)) == sorted(
        str((action.value, name, details.get("fields"))) for action, _uuid, name, details in many
    ), "every object, with what happened to it"
    assert [len(event.details["names"]) for event in events] == [3, MOST_NAMES, MOST_SINGLE + 1 - 4 - MOST_NAMES, 1]
    assert events[1].target_label == f"KEY_0 … KEY_{MOST_NAMES - 1}"
    assert str(sentence_of(events[1])).endswith(f"KEY_9 and {MOST_NAMES - 10} more")
    assert broken_at(acme) is None
