"""The page that imports environment variables."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from envvars.importing.run import VariableImport
from envvars.models import Automation, EnvironmentVariable
from envvars.services.imports import BATCH, VariableStore
from envvars.services.variables import Value, change_variable
from organizations import importing
from organizations.access import Feature, Level, set_levels
from organizations.audit import changing
from organizations.models import AuditEvent, Membership, Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from organizations.views import imports
from tests.builders import store_direct, store_reference
from tests.pages import errors_beside, html_of, text_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
CANARY = "made-up-canary-value"


def upload(client: Client, organization: Organization, content: str, **posted: str) -> Any:
    file = SimpleUploadedFile("variables.csv", content.encode())
    data = {"file": file, "on_conflict": "fail", "import_name": "", **posted}
    return client.post(reverse("variable_import", args=[organization.uuid]), data)


def plan_of(response: Any) -> str:
    found = re.search(r'name="plan"\s+value="(\w+)"', html_of(response))
    assert found
    return found[1]


def values(organization: Organization) -> dict[str, str]:
    rows = EnvironmentVariable.objects.filter(organization=organization).select_related("organization")
    return {one.key: one.value.reveal() if one.value else one.reference for one in rows}


@pytest.fixture
def restrict() -> Callable[[Any], None]:
    def restricted(row: Any) -> None:
        type(row).objects.filter(pk=row.pk).update(restricted=True)

    return restricted


def test_the_plan_comes_first_and_is_then_applied(acme: Organization, bob: User, sign_in: SignIn) -> None:
    client, content = sign_in(bob), f"key,value\nA,{CANARY}\n"
    shown = upload(client, acme, content)
    assert shown.status_code == 200
    assert "Create 1 A" in text_of(shown)
    assert values(acme) == {}
    done = upload(client, acme, content, plan=plan_of(shown))
    assert done.status_code == 302
    assert values(acme) == {"A": CANARY}
    page = client.get(done["Location"])
    assert toasts_of(page)[0].title == "Imported: create 1."
    assert CANARY not in html_of(shown) + html_of(page) + str(list(AuditEvent.objects.values()))
    assert AuditEvent.objects.get(action="variables:imported").actor == bob


@pytest.mark.parametrize("what", ["file", "row"])
def test_a_plan_is_applied_only_to_what_it_was_made_for(
    acme: Organization, alice: User, sign_in: SignIn, what: str
) -> None:
    client, content = sign_in(alice), "key,value\nA,new\n"
    row = store_direct(acme, "A", "old")
    plan = plan_of(upload(client, acme, content, on_conflict="update"))
    if what == "row":
        change_variable(row, alice, key="A", value=Value(EnvironmentVariable.Source.DIRECT, "mine"), automations=[])
    else:
        content += "B,1\n"
    refused = upload(client, acme, content, on_conflict="update", plan=plan)
    assert refused.status_code == 422
    assert "this is another plan than the one shown" in text_of(refused)
    assert values(acme) == {"A": "mine" if what == "row" else "old"}
    assert upload(client, acme, content, on_conflict="update", plan=plan_of(refused)).status_code == 302


def test_conflicts_and_faults_are_shown_and_nothing_is_written(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    store_direct(acme, "A", "old")
    conflict = upload(client, acme, f"key,value\nA,{CANARY}\n")
    assert "Conflict 1 A value" in text_of(conflict)
    assert 'name="plan"' not in html_of(conflict)
    faulty = upload(client, acme, f"key,value\n1ST,{CANARY}\n")
    assert faulty.status_code == 422
    assert "Line 2 key Use letters" in text_of(faulty)
    assert CANARY not in html_of(conflict) + html_of(faulty)
    assert values(acme) == {"A": "old"}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"key\n\0", b"x" * 5_000_001, b"x" * 6_000_000])
def test_what_is_no_file_of_ours_is_refused_beside_the_field(
    acme: Organization, alice: User, sign_in: SignIn, content: bytes
) -> None:
    file = SimpleUploadedFile("variables.csv", content)
    address = reverse("variable_import", args=[acme.uuid])
    answer = sign_in(alice).post(address, {"file": file, "on_conflict": "fail"})
    assert answer.status_code == 422
    assert errors_beside(answer, "file")


def test_no_upload_touches_the_disk(settings: Any) -> None:
    assert settings.FILE_UPLOAD_HANDLERS == ["django.core.files.uploadhandler.MemoryFileUploadHandler"]


def test_by_htmx_only_the_plan_comes_back_and_then_the_way_to_the_list(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    address = reverse("variable_import", args=[acme.uuid])

    def post(**more: str) -> Any:
        file = SimpleUploadedFile("variables.csv", b"key,value\nA,1\n")
        return client.post(address, {"file": file, "on_conflict": "fail", **more}, headers={"HX-Request": "true"})

    plan = post()
    assert "<html" not in html_of(plan)
    assert post(plan=plan_of(plan)).headers["HX-Redirect"] == reverse("variable_list", args=[acme.uuid])


def test_a_member_imports_only_what_the_form_would_let_them(
    acme: Organization, bob: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    rows = ["A,credential:aws-prod,name,", "B,provider_default:aws,name,", "C,credential:nobody,name,"]
    answer = upload(sign_in(bob), acme, "key,source,secret_name,value\n" + "\n".join(rows))
    assert answer.status_code == 422
    words = text_of(answer)
    assert words.count("There is no credential of this name that you may use.") == 2
    assert "You may not use this provider's default." in words


def test_restricted_objects_are_out_of_reach(
    acme: Organization, bob: User, crew: Automation, sign_in: SignIn, restrict: Callable[[Any], None]
) -> None:
    hidden, shown = store_direct(acme, "HIDDEN", "old"), store_direct(acme, "SHOWN", "old", automations=[crew])
    restrict(hidden)
    restrict(crew)
    client = sign_in(bob)
    refused = upload(client, acme, "key,value\nHIDDEN,new\n", on_conflict="update")
    assert "which you may not change" in text_of(refused)
    refused = upload(client, acme, "key,value,automations\nSHOWN,new,invoice-crew\n", on_conflict="update")
    assert "no automation of such a short name that you may change" in text_of(refused)
    content = "key,value,automations\nSHOWN,new,\n"
    plan = plan_of(upload(client, acme, content, on_conflict="update"))
    assert upload(client, acme, content, on_conflict="update", plan=plan).status_code == 302
    assert values(acme) == {"HIDDEN": "old", "SHOWN": "new"}
    assert list(shown.automations.all()) == [crew], "who cannot see an automation takes nothing from it"


def test_a_reference_behind_a_credential_out_of_reach_stays(
    acme: Organization, alice: User, aws_prod: Credential, sign_in: SignIn, restrict: Callable[[Any], None]
) -> None:
    member = User.objects.create_user("eve@acme.example", "password of eve")
    role = create_role(acme, "Both")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.READ, Feature.ENVIRONMENT_VARIABLES: Level.MANAGE})
    add_member(acme, member, role, by=alice)
    store_reference(acme, "A", "database#password", aws_prod)
    restrict(aws_prod)
    content = "key,source,value,secret_name\nA,credential:aws-prod,,other\nB,provider_default:aws,,other\n"
    answer = upload(sign_in(member), acme, content, on_conflict="update")
    assert answer.status_code == 422
    assert "2 faults" in text_of(answer)


def test_the_page_is_for_who_manages_variables(
    acme: Organization, umbrella: Organization, dora: User, mallory: User, sign_in: SignIn
) -> None:
    assert upload(sign_in(dora), acme, "key,value\nA,1\n").status_code == 403
    assert upload(sign_in(mallory), acme, "key,value\nA,1\n").status_code == 404
    assert EnvironmentVariable.objects.count() == 0


def test_another_organization_s_plan_is_none_here(
    acme: Organization, umbrella: Organization, alice: User, mallory: User, sign_in: SignIn
) -> None:
    content = "key,value\nA,1\n"
    theirs = plan_of(upload(sign_in(mallory), umbrella, content))
    assert upload(sign_in(alice), acme, content, plan=theirs).status_code == 422


# --- Removing what the file lacks -----------------------------------------------------------------------------------
def test_removals_are_typed_before_anything_is_done(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client, both, one = sign_in(alice), "key,value\nA,1\nB,1\n", "key,value\nA,1\n"
    store_direct(acme, "BY_HAND", "1")
    upload(client, acme, both, plan=plan_of(upload(client, acme, both)))
    shown = upload(client, acme, one, prune="on")
    assert "Remove 1 B" in text_of(shown)
    assert "1 row is removed. Type 1 to confirm" in text_of(shown)
    for typed in ({}, {"removals": "2"}):
        refused = upload(client, acme, one, prune="on", plan=plan_of(shown), **typed)
        assert refused.status_code == 422
        assert errors_beside(refused, "removals") == "Nothing was written. Type the number of rows to remove, 1."
        assert set(values(acme)) == {"BY_HAND", "A", "B"}
    assert upload(client, acme, one, prune="on", plan=plan_of(refused), removals=" 1 ").status_code == 302
    assert set(values(acme)) == {"BY_HAND", "A"}
    assert AuditEvent.objects.get(action="variable:deleted").target_label == "B"


def test_a_plan_with_removals_is_not_the_plan_without(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client, both, one = sign_in(alice), "key,value\nA,1\nB,1\n", "key,value\nA,2\n"
    upload(client, acme, both, plan=plan_of(upload(client, acme, both)))
    plan = plan_of(upload(client, acme, one))
    assert upload(client, acme, one, prune="on", plan=plan, removals="1").status_code == 422
    assert set(values(acme)) == {"A", "B"}


def test_what_is_hidden_from_a_member_is_neither_removed_nor_named(
    acme: Organization, alice: User, bob: User, sign_in: SignIn, restrict: Callable[[Any], None]
) -> None:
    both = "key,value\nA,1\nHIDDEN,1\n"
    upload(sign_in(alice), acme, both, plan=plan_of(upload(sign_in(alice), acme, both)))
    restrict(EnvironmentVariable.objects.get(key="HIDDEN"))
    answer = upload(sign_in(bob), acme, "key,value\nA,1\n", prune="on")
    assert "HIDDEN" not in html_of(answer)
    assert "Everything is as the file says already." in text_of(answer)


# --- Between the plan and its application ---------------------------------------------------------------------------
def test_of_two_tabs_with_the_same_plan_one_imports(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client, content = sign_in(alice), "key,value\nA,1\n"
    plan = plan_of(upload(client, acme, content))
    assert upload(client, acme, content, plan=plan).status_code == 302
    again = upload(client, acme, content, plan=plan)
    assert again.status_code == 422
    assert "this is another plan than the one shown" in text_of(again)
    assert "Everything is as the file says already." in text_of(again)
    assert AuditEvent.objects.filter(action="variables:imported").count() == 1


def test_a_plan_does_not_grow_old(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client, content = sign_in(alice), "key,value\nA,1\n"
    plan = plan_of(upload(client, acme, content))
    assert upload(sign_in(alice), acme, content, plan=plan).status_code == 302, "in another session too"
    assert values(acme) == {"A": "1"}


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_whoever_was_signed_out_meanwhile_imports_nothing_and_leaves_nothing_behind(
    acme: Organization, alice: User, sign_in: SignIn, headers: dict[str, str]
) -> None:
    client, content = sign_in(alice), f"key,value\nA,{CANARY}\n"
    plan = plan_of(upload(client, acme, content))
    client.logout()
    client.defaults.update({f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()})
    answer = upload(client, acme, content, plan=plan)
    address = reverse("variable_import", args=[acme.uuid])
    assert answer.headers["Location"] == f"{reverse('account_login')}?next={address}"
    assert values(acme) == {}
    assert CANARY not in str([session.get_decoded() for session in Session.objects.all()])


def withdraw(membership: Membership, what: str) -> None:
    """Take from a member what an import needs."""
    if what == "membership":
        Membership.objects.filter(pk=membership.pk).update(state=Membership.State.SUSPENDED)
    elif what == "level":
        set_levels(membership.role, {Feature.ENVIRONMENT_VARIABLES: Level.READ})
    else:
        other = create_role(membership.organization, "Readers")
        set_levels(other, {Feature.ENVIRONMENT_VARIABLES: Level.MANAGE})
        Membership.objects.filter(pk=membership.pk).update(role=other)
        EnvironmentVariable.objects.update(restricted=True)


@pytest.mark.parametrize(("what", "status"), [("membership", 404), ("level", 403), ("object", 422)])
def test_a_right_that_is_lost_while_an_import_waits_for_its_turn_is_lost(
    acme: Organization, bob: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, what: str, status: int
) -> None:
    store_direct(acme, "A", "old")
    client, content = sign_in(bob), "key,value\nA,new\nB,new\n"
    plan = plan_of(upload(client, acme, content, on_conflict="update"))
    membership = Membership.objects.select_related("role", "organization").get(user=bob)

    @contextmanager
    def waited(organization: Organization) -> Iterator[None]:
        withdraw(membership, what)
        with changing(organization):
            yield

    monkeypatch.setattr(importing, "changing", waited)
    refused = upload(client, acme, content, on_conflict="update", plan=plan)
    assert refused.status_code == status
    assert values(acme) == {"A": "old"}
    assert not AuditEvent.objects.filter(action="variables:imported").exists()


def test_an_import_that_dies_in_its_middle_leaves_nothing(
    acme: Organization, alice: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(alice)
    client.raise_request_exception = False
    content = "key,value\n" + "".join(f"KEY_{number},{CANARY}\n" for number in range(BATCH + 1))
    plan, write, written = plan_of(upload(client, acme, content)), VariableStore.write, []

    def dies(self: VariableStore, changes: Any) -> None:
        if written:
            raise MemoryError
        written.append(len(changes))
        write(self, changes)

    monkeypatch.setattr(VariableStore, "write", dies)
    assert upload(client, acme, content, plan=plan).status_code == 500
    assert written == [BATCH]
    assert EnvironmentVariable.objects.count() == 0
    assert AuditEvent.objects.filter(action__startswith="variable").count() == 0
    monkeypatch.undo()
    assert upload(client, acme, content, plan=plan).status_code == 302, "the same plan holds still"


def test_what_wants_a_look_is_shown_first_and_what_is_long_is_counted(
    acme: Organization, alice: User, sign_in: SignIn
) -> None:
    store_direct(acme, "Z", "old")
    content = "key,value\n" + "".join(f"KEY_{number:04},1\n" for number in range(300)) + "Z,new\n"
    shown = text_of(upload(sign_in(alice), acme, content))
    assert shown.index("Conflict 1 Z value") < shown.index("Create 300 KEY_0000")
    assert "KEY_0199 and 100 more" in shown
    faulty = text_of(upload(sign_in(alice), acme, "key,value\n" + "1ST,1\n" * 300))
    assert "The file has 300 faults." in faulty
    assert "Line 201" in faulty
    assert "Line 202" not in faulty
    assert "and 100 more" in faulty


# --- How far it is --------------------------------------------------------------------------------------------------
def test_the_page_can_ask_how_far_its_own_import_is(
    acme: Organization, alice: User, bob: User, sign_in: SignIn
) -> None:
    client, ticket = sign_in(alice), "0b8ae8b5-5cc1-4b0e-9bd9-9f7e5d2b8f11"
    address = reverse("variable_import", args=[acme.uuid]) + f"?progress={ticket}"
    assert client.get(address).json() == {"percent": None}
    upload(client, acme, "key,value\nA,1\n", ticket=ticket)
    assert client.get(address).json() == {"percent": 67}
    assert sign_in(bob).get(address).json() == {"percent": None}, "one's own only"


def test_reading_and_storing_are_parts_of_one_way(
    acme: Organization, alice: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PROGRESS_STEP", 0)
    noted: list[int] = []
    monkeypatch.setattr(imports.cache, "set", lambda key, percent, seconds: noted.append(percent))
    client, content = sign_in(alice), "key,value\n" + "".join(f"KEY_{number},1\n" for number in range(2 * BATCH))
    plan = plan_of(upload(client, acme, content))
    assert noted == [], "nobody asks"
    assert upload(client, acme, content, plan=plan, ticket="0b8ae8b5-5cc1-4b0e-9bd9-9f7e5d2b8f11").status_code == 302
    assert noted == [20, 40, 80, 100]


# --- Where a row came from ------------------------------------------------------------------------------------------
def test_a_variable_s_page_says_which_import_left_it_so(acme: Organization, alice: User, sign_in: SignIn) -> None:
    client, content = sign_in(alice), "key,value\nA,1\n"
    upload(client, acme, content, plan=plan_of(upload(client, acme, content)))
    row = EnvironmentVariable.objects.get()
    address = reverse("variable_edit", args=[acme.uuid, row.uuid])
    assert "As the import “variables.csv” left it." in text_of(client.get(address))
    change_variable(row, alice, key="A", value=Value(EnvironmentVariable.Source.DIRECT, "mine"), automations=[])
    assert "As the import" not in text_of(client.get(address))


# --- What happens meanwhile -----------------------------------------------------------------------------------------
@pytest.fixture
def between_plan_and_lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Return a function that has something happen once the plan was found to be the shown one, before it is applied."""

    def arrange(happens: Callable[[], Any]) -> None:
        def tested(run: VariableImport, *, patient: bool) -> Iterator[Any]:
            happens()
            return iter(())

        monkeypatch.setattr(VariableImport, "tested", tested)

    return arrange


def test_a_plan_that_another_tab_applies_right_now_is_not_applied_twice(
    acme: Organization, bob: User, sign_in: SignIn, between_plan_and_lock: Any
) -> None:
    client, content = sign_in(bob), f"key,value\nA,{CANARY}\n"
    plan = plan_of(upload(client, acme, content))
    between_plan_and_lock(lambda: store_direct(acme, "A", CANARY))
    late = upload(client, acme, content, plan=plan)
    assert late.status_code == 422
    assert "Everything is as the file says already." in text_of(late)
    assert not AuditEvent.objects.filter(action="variables:imported").exists()


def test_a_plan_of_who_lost_the_right_since_is_not_applied(acme: Organization, bob: User, sign_in: SignIn) -> None:
    client, content = sign_in(bob), "key,value\nA,1\n"
    plan = plan_of(upload(client, acme, content))
    set_levels(Membership.objects.get(user=bob).role, {Feature.ENVIRONMENT_VARIABLES: Level.READ})
    assert upload(client, acme, content, plan=plan).status_code == 403
    assert values(acme) == {}


@pytest.mark.parametrize("what", ["variable", "automation", "credential"])
def test_what_is_restricted_while_an_import_waits_for_its_turn_is_out_of_reach(
    acme: Organization,
    alice: User,
    crew: Automation,
    aws_prod: Credential,
    sign_in: SignIn,
    restrict: Callable[[Any], None],
    between_plan_and_lock: Any,
    what: str,
) -> None:
    member = User.objects.create_user("eve@acme.example", "password of eve")
    role = create_role(acme, "Both")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.READ, Feature.ENVIRONMENT_VARIABLES: Level.MANAGE})
    add_member(acme, member, role, by=alice)
    stored = store_direct(acme, "A", "old")
    content = (
        "key,source,value,secret_name,automations\n"
        + {
            "variable": "A,direct,new,,",
            "automation": "B,direct,new,,invoice-crew",
            "credential": "B,credential:aws-prod,,name,",
        }[what]
    )
    client = sign_in(member)
    plan = plan_of(upload(client, acme, content, on_conflict="update"))
    between_plan_and_lock(lambda: restrict({"variable": stored, "automation": crew, "credential": aws_prod}[what]))
    refused = upload(client, acme, content, on_conflict="update", plan=plan)
    assert refused.status_code == 422
    assert "Line 2" in text_of(refused)
    assert values(acme) == {"A": "old"}


def test_nothing_of_an_upload_is_kept_between_plan_and_import(acme: Organization, bob: User, sign_in: SignIn) -> None:
    client, ticket = sign_in(bob), "0b8ae8b5-5cc1-4b0e-9bd9-9f7e5d2b8f11"
    upload(client, acme, f"key,value\nA,{CANARY}\n", ticket=ticket)
    assert cache.get(f"import:{bob.pk}:{ticket}") == 67, "of all that is noted there is one number"
    kept = [str(dict(client.session))]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - a table's own name
            kept += [str(row) for row in cursor.fetchall()]
    assert CANARY not in "".join(kept)
