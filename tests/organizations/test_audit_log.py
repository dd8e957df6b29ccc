"""Settings > Audit Log: what owners read, newest first, narrowed by person, action, object and day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crewadmin.pagination import ROWS_PER_PAGE
from organizations.audit import changing, record
from organizations.models import AuditEvent, Membership, Organization, Role, User
from organizations.presentation import sentence_of
from tests.pages import errors_beside, html_of, rows_of, text_of, value_of

from .conftest import Rows

SignIn = Callable[[User], Client]
Action = AuditEvent.Action

HOSTILE = "<script>alert(1)</script>"


def address(organization: Organization) -> str:
    return reverse("audit_list", args=[organization.uuid])


@pytest.fixture
def owner(alice: User, sign_in: SignIn) -> Client:
    return sign_in(alice)


@pytest.fixture
def write(acme: Organization, alice: User) -> Callable[..., AuditEvent]:
    """Return a function that writes one of Acme's events."""

    def written(action: Action = Action.CREDENTIAL_TESTED, by: User | None = alice, **details: Any) -> AuditEvent:
        with changing(acme):
            return record(acme, by, action, acme, details)

    return written


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that sets the log's clock to a time in UTC."""

    def set_to(moment: str) -> None:
        now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        monkeypatch.setattr("organizations.audit.timezone", SimpleNamespace(now=lambda: now))  # sessions go on

    return set_to


# --- Who reads it ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["bob", "carol", "nobody"])
def test_only_an_owner_opens_it(acme: Organization, name: str, request: pytest.FixtureRequest, sign_in: SignIn) -> None:
    client = sign_in(request.getfixturevalue(name))
    assert client.get(address(acme)).status_code == 403
    assert client.post(reverse("audit_export", args=[acme.uuid]), {"format": "csv"}).status_code == 403
    assert "Audit Log" not in text_of(client.get("/", follow=True))


def test_a_role_that_manages_everything_is_no_owner(acme: Organization, alice: User, bob: User, owner: Client) -> None:
    assert owner.get(address(acme)).status_code == 200
    Membership.objects.filter(user=alice).update(role=acme.roles.get(kind=Role.Kind.MEMBER))
    assert owner.get(address(acme)).status_code == 403


def test_no_event_of_another_organization_is_shown(
    acme: Organization, umbrella: Organization, umbrella_rows: Rows, owner: Client
) -> None:
    theirs = umbrella.audit_events.order_by("id").last()
    assert theirs
    assert "Mallory" not in text_of(owner.get(address(acme)))
    assert "Mallory" not in text_of(owner.get(address(acme), {"older": str(theirs.uuid)}))
    assert "No event matches" in text_of(owner.get(address(acme), {"object": str(theirs.target_uuid)}))


# --- What it says ---------------------------------------------------------------------------------------------------
def test_events_read_as_sentences_newest_first(
    acme: Organization, alice: User, acme_rows: Rows, owner: Client, write: Callable[..., AuditEvent]
) -> None:
    write(Action.CREDENTIAL_CHANGED, fields=["region", "secret_access_key"])
    rows = rows_of(owner.get(address(acme)))
    assert rows[0].startswith("Alice changed credential Acme : region, secret access key alice@acme.example")
    assert rows[-1].startswith("command line created the organization Acme")
    assert any(row.startswith("Alice created environment variable API_KEY") for row in rows)


@pytest.mark.parametrize(
    ("action", "details", "words"),
    [
        (Action.CREDENTIAL_TESTED, {"result": "passed"}, "tested the connection of Acme: passed"),
        (
            Action.CREDENTIAL_TESTED,
            {"result": "failed", "failure": "access_key_id_unknown"},
            "tested the connection of Acme: failed, access key id unknown",
        ),
        (Action.MEMBER_ADDED, {"role": "Member"}, "added the member Acme: as Member"),
        (
            Action.AUTOMATION_RESOLVED,
            {"delivery": "run", "variables": 1, "problems": ["API_KEY: key_missing"]},
            "read the values of automation Acme: for run, 1 variable, 1 problem (API_KEY: key_missing)",
        ),
        (
            Action.AUTOMATION_RESOLVED,
            {"delivery": "api", "variables": 2, "problems": []},
            "read the values of automation Acme: for api, 2 variables",
        ),
        (
            Action.AUTOMATION_DEPLOYED,
            {"deployment": 3, "variables": 2},
            "deployed automation Acme: deployment #3, 2 variables",
        ),
        (Action.AUDIT_EXPORTED, {"format": "csv", "filters": []}, "exported the audit log of Acme: csv"),
        (Action.CREDENTIAL_DELETED, {"automations": 3}, "deleted credential Acme: automations 3"),
        (Action.ORGANIZATION_CHANGED, {"fields": ["requires_mfa"]}, "changed the settings of Acme: requires mfa"),
        (Action.MEMBER_INVITED, {"role": "Member"}, "invited Acme: as Member"),
        (Action.MEMBER_JOINED, {"role": "Member"}, "accepted the invitation: as Member"),
        (Action.MEMBER_LEFT, {"role": "Member"}, "left the organization: as Member"),
        (
            Action.MEMBER_ROLE_CHANGED,
            {"previous_role": "Member", "role": "Owner"},
            "gave Acme another role: as Owner, instead of Member",
        ),
        (Action.SECOND_FACTOR_ADDED, {"kind": "totp"}, "added a second factor of their own: authenticator app"),
        (Action.SECOND_FACTOR_REMOVED, {"kind": "webauthn"}, "removed a second factor of their own: passkey"),
        (Action.MEMBER_SESSIONS_ENDED, {}, "signed Acme out everywhere"),
        (
            Action.ROLE_CHANGED,
            {"fields": ["name"], "levels": ["secret_providers: none", "environment_variables: manage"]},
            "changed the role Acme: name, none for secret providers, manage for environment variables",
        ),
        (Action.ROLE_DELETED, {"successor": "Member", "members": 2}, "deleted the role Acme: 2 members, now Member"),
        (
            Action.CREDENTIALS_IMPORTED,
            {"source": "vaults", "created": 3, "changed": 1, "removed": 0},
            "imported credentials into Acme: from vaults, 3 new, 1 changed",
        ),
        (
            Action.SHARING_CHANGED,
            {"grants": ["read", "use"], "holder": "carol@acme.example"},
            "changed who may use Acme: carol@acme.example, may read and use",
        ),
        (
            Action.SHARING_CHANGED,
            {"grants": [], "holder": "Deployers"},
            "changed who may use Acme: Deployers, not any more",
        ),
        (Action.TOKEN_REVOKED, {}, "revoked the service token Acme"),
        (
            Action.SUPPORT_LISTED,
            {"kind": "memberships", "rows": 2},
            "looked at a list of Acme, as support staff: memberships, 2 rows",
        ),
    ],
)
def test_details_read_as_words(
    write: Callable[..., AuditEvent], action: Action, details: dict[str, Any], words: str
) -> None:
    assert str(sentence_of(write(action, **details))) == f"alice@acme.example {words}"


#: What people do to themselves: the person is the object.
TO_THEMSELVES = {
    Action.MEMBER_JOINED,
    Action.MEMBER_LEFT,
    Action.SECOND_FACTOR_ADDED,
    Action.SECOND_FACTOR_REMOVED,
}


@pytest.mark.parametrize("action", Action)
def test_every_action_reads_as_a_sentence_about_its_object(write: Callable[..., AuditEvent], action: Action) -> None:
    sentence = str(sentence_of(write(action)))
    assert sentence.startswith("alice@acme.example ")
    assert sentence.removeprefix("alice@acme.example ") != f"{action.label}: Acme", "it has no phrase yet"
    assert ("Acme" in sentence) is (action not in TO_THEMSELVES)
    assert "%(" not in sentence


def test_what_somebody_did_to_themselves_names_them_once(
    acme: Organization, alice: User, owner: Client, write: Callable[..., AuditEvent]
) -> None:
    write(Action.SECOND_FACTOR_ADDED, kind="totp")
    page = owner.get(address(acme))
    assert rows_of(page)[0].startswith("Alice added a second factor of their own: authenticator app")
    assert "></a>" not in html_of(page)


def test_an_action_that_a_newer_release_wrote_still_reads(write: Callable[..., AuditEvent]) -> None:
    event = write()
    event.action = "vault:emptied"
    assert str(sentence_of(event)) == "alice@acme.example vault:emptied: Acme"


def test_hostile_names_are_shown_as_text(acme: Organization, owner: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(name=HOSTILE)
    acme.name = HOSTILE
    with changing(acme):
        record(acme, alice, Action.CREDENTIAL_CHANGED, acme, {"fields": [HOSTILE]})
    page = owner.get(address(acme))
    assert HOSTILE not in html_of(page)
    assert text_of(page).count(HOSTILE) >= 3


def test_a_name_cannot_hide_who_it_was(acme: Organization, alice: User, owner: Client, acme_rows: Rows) -> None:
    User.objects.filter(pk=alice.pk).update(name="Bob")
    assert "alice@acme.example" in rows_of(owner.get(address(acme)))[0]


# --- Filters --------------------------------------------------------------------------------------------------------
def test_it_is_narrowed_by_person(
    acme: Organization, bob: User, owner: Client, write: Callable[..., AuditEvent]
) -> None:
    write(by=bob)
    write(by=None)
    assert len(rows_of(owner.get(address(acme), {"person": "Bob@acme.example"}))) == 1
    assert "command line" in rows_of(owner.get(address(acme), {"person": "command line"}))[0]
    assert "No event matches" in text_of(owner.get(address(acme), {"person": "bob"}))


def test_it_is_narrowed_by_service_token(acme: Organization, owner: Client) -> None:
    with changing(acme):
        record(acme, None, Action.AUTOMATION_RESOLVED, acme, label="service token Cluster")
    assert len(rows_of(owner.get(address(acme), {"person": "service token Cluster"}))) == 1


def test_it_is_narrowed_by_action(acme: Organization, acme_rows: Rows, owner: Client) -> None:
    rows = rows_of(owner.get(address(acme), {"action": "credential:created"}))
    assert [row.split(" : ")[0] for row in rows] == ["Alice created credential aws-prod"]


def test_it_is_narrowed_by_object_by_name_and_for_ever_by_its_id(
    acme: Organization, acme_rows: Rows, owner: Client, write: Callable[..., AuditEvent]
) -> None:
    credential = acme_rows["credential"]
    by_name = rows_of(owner.get(address(acme), {"object": "aws-prod"}))
    assert len(by_name) == 2
    assert all("aws-prod" in row for row in by_name)
    assert rows_of(owner.get(address(acme), {"object": str(credential.uuid)})) == by_name
    assert f'href="?object={credential.uuid}"' in html_of(owner.get(address(acme)))


def test_it_is_narrowed_by_days_in_utc_both_included(
    acme: Organization, owner: Client, write: Callable[..., AuditEvent], clock: Callable[[str], None]
) -> None:
    for moment in ("2090-01-01T23:59:59.999999", "2090-01-02T00:00:00", "2090-01-02T23:59:59.999999", "2090-01-03"):
        clock(moment)
        write(fields=[moment])
    assert len(rows_of(owner.get(address(acme), {"since": "2090-01-02", "until": "2090-01-02"}))) == 2
    assert len(rows_of(owner.get(address(acme), {"since": "2090-01-02"}))) == 3
    assert len(rows_of(owner.get(address(acme), {"since": "2090-01-01", "until": "2090-01-01"}))) == 1
    assert "No event matches" in text_of(owner.get(address(acme), {"since": "2091-01-01"}))
    assert "No event matches" in text_of(owner.get(address(acme), {"until": "2001-01-01"}))


def test_filters_count_together_and_stay_in_their_fields(
    acme: Organization, alice: User, acme_rows: Rows, owner: Client
) -> None:
    asked = {"person": alice.email, "action": "variable:created", "object": "API_KEY", "since": "2020-01-01"}
    page = owner.get(address(acme), asked)
    assert len(rows_of(page)) == 1
    assert (value_of(page, "person"), value_of(page, "object"), value_of(page, "since")) == (
        alice.email,
        "API_KEY",
        "2020-01-01",
    )
    assert not rows_of(owner.get(address(acme), asked | {"object": "aws-prod"}))


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"since": "yesterday"}, "since", "Write a day as 2026-11-24."),
        ({"since": "10/25/2026"}, "since", "Write a day as 2026-11-24."),
        ({"until": "9999-12-31"}, "until", "2999-12-31"),
        ({"since": "0001-01-01"}, "since", "2000-01-01"),
        ({"since": "2026-02-30"}, "since", "Write a day"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "until", "This day is before the first one."),
        ({"action": "credential:guessed"}, "action", "There is no such action"),
        ({"person": "a\0b"}, "person", "cannot be seen"),
        ({"object": "a\u202eb"}, "object", "cannot be seen"),
        ({"object": "x" * 256}, "object", "at most 255 characters"),
    ],
)
def test_a_filter_that_cannot_be_read_says_why(
    acme: Organization, owner: Client, asked: dict[str, str], field: str, words: str
) -> None:
    form_page = owner.get(address(acme), asked)
    assert form_page.status_code == 422
    assert words in errors_beside(form_page, field)
    assert rows_of(form_page) == []


# --- Pages ----------------------------------------------------------------------------------------------------------
def walked(client: Client, start: str, word: str) -> list[list[str]]:
    """Follow the links to the neighbouring pages; return the rows of each page."""
    pages: list[list[str]] = []
    there = ""
    while True:
        page = client.get(there or start)
        pages.append(rows_of(page))
        links = [part for part in html_of(page).split('rel="')[1:] if part.startswith(word)]
        if not links:
            return pages
        query = links[0].split('href="')[1].split('"')[0].replace("&amp;", "&")
        there = start.partition("?")[0] + query


def test_pages_follow_each_other_without_gap_or_repetition(
    acme: Organization, owner: Client, write: Callable[..., AuditEvent]
) -> None:
    for number in range(2 * ROWS_PER_PAGE + 5):
        write(fields=[f"number-{number:03}"])
    total = acme.audit_events.count()
    pages = walked(owner, address(acme), "next")
    assert [len(page) for page in pages] == [50, 50, total - 100]
    assert len({row for page in pages for row in page}) == total
    oldest = acme.audit_events.order_by("id")[0]
    back = walked(owner, address(acme) + f"?newer={oldest.uuid}", "prev")
    assert sorted(row for page in back for row in page) == sorted(
        row for page in pages for row in page if "created the organization" not in row
    )


def test_the_neighbours_keep_the_filters(acme: Organization, owner: Client, write: Callable[..., AuditEvent]) -> None:
    for _number in range(ROWS_PER_PAGE + 1):
        write(Action.CREDENTIAL_TESTED)
    filtered = address(acme) + "?action=credential:tested"
    assert [len(page) for page in walked(owner, filtered, "next")] == [50, 1]


@pytest.mark.parametrize("edge", ["nonsense", "00000000-0000-0000-0000-000000000000", "a\0b", "x" * 5000])
def test_an_edge_that_does_not_exist_leads_to_the_first_page(acme: Organization, owner: Client, edge: str) -> None:
    first = rows_of(owner.get(address(acme)))
    assert rows_of(owner.get(address(acme), {"older": edge})) == rows_of(owner.get(address(acme), {"newer": edge}))
    assert rows_of(owner.get(address(acme), {"older": edge})) == first


def test_a_long_page_asks_as_much_as_a_short_one(
    acme: Organization, owner: Client, write: Callable[..., AuditEvent]
) -> None:
    def queries(**asked: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert owner.get(address(acme), asked).status_code == 200
        return len(captured)

    short = queries()
    members = [User.objects.create_user(f"person-{number}@acme.example") for number in range(10)]
    for number in range(ROWS_PER_PAGE + 20):
        write(by=members[number % 10])
    middle = acme.audit_events.order_by("-id")[30]
    assert queries() == short
    assert queries(person="person-1@acme.example", since=f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}") == short
    assert queries(older=str(middle.uuid)) == short + 1
