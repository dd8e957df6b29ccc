"""Deleting a used credential: what is read with it is read with another one, tried first, in one transaction."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from credentials.services import MovedError, NotManagedError, make_default, replace_credential
from credentials.usage import state_of
from envvars.models import EnvironmentVariable
from organizations.access import Feature, Level, set_levels
from organizations.models import AuditEvent, Organization, Role, User
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import restrict_to, store_credential, store_reference
from tests.credentials.test_impact import answer
from tests.pages import errors_beside, html_of, options_of, text_of, toasts_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
Source = EnvironmentVariable.Source


def address(credential: Credential) -> str:
    return reverse("credential_delete", args=[credential.organization.uuid, credential.uuid])


def sources() -> set[tuple[str, str, str | None]]:
    rows = EnvironmentVariable.objects.all()
    return set(rows.values_list("key", "source", "credential__name"))


@pytest.fixture
def old(acme: Organization, alice: User, aws_prod: Credential, sandbox: Sandbox) -> Credential:
    """Not the default; two variables name it."""
    credential = store_credential(acme, alice, "aws-old")
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, credential)
    store_reference(acme, "DATABASE_PASSWORD", f"{seed.DATABASE.name}#password", credential)
    return credential


@pytest.fixture
def new(acme: Organization, alice: User, old: Credential) -> Credential:
    return store_credential(acme, alice, "aws-new")


def test_the_page_offers_the_others_of_its_provider_and_the_default(
    acme: Organization, alice: User, aws_prod: Credential, old: Credential, new: Credential, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address(old))
    assert options_of(page, "to") == ["", "default", str(new.uuid), str(aws_prod.uuid)]
    assert "Use AWS default (now aws-prod)" in text_of(page)
    assert "2 variables are read with it." in text_of(page)


def test_what_works_with_the_other_one_is_moved_and_the_credential_deleted_in_one_step(
    acme: Organization, alice: User, old: Credential, new: Credential, sign_in: SignIn
) -> None:
    page = sign_in(alice).post(address(old), {"to": str(new.uuid)}, follow=True)
    (toast,) = toasts_of(page)
    assert toast.title == "Credential “aws-old” was deleted; 2 variables are read with “aws-new” now."
    assert toast.detail == "2 of 2 variables work after this change."
    assert sources() == {("API_KEY", "credential", "aws-new"), ("DATABASE_PASSWORD", "credential", "aws-new")}
    assert not Credential.objects.filter(name="aws-old").exists()
    assert {one.updated_by for one in EnvironmentVariable.objects.all()} == {alice}


def test_each_variable_has_its_event_and_the_deletion_tells_how_many_and_where(
    acme: Organization, alice: User, old: Credential, new: Credential, sign_in: SignIn
) -> None:
    last = AuditEvent.objects.latest("id").pk
    sign_in(alice).post(address(old), {"to": str(new.uuid)})
    events = AuditEvent.objects.filter(pk__gt=last).order_by("id")
    assert [(event.action, event.target_label) for event in events if "preview" not in event.action] == [
        ("variable:changed", "API_KEY"),
        ("variable:changed", "DATABASE_PASSWORD"),
        ("credential:deleted", "aws-old"),
    ]
    assert events.get(target_label="API_KEY").details == {"fields": ["source"]}
    deleted = events.get(action="credential:deleted")
    assert deleted.details == {"provider": "aws", "variables": 2, "moved_to": "aws-new"}


def test_they_can_be_read_with_the_default_by_that_name(
    acme: Organization, alice: User, old: Credential, sign_in: SignIn
) -> None:
    sign_in(alice).post(address(old), {"to": "default"})
    assert sources() == {("API_KEY", "provider_default", None), ("DATABASE_PASSWORD", "provider_default", None)}
    assert list(Credential.objects.values_list("name", flat=True)) == ["aws-prod"]


def test_of_the_default_both_are_moved_what_names_it_and_what_relies_on_it(
    acme: Organization, alice: User, old: Credential, aws_prod: Credential, sign_in: SignIn
) -> None:
    store_reference(acme, "BY_NAME", seed.OPENAI_KEY.name, aws_prod)
    store_reference(acme, "RELYING", seed.OPENAI_KEY.name)
    client = sign_in(alice)
    page = client.get(address(aws_prod))
    assert "1 names it, 1 is read with it because it is the default." in text_of(page)
    assert options_of(page, "to") == ["", str(old.uuid)]
    client.post(address(aws_prod), {"to": str(old.uuid)})
    assert {source for source in sources() if source[2] == "aws-old"} == sources()
    assert not Credential.objects.filter(is_default=True).exists()


def test_what_would_break_is_asked_about_first(
    acme: Organization, alice: User, old: Credential, sign_in: SignIn
) -> None:
    scoped = store_credential(acme, alice, "aws-scoped", seed.SCOPED_READER)
    client = sign_in(alice)
    page = client.post(address(old), {"to": str(scoped.uuid)})
    words = text_of(page)
    assert "Delete aws-old and read its variables with aws-scoped?" in words
    assert "1 of 2 variables work after this change." in words
    assert f"DATABASE_PASSWORD {seed.DATABASE.name}#password would break" in words
    assert Credential.objects.filter(pk=old.pk).exists()
    assert answer(client, address(old), page, "aws-scoped").status_code == 422
    assert "was deleted; 2 variables" in text_of(answer(client, address(old), page, "aws-old"))
    assert {source[2] for source in sources()} == {"aws-scoped"}


def test_nothing_chosen_is_said_beside_the_field(
    alice: User, old: Credential, new: Credential, sign_in: SignIn
) -> None:
    page = sign_in(alice).post(address(old), {"to": ""})
    assert page.status_code == 422
    assert "This field is required." in errors_beside(page, "to")
    assert Credential.objects.filter(pk=old.pk).exists()


def test_neither_another_organizations_credential_nor_a_hidden_one_nor_itself_can_be_chosen(
    acme: Organization,
    umbrella: Organization,
    alice: User,
    bob: User,
    mallory: User,
    old: Credential,
    new: Credential,
    sign_in: SignIn,
) -> None:
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    restrict_to(new, alice.memberships.get())
    theirs = store_credential(umbrella, mallory, "aws-theirs")
    for uuid in (theirs.uuid, new.uuid, old.uuid, "made-up"):
        page = sign_in(bob).post(address(old), {"to": str(uuid)})
        assert page.status_code == 422
        assert "Select a valid choice." in errors_beside(page, "to")
        assert "aws-new" not in html_of(page)
    assert Credential.objects.filter(pk=old.pk).exists()


def test_who_may_only_use_the_other_one_is_not_told_who_it_is(
    acme: Organization, alice: User, bob: User, old: Credential, new: Credential, sign_in: SignIn
) -> None:
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    scoped = store_credential(acme, alice, "aws-scoped", seed.SCOPED_READER)
    restrict_to(scoped, alice.memberships.get(), {bob: [Grant.USE]})
    page = sign_in(bob).post(address(old), {"to": str(scoped.uuid)})
    assert "1 would break" in text_of(page)
    assert seed.SCOPED_READER.name not in html_of(page)


def test_a_variable_that_the_member_may_not_change_is_in_the_way_as_a_number(
    acme: Organization, alice: User, bob: User, old: Credential, new: Credential, sign_in: SignIn
) -> None:
    set_levels(bob.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    restrict_to(acme.variables.get(key="API_KEY"), alice.memberships.get())
    client = sign_in(bob)
    for page in (client.get(address(old)), client.post(address(old), {"to": str(new.uuid)})):
        assert "1 of them is restricted, and you may not change it." in text_of(page)
        assert "API_KEY" not in html_of(page)
        assert options_of(page, "to") == []
    assert Credential.objects.filter(pk=old.pk).exists()


def test_who_may_not_manage_variables_cannot_move_them(
    alice: User, carol: User, old: Credential, new: Credential, sandbox: Sandbox, sign_in: SignIn
) -> None:
    set_levels(carol.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    page = sign_in(carol).post(address(old), {"to": str(new.uuid)})
    assert page.status_code == 422
    assert "Who manages environment variables as well" in text_of(page)
    assert {source[2] for source in sources()} == {"aws-old"}
    assert sandbox.calls == []


def test_a_default_that_moved_meanwhile_is_shown_again(
    acme: Organization, alice: User, old: Credential, new: Credential, sign_in: SignIn
) -> None:
    scoped = store_credential(acme, alice, "aws-scoped", seed.SCOPED_READER)
    make_default(scoped, alice)
    client = sign_in(alice)
    page = client.post(address(old), {"to": "default"})
    make_default(new, alice)
    shown = answer(client, address(old), page, "aws-old")
    assert shown.status_code == 422
    assert "read its variables with aws-new?" in text_of(shown)
    assert Credential.objects.filter(pk=old.pk).exists()


@pytest.mark.parametrize("gone", ["to", "state"])
def test_the_service_looks_again_inside_its_transaction(
    gone: str, acme: Organization, alice: User, old: Credential, new: Credential
) -> None:
    state = state_of(acme, "aws", old, new)
    if gone == "to":
        Credential.objects.filter(pk=new.pk).delete()
    else:
        store_reference(acme, "LATE", seed.OPENAI_KEY.name, old)
    with pytest.raises(MovedError):
        replace_credential(old, alice.memberships.get(), new, as_default=False, expected=state)
    assert {source[2] for source in sources()} == {"aws-old"}


def test_the_service_moves_nothing_that_the_member_may_not_change(
    acme: Organization, alice: User, bob: User, old: Credential, new: Credential
) -> None:
    set_levels(acme.roles.get(kind=Role.Kind.MEMBER), dict.fromkeys(Feature, Level.MANAGE))
    restrict_to(acme.variables.get(key="API_KEY"), alice.memberships.get())
    with pytest.raises(NotManagedError):
        replace_credential(old, bob.memberships.get(), new, as_default=False, expected=state_of(acme, "aws", old, new))
    assert {source[2] for source in sources()} == {"aws-old"}


def test_a_thousand_variables_are_moved_in_few_queries(
    acme: Organization, alice: User, old: Credential, new: Credential, django_assert_max_num_queries: Any
) -> None:
    rows = [
        EnvironmentVariable(
            organization=acme, key=f"MANY_{n}", source=Source.CREDENTIAL, provider="aws", credential=old, reference="x"
        )
        for n in range(1000)
    ]
    EnvironmentVariable.objects.bulk_create(rows)
    state = state_of(acme, "aws", old, new)
    with django_assert_max_num_queries(40):
        moved = replace_credential(old, alice.memberships.get(), new, as_default=False, expected=state)
    assert moved == 1002
    told = AuditEvent.objects.filter(action="variable:changed").values_list("details__names", flat=True)
    assert sum(len(names) for names in told) == 1002


def test_the_service_moves_nothing_to_a_credential_that_was_hidden_from_the_member_meanwhile(
    acme: Organization, alice: User, bob: User, old: Credential, new: Credential
) -> None:
    set_levels(acme.roles.get(kind=Role.Kind.MEMBER), dict.fromkeys(Feature, Level.MANAGE))
    restrict_to(new, alice.memberships.get())
    with pytest.raises(NotManagedError):
        replace_credential(old, bob.memberships.get(), new, as_default=False, expected=state_of(acme, "aws", old, new))
    assert {source[2] for source in sources()} == {"aws-old"}
