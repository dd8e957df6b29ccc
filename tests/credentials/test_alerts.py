"""Who is told, and how often, when a credential stops working or works again."""

from collections.abc import Callable
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse

from credentials.alerts import note_outcome
from credentials.models import ConnectionTest, Credential
from credentials.testing import run_connection_test
from organizations.access import Feature, Level, set_levels
from organizations.models import Membership, Organization, Role, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from organizations.sharing import Grant
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import restrict_to, store_credential, store_reference
from tests.conftest import PASSWORD
from tests.pages import html_of, toasts_of

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _public_url(settings: Any) -> None:
    settings.PUBLIC_URL = "https://crewadmin.example.com"


@pytest.fixture
def working(aws_prod: Credential, sandbox: Sandbox) -> Credential:
    """A credential that passed a test, so that a failure is news."""
    run_connection_test(aws_prod, None)
    return aws_prod


@pytest.fixture
def erin(acme: Organization, alice: User) -> User:
    """Manages credentials by a role of her own, and owns nothing."""
    user = User.objects.create_user("erin@acme.example", PASSWORD, name="Erin")
    role = create_role(acme, "Credential managers")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    add_member(acme, user, role, by=alice)
    return user


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def test_two_failures_in_a_row_are_one_mail_and_so_is_the_recovery(working: Credential, sandbox: Sandbox) -> None:
    assert subjects() == []
    sandbox.detach_policy()
    for _time in range(2):
        run_connection_test(working, None)
    assert subjects() == ["“aws-prod” of Acme fails its connection test"]
    sandbox.reset()
    for _time in range(2):
        run_connection_test(working, None)
    assert subjects()[1:] == ["“aws-prod” of Acme works again"]


def test_the_mail_says_why_what_to_do_and_where_and_carries_no_key(working: Credential, sandbox: Sandbox) -> None:
    sandbox.detach_policy()
    run_connection_test(working, None)
    (message,) = mail.outbox
    assert "This credential may not list secrets (secretsmanager:ListSecrets)" in message.body
    assert "2. Attach CrewAISecretsManagerRead to the IAM user" in message.body
    assert 'ListSecrets works only with Resource "*"' in message.body, "quotes are not HTML"
    address = reverse("credential_detail", args=[working.organization.uuid, working.uuid])
    assert f"https://crewadmin.example.com{address}" in message.body
    for text in (seed.READER.access_key_id, seed.READER.secret_access_key, "is not authorized to perform"):
        assert text not in message.body


def test_the_mail_does_not_name_the_secret_that_was_read(
    acme: Organization, working: Credential, sandbox: Sandbox
) -> None:
    store_reference(acme, "DATABASE_PASSWORD", seed.DATABASE.name, working)
    sandbox.delete_secret(seed.DATABASE.name)
    run_connection_test(working, None)
    (message,) = mail.outbox
    assert "The secret is marked for deletion" in message.body
    assert seed.DATABASE.name not in message.body


def test_everybody_who_manages_credentials_is_told_in_a_mail_of_their_own(
    working: Credential, bob: User, carol: User, erin: User, mallory: User, umbrella: Organization, sandbox: Sandbox
) -> None:
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert [message.recipients() for message in mail.outbox] == [["alice@acme.example"], ["erin@acme.example"]]


@pytest.mark.parametrize("state", [Membership.State.SUSPENDED, Membership.State.INVITED])
def test_only_active_members_are_told(
    state: Membership.State, working: Credential, erin: User, sandbox: Sandbox
) -> None:
    Membership.objects.filter(user=erin).update(state=state)
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert [message.recipients() for message in mail.outbox] == [["alice@acme.example"]]


def test_a_deactivated_person_is_not_told(working: Credential, erin: User, sandbox: Sandbox) -> None:
    User.objects.filter(pk=erin.pk).update(is_active=False)
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert [message.recipients() for message in mail.outbox] == [["alice@acme.example"]]


@pytest.fixture
def alice_(alice: User, acme: Organization) -> Membership:
    return alice.memberships.select_related("role", "organization", "user").get()


@pytest.mark.parametrize(
    ("grants", "is_told"),
    [([], False), ([Grant.USE], False), ([Grant.READ], True), ([Grant.MANAGE], True)],
    ids=["nothing", "use", "read", "manage"],
)
def test_of_a_restricted_credential_only_those_are_told_who_see_it(
    working: Credential, alice_: Membership, erin: User, sandbox: Sandbox, grants: list[Grant], is_told: bool
) -> None:
    restrict_to(working, alice_, {erin: grants})
    sandbox.detach_policy()
    run_connection_test(working, None)
    erins = [["erin@acme.example"]] if is_told else []
    assert [message.recipients() for message in mail.outbox] == [["alice@acme.example"], *erins]
    assert bool(notices(sign_in_by_page(erin))) is is_told


def test_a_restricted_credential_is_told_to_the_members_of_a_role_it_was_shared_with(
    acme: Organization, working: Credential, alice_: Membership, erin: User, bob: User, sandbox: Sandbox
) -> None:
    roles = [acme.roles.get(name="Credential managers"), acme.roles.get(kind=Role.Kind.MEMBER)]
    restrict_to(working, alice_, {role: [Grant.READ] for role in roles})
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert [message.recipients() for message in mail.outbox] == [["alice@acme.example"], ["erin@acme.example"]]


def test_a_credential_shared_with_somebody_whose_role_does_not_manage_is_not_told(
    working: Credential, alice_: Membership, carol: User, sandbox: Sandbox
) -> None:
    restrict_to(working, alice_, {carol: [Grant.MANAGE]})
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert [message.recipients() for message in mail.outbox] == [["alice@acme.example"]]
    assert notices(sign_in_by_page(carol)) == []


def test_whoever_sets_a_credential_up_is_not_mailed_what_the_page_says(
    acme: Organization, alice: User, sandbox: Sandbox
) -> None:
    credential = store_credential(acme, alice, "aws-scoped", seed.SCOPED_READER)
    run_connection_test(credential, alice)
    assert subjects() == []
    run_connection_test(credential, None)
    assert subjects() == ["“aws-scoped” of Acme fails its connection test"]


def test_a_network_that_comes_and_goes_is_one_mail(working: Credential, sandbox: Sandbox, settings: Any) -> None:
    for _time in range(3):
        settings.AWS_SANDBOX_URL = "http://127.0.0.1:9"
        run_connection_test(working, None)
        settings.AWS_SANDBOX_URL = sandbox.url
        run_connection_test(working, None)
    assert subjects() == ["“aws-prod” of Acme cannot reach its vault"]
    run_connection_test(working, None)
    assert subjects()[1:] == ["“aws-prod” of Acme works again"]


def test_a_credential_that_fails_is_not_unreachable_for_a_while(
    working: Credential, sandbox: Sandbox, settings: Any
) -> None:
    sandbox.detach_policy()
    run_connection_test(working, None)
    settings.AWS_SANDBOX_URL = "http://127.0.0.1:9"
    run_connection_test(working, None)
    settings.AWS_SANDBOX_URL = sandbox.url
    run_connection_test(working, None)
    assert subjects() == ["“aws-prod” of Acme fails its connection test"]


def test_a_mail_that_cannot_be_sent_breaks_no_test(
    working: Credential, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: Any) -> None:
        raise ConnectionRefusedError("The mail server is not there.")

    monkeypatch.setattr(EmailBackend, "send_messages", refused)
    sandbox.detach_policy()
    assert run_connection_test(working, None).ok is False
    assert ConnectionTest.objects.filter(ok=False).count() == 1


def test_an_address_that_the_mail_server_refuses_keeps_nobody_else_from_being_told(
    working: Credential, erin: User, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = EmailBackend.send_messages

    def choosy(backend: EmailBackend, mails: list[mail.EmailMessage]) -> int:
        if any("alice@acme.example" in one.to for one in mails):
            raise SMTPRecipientsRefused({"alice@acme.example": (550, b"nobody of this name")})
        return send(backend, mails)

    monkeypatch.setattr(EmailBackend, "send_messages", choosy)
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert [message.recipients() for message in mail.outbox] == [["erin@acme.example"]]


def test_a_broker_that_cannot_be_reached_breaks_no_test(
    working: Credential, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_test_id: int) -> None:
        raise ConnectionRefusedError("The broker is not there.")

    monkeypatch.setattr("credentials.tasks.mail_change.delay", refused)
    sandbox.detach_policy()
    assert run_connection_test(working, None).ok is False


def test_what_is_not_stored_is_not_mailed(
    working: Credential, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted_and_lost(credential: Credential, test: ConnectionTest) -> None:
        note_outcome(credential, test)
        raise RuntimeError("Rolled back.")

    monkeypatch.setattr("credentials.alerts.note_outcome", noted_and_lost)
    sandbox.detach_policy()
    with pytest.raises(RuntimeError):
        run_connection_test(working, None)
    assert subjects() == []


# --- At sign-in -----------------------------------------------------------------------------------------------------
def sign_in_by_page(user: User) -> Any:
    return Client().post(reverse("account_login"), {"login": user.email, "password": PASSWORD}, follow=True)


def notices(response: Any) -> list[str]:
    return [toast.title for toast in toasts_of(response) if toast.level == "warning"]


def test_whoever_manages_credentials_sees_at_sign_in_how_many_fail(
    acme: Organization, alice: User, working: Credential, erin: User, sandbox: Sandbox
) -> None:
    assert notices(sign_in_by_page(alice)) == []
    sandbox.detach_policy()
    run_connection_test(working, None)
    page = sign_in_by_page(alice)
    assert notices(page) == ["1 credential of Acme fails its connection test"]
    assert f'<a href="{reverse("credential_list", args=[acme.uuid])}">1 credential of Acme' in html_of(page)
    run_connection_test(store_credential(acme, alice), None)
    assert notices(sign_in_by_page(erin)) == ["2 credentials of Acme fail their connection test"]


def test_the_notice_counts_only_what_somebody_sees(
    acme: Organization, alice: User, alice_: Membership, working: Credential, erin: User, sandbox: Sandbox
) -> None:
    hidden = store_credential(acme, alice)
    restrict_to(hidden, alice_)
    sandbox.detach_policy()
    for credential in (working, hidden):
        run_connection_test(credential, None)
    assert notices(sign_in_by_page(alice)) == ["2 credentials of Acme fail their connection test"]
    assert notices(sign_in_by_page(erin)) == ["1 credential of Acme fails its connection test"]


def test_a_credential_changed_since_its_test_is_not_counted(alice: User, working: Credential, sandbox: Sandbox) -> None:
    sandbox.detach_policy()
    run_connection_test(working, None)
    Credential.objects.update(version=2)
    assert notices(sign_in_by_page(alice)) == []


def test_who_does_not_manage_credentials_sees_no_notice(
    working: Credential, alice: User, bob: User, carol: User, umbrella: Organization, mallory: User, sandbox: Sandbox
) -> None:
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert [notices(sign_in_by_page(person)) for person in (bob, carol, mallory)] == [[], [], []]


def test_an_organization_s_name_is_text_in_the_notice(alice: User, working: Credential, sandbox: Sandbox) -> None:
    Organization.objects.update(name="<img src=x>")
    sandbox.detach_policy()
    run_connection_test(working, None)
    assert "&lt;img src=x&gt;" in html_of(sign_in_by_page(alice))
    assert "<img src=x>" not in html_of(sign_in_by_page(alice))
