"""Invitations: sent by an owner, accepted by the person who reads the mail, and by nobody else."""

import logging
import re
import smtplib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from organizations.models import AuditEvent, Invitation, Membership, Organization, Role, User
from organizations.services import invitations, members
from organizations.services.invitations import accept, find_invitation, invite, renew, revoke
from organizations.services.roles import create_role
from tests.conftest import PASSWORD
from tests.mailbox import link_in_last_mail
from tests.pages import errors_beside, html_of, options_of, rows_of, text_of, toasts_of, value_of

from .conftest import put_into_state

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
IDA = "ida@acme.example"
ACCEPT = "/invitations/accept/"
CLAIM = {"name": "Ida", "password1": "nine green umbrellas", "password2": "nine green umbrellas"}


def address(organization: Organization) -> str:
    return reverse("member_invite", args=[organization.uuid])


def fields(organization: Organization, email: str = IDA, kind: str = "member") -> dict[str, str]:
    return {"email": email, "role": str(organization.roles.get(kind=kind).uuid)}


@pytest.fixture
def send(acme: Organization, alice: User, sign_in: SignIn) -> Callable[..., str]:
    """Return a function by which Alice invites somebody to Acme; it returns the link in the mail."""

    def sent(email: str = IDA) -> str:
        assert sign_in(alice).post(address(acme), fields(acme, email)).status_code == 302
        return link_in_last_mail(email)

    return sent


def token_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def membership_of(email: str, organization: Organization) -> Membership:
    rows = Membership.objects.select_related("user", "organization", "role")
    return rows.get(user__email=email, organization=organization)


# --- Inviting -------------------------------------------------------------------------------------------------------
def test_an_invitation_is_stored_mailed_and_audited(acme: Organization, alice: User, sign_in: SignIn) -> None:
    answer = sign_in(alice).post(address(acme), fields(acme, "Ida@ACME.example"), follow=True)
    assert toasts_of(answer)[0].title == "An invitation is on its way to ida@acme.example."
    membership = membership_of(IDA, acme)
    assert (membership.state, membership.role.kind) == ("invited", Role.Kind.MEMBER)
    assert membership.invitation.sent_at
    assert timedelta(days=6, hours=23) < membership.invitation.expires_at - timezone.now() <= timedelta(days=7)
    (message,) = mail.outbox
    assert message.to == [IDA]
    assert message.subject == "You are invited to Acme"
    assert "Alice invites you to join Acme on crewadmin." in str(message.body)
    assert "http://testserver/invitations/?token=" in str(message.body)
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.actor, event.target_label) == ("member:invited", alice, IDA)
    assert event.details == {"role": "Member"}


def test_the_form_starts_with_the_member_role(
    acme: Organization, alice: User, umbrella: Organization, sign_in: SignIn
) -> None:
    page = sign_in(alice).get(address(acme))
    assert [acme.roles.get(uuid=uuid).name for uuid in options_of(page, "role")] == ["Member", "Owner"]
    assert f'value="{acme.roles.get(kind="member").uuid}" selected' in html_of(page)


@pytest.mark.parametrize("email", ["", "x", "a@b", "a@b.example\nBcc: x@y.example", "a\0@b.example", "é@b.example"])
def test_what_is_no_address_is_refused_and_kept(email: str, acme: Organization, alice: User, sign_in: SignIn) -> None:
    answer = sign_in(alice).post(address(acme), fields(acme, email))
    assert answer.status_code == 422
    assert errors_beside(answer, "email")
    assert not mail.outbox
    assert acme.memberships.count() == 1


def test_a_long_address_is_refused(acme: Organization, alice: User, sign_in: SignIn) -> None:
    email = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example"
    answer = sign_in(alice).post(address(acme), fields(acme, email))
    assert answer.status_code == 422
    assert value_of(answer, "email") == email


@pytest.mark.parametrize("role", ["foreign", "", "x", "\0", "00000000-0000-0000-0000-000000000000"])
def test_a_role_of_another_organization_is_one_that_does_not_exist(
    role: str, acme: Organization, alice: User, umbrella: Organization, sign_in: SignIn
) -> None:
    value = fields(umbrella, kind="owner")["role"] if role == "foreign" else role
    answer = sign_in(alice).post(address(acme), {"email": IDA, "role": value})
    assert answer.status_code == 422
    expected = "This field is required." if not role else "Choose one of the organization's roles."
    assert errors_beside(answer, "role") in (expected, "Null characters are not allowed.")
    assert not User.objects.filter(email=IDA).exists()


def test_who_is_there_already_is_said_beside_the_field(
    acme: Organization, alice: User, bob: User, carol: User, sign_in: SignIn
) -> None:
    client = sign_in(alice)
    members.suspend(carol.memberships.get(), alice)
    invite(acme, alice, email=IDA, role=acme.roles.get(kind="member"))
    for email, words in (
        (bob.email.upper(), "This person is a member already."),
        (carol.email, "This person is a suspended member. On the list you can reactivate them."),
        (IDA, "This person is invited already. On the list you can send the invitation again."),
    ):
        answer = client.post(address(acme), fields(acme, email))
        assert answer.status_code == 422
        assert errors_beside(answer, "email") == words
    assert not mail.outbox


def test_somebody_with_an_account_elsewhere_is_invited_like_somebody_new(
    acme: Organization, alice: User, umbrella: Organization, mallory: User, sign_in: SignIn
) -> None:
    """An owner must not learn who else uses the product."""
    client = sign_in(alice)
    known = client.post(address(acme), fields(acme, mallory.email), follow=True)
    new = client.post(address(acme), fields(acme, IDA), follow=True)
    known_row, new_row = (
        next(row for row in rows_of(answer) if row.startswith(email))
        for answer, email in ((known, mallory.email), (new, IDA))
    )
    assert known_row.replace(mallory.email, IDA) == new_row
    assert len({str(message.body).splitlines()[0] for message in mail.outbox}) == 1
    assert "Mallory" not in [event.target_label for event in acme.audit_events.all()]


@pytest.mark.parametrize("name", ["bob", "carol"])
def test_only_an_owner_invites(name: str, request: pytest.FixtureRequest, acme: Organization, sign_in: SignIn) -> None:
    client = sign_in(request.getfixturevalue(name))
    assert client.get(address(acme)).status_code == client.post(address(acme), fields(acme)).status_code == 403
    assert not mail.outbox


def test_inviting_asks_for_a_fresh_proof(acme: Organization, alice: User, sign_in: SignIn, settings: Any) -> None:
    client = sign_in(alice)
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    assert client.post(address(acme), fields(acme))["Location"].startswith("/account/reauthenticate/")
    assert not mail.outbox


def test_a_mail_server_that_fails_is_told_and_the_invitation_stays(
    acme: Organization, alice: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise smtplib.SMTPDataError(554, str(args[1]).encode())

    client = sign_in(alice)
    monkeypatch.setattr("organizations.mail.send_mail", fail)
    answer = client.post(address(acme), fields(acme), follow=True)
    (toast,) = toasts_of(answer)
    assert toast.level == "error"
    assert toast.title == "The invitation of ida@acme.example is stored, but was not sent."
    assert "The mail was not sent" in text_of(answer)
    assert "SMTPDataError" in caplog.text
    assert "token" not in caplog.text
    monkeypatch.undo()
    client.post(reverse("member_resend", args=[acme.uuid, membership_of(IDA, acme).uuid]))
    assert Client().get(link_in_last_mail(IDA), follow=True).status_code == 200


def test_the_mail_is_sent_when_the_change_is_stored(
    acme: Organization, alice: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        "organizations.mail.send_mail", lambda *_: seen.append(connections["default"].atomic_blocks[1:])
    )
    sign_in(alice).post(address(acme), fields(acme))
    assert seen == [[]]  # beyond the transaction that the test itself runs in


def test_sending_is_limited_for_an_address_and_for_an_organization(
    acme: Organization, alice: User, umbrella: Organization, mallory: User, sign_in: SignIn, settings: Any
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"invitations_of_organization": "4/h/key", "invitations_to_address": "2/h/key"}
    alices, mallorys = sign_in(alice), sign_in(mallory)
    alices.post(address(acme), fields(acme))
    resend = reverse("member_resend", args=[acme.uuid, membership_of(IDA, acme).uuid])
    alices.post(resend)
    answer = alices.post(resend, follow=True)
    assert "Too many invitations were sent in the last hour." in toasts_of(answer)[-1].title
    assert mallorys.post(address(umbrella), fields(umbrella)).status_code == 429
    assert len(mail.outbox) == 2
    assert alices.post(address(acme), fields(acme, "one@acme.example")).status_code == 302
    answer = alices.post(address(acme), fields(acme, "two@acme.example"))
    assert answer.status_code == 429
    assert value_of(answer, "email") == "two@acme.example"
    assert not User.objects.filter(email="two@acme.example").exists()


# --- The link -------------------------------------------------------------------------------------------------------
def test_the_token_is_kept_in_the_mail_only(
    acme: Organization, send: Callable[..., str], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        link = send()
        visitor = Client()
        moved = visitor.get(link)
        visitor.get(ACCEPT)
        visitor.put(link)
        renew(membership_of(IDA, acme), None)
        visitor.get(link)
    token = token_in(link)
    assert len(token) >= 43
    assert token not in moved.headers["Location"] + caplog.text
    assert all(token not in str(session.get_decoded()) for session in Session.objects.all())
    call_command("dumpdata")
    assert token not in capsys.readouterr().out


def test_the_first_page_goes_on_to_an_address_without_the_token(send: Callable[..., str]) -> None:
    visitor = Client()
    answer = visitor.get(send())
    assert (answer.status_code, answer["Location"]) == (302, ACCEPT)
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cache-Control"] == "no-store"
    assert visitor.get(ACCEPT)["Referrer-Policy"] == "same-origin"


def dead(link: str) -> tuple[int, str]:
    """Return what a link that does not work shows to a fresh browser."""
    answer = Client().get(link, follow=True)
    return answer.status_code, re.sub(r'value="[^"]*"', "", html_of(answer))


def test_expired_used_revoked_replaced_and_unknown_links_show_one_page(
    acme: Organization, alice: User, send: Callable[..., str]
) -> None:
    expired, used, revoked, replaced, deactivated = (send(f"{name}@acme.example") for name in "abcde")
    Invitation.objects.filter(membership__user__email="a@acme.example").update(expires_at=timezone.now())
    browser = Client()
    browser.get(used)
    assert browser.post(ACCEPT, CLAIM).status_code == 302
    revoke(membership_of("c@acme.example", acme), alice)
    renew(membership_of("d@acme.example", acme), alice)
    put_into_state(User.objects.get(email="e@acme.example"), acme, "deactivated")
    unknown = [
        "/invitations/?token=unknown",
        "/invitations/",
        "/invitations/?token=%00",
        "/invitations/?token=" + "é" * 9,
    ]
    pages = {dead(link) for link in (expired, used, revoked, replaced, deactivated, *unknown, ACCEPT)}
    assert len(pages) == 1
    ((status, html),) = pages
    assert status == 404
    assert "ask whoever invited you to send the invitation again" in html
    assert "Acme" not in html


def test_a_page_that_is_open_already_dies_with_its_link(
    acme: Organization, alice: User, send: Callable[..., str]
) -> None:
    visitor = Client()
    visitor.get(send())
    renew(membership_of(IDA, acme), alice)
    assert visitor.post(ACCEPT, CLAIM).status_code == 404
    assert membership_of(IDA, acme).state == "invited"


def test_looking_at_a_link_uses_nothing_up(acme: Organization, send: Callable[..., str]) -> None:
    link = send()
    for _scanner in range(3):
        Client().head(link)
        Client().get(link, follow=True)
    assert membership_of(IDA, acme).state == "invited"
    assert dead(link)[0] == 200


# --- Somebody new ---------------------------------------------------------------------------------------------------
def test_somebody_new_chooses_name_and_password_and_is_in(acme: Organization, send: Callable[..., str]) -> None:
    visitor = Client()
    page = visitor.get(send(), follow=True)
    assert "Alice invites ida@acme.example to Acme with the role Member." in text_of(page)
    answer = visitor.post(ACCEPT, CLAIM, follow=True)
    assert answer.request["PATH_INFO"] == reverse("variable_list", args=[acme.uuid])
    assert "You joined Acme." in text_of(answer)
    membership = membership_of(IDA, acme)
    assert (membership.state, membership.user.name) == ("active", "Ida")
    assert not Invitation.objects.exists()
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.actor, event.target_label) == ("member:joined", membership.user, "Ida")
    assert Client().login(email=IDA, password=CLAIM["password1"])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"password1": "short", "password2": "short"}, "password1"),
        ({"password1": "password1234", "password2": "password1234"}, "password1"),
        ({"password1": "ida@acme.example", "password2": "ida@acme.example"}, "password1"),
        ({"name": "Ida Ingeborg", "password1": "ida ingeborg", "password2": "ida ingeborg"}, "password1"),
        ({"password2": "something else entirely"}, "password2"),
        ({"password1": "", "password2": ""}, "password1"),
        ({"name": ""}, "name"),
        ({"name": "Ida\u202e"}, "name"),
        ({"name": "I" * 151}, "name"),
        ({"name": "Ida\0"}, "name"),
    ],
)
def test_what_is_missing_or_weak_is_said_beside_the_field_and_no_password_comes_back(
    wrong: dict[str, str], field: str, acme: Organization, send: Callable[..., str]
) -> None:
    visitor = Client()
    visitor.get(send())
    answer = visitor.post(ACCEPT, CLAIM | wrong)
    assert answer.status_code == 422
    assert errors_beside(answer, field)
    assert CLAIM["password1"] not in html_of(answer)
    assert membership_of(IDA, acme).state == "invited"
    assert not User.objects.get(email=IDA).has_usable_password()


def test_an_invitation_alone_opens_nothing(acme: Organization, send: Callable[..., str], sign_in: SignIn) -> None:
    link = send()
    person = User.objects.get(email=IDA)
    assert not person.has_usable_password()
    client = sign_in(person)  # as after a password reset, before the invitation is accepted
    client.get(link)
    assert client.get(reverse("variable_list", args=[acme.uuid])).status_code == 404


def test_a_person_invited_by_two_claims_the_account_once(
    acme: Organization, umbrella: Organization, alice: User, mallory: User
) -> None:
    roles = [organization.roles.get(kind="member") for organization in (acme, umbrella)]
    first, _token = invite(acme, alice, email=IDA, role=roles[0])
    second, _token = invite(umbrella, mallory, email=IDA, role=roles[1])
    second_before = find_invitation(second.token_hash)
    assert second_before
    invitations.claim_and_accept(first, name="Ida", password=CLAIM["password1"])
    with pytest.raises(invitations.AlreadyClaimedError):
        invitations.claim_and_accept(second_before, name="Not Ida", password="another password")
    person = User.objects.get(email=IDA)
    assert person.name == "Ida"
    assert person.check_password(CLAIM["password1"])
    assert membership_of(IDA, umbrella).state == "invited"


# --- Somebody with an account ---------------------------------------------------------------------------------------
def test_somebody_with_an_account_signs_in_and_accepts(
    acme: Organization, mallory: User, send: Callable[..., str], umbrella: Organization
) -> None:
    visitor = Client()
    page = visitor.get(send(mallory.email), follow=True)
    assert "There is an account for mallory@umbrella.example. Sign in, then accept." in text_of(page)
    assert f'href="/account/login/?next={ACCEPT}"' in html_of(page)
    assert visitor.post(ACCEPT, CLAIM).status_code == 200  # the same page: no password is set this way
    credentials = {"login": mallory.email, "password": PASSWORD, "next": ACCEPT}
    page = visitor.post("/account/login/", credentials, follow=True)
    assert page.request["PATH_INFO"] == ACCEPT
    answer = visitor.post(ACCEPT, follow=True)
    assert "You joined Acme." in text_of(answer)
    assert membership_of(mallory.email, acme).state == "active"
    assert User.objects.get(pk=mallory.pk).check_password(PASSWORD)


def test_nobody_else_accepts(
    acme: Organization, bob: User, mallory: User, send: Callable[..., str], sign_in: SignIn
) -> None:
    link = send(mallory.email)
    for client in (sign_in(bob), sign_in(User.objects.create_superuser("root@example.com", "root password"))):
        page = client.get(link, follow=True)
        assert "but only mallory@umbrella.example can accept. Sign out" in text_of(page)
        assert client.post(ACCEPT, CLAIM).status_code == 403
    assert membership_of(mallory.email, acme).state == "invited"
    assert User.objects.get(pk=mallory.pk).check_password(PASSWORD)


def test_accepting_twice_is_accepting_once(acme: Organization, mallory: User, send: Callable[..., str]) -> None:
    link = send(mallory.email)
    invitation = find_invitation(invitations.hash_of_token(token_in(link)))
    assert invitation
    accept(invitation)
    with pytest.raises(Invitation.DoesNotExist):
        accept(invitation)
    assert AuditEvent.objects.filter(action="member:joined").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_accepted_twice_at_once_is_used_once(acme: Organization, alice: User, mallory: User) -> None:
    invitation, _token = invite(acme, alice, email=mallory.email, role=acme.roles.get(kind="member"))
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def run() -> None:
        try:
            start.wait()
            accept(invitation)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in errors] == [Invitation.DoesNotExist] * 3
    assert AuditEvent.objects.filter(action="member:joined").count() == 1


# --- Again, or not --------------------------------------------------------------------------------------------------
def test_sending_again_makes_a_new_link_and_the_old_one_is_dead(
    acme: Organization, alice: User, send: Callable[..., str], sign_in: SignIn
) -> None:
    old = send()
    Invitation.objects.update(expires_at=timezone.now())
    resend = reverse("member_resend", args=[acme.uuid, membership_of(IDA, acme).uuid])
    answer = sign_in(alice).post(resend, follow=True)
    assert toasts_of(answer)[0].title == "An invitation is on its way to ida@acme.example."
    new = link_in_last_mail(IDA)
    assert token_in(new) != token_in(old)
    assert (dead(old)[0], dead(new)[0]) == (404, 200)
    assert AuditEvent.objects.latest("id").action == "member:invited_again"


def test_a_member_is_sent_no_invitation(acme: Organization, alice: User, bob: User, sign_in: SignIn) -> None:
    resend = reverse("member_resend", args=[acme.uuid, bob.memberships.get().uuid])
    assert toasts_of(sign_in(alice).post(resend, follow=True))[0].title.startswith("This person has joined already")
    assert not mail.outbox
    assert bob.memberships.get().state == "active"


def test_a_revoked_invitation_is_gone_with_the_person_nobody_ever_was(
    acme: Organization, alice: User, send: Callable[..., str], sign_in: SignIn
) -> None:
    link, client = send(), sign_in(alice)
    remove = reverse("member_remove", args=[acme.uuid, membership_of(IDA, acme).uuid])
    assert "Revoke this invitation?" in text_of(client.get(remove))
    answer = client.post(remove, follow=True)
    assert "The invitation of ida@acme.example was revoked; its link is dead." in text_of(answer)
    assert dead(link)[0] == 404
    assert not User.objects.filter(email=IDA).exists()
    event = AuditEvent.objects.latest("id")
    assert (event.action, event.target_label) == ("member:invitation_revoked", IDA)


def test_revoking_forgets_nobody_who_is_somebody_elsewhere(
    acme: Organization, alice: User, umbrella: Organization, mallory: User
) -> None:
    for email in (mallory.email, IDA):
        invite(acme, alice, email=email, role=acme.roles.get(kind="member"))
    invite(umbrella, mallory, email=IDA, role=umbrella.roles.get(kind="member"))
    for email in (mallory.email, IDA):
        revoke(membership_of(email, acme), alice)
        assert membership_of(email, umbrella)
    assert User.objects.filter(pk=mallory.pk).exists()


def test_an_invitation_accepted_meanwhile_is_not_revoked(acme: Organization, alice: User, mallory: User) -> None:
    invitation, _token = invite(acme, alice, email=mallory.email, role=acme.roles.get(kind="member"))
    membership = invitation.membership
    accept(invitation)
    with pytest.raises(Membership.DoesNotExist):
        revoke(membership, alice)
    assert membership_of(mallory.email, acme).state == "active"


def test_the_role_is_the_one_that_the_invitation_has_when_it_is_accepted(
    acme: Organization, alice: User, send: Callable[..., str]
) -> None:
    link = send()
    members.give_role(membership_of(IDA, acme), create_role(acme, "Guests"), alice)
    visitor = Client()
    assert "with the role Guests" in text_of(visitor.get(link, follow=True))
    visitor.post(ACCEPT, CLAIM)
    assert membership_of(IDA, acme).role.name == "Guests"


def test_a_role_deleted_meanwhile_is_not_given(acme: Organization, alice: User) -> None:
    role = create_role(acme, "Guests")
    Role.objects.filter(pk=role.pk).delete()
    with pytest.raises(Role.DoesNotExist):
        invite(acme, alice, email=IDA, role=role)
    assert not User.objects.filter(email=IDA).exists()


def test_the_service_refuses_a_member(acme: Organization, alice: User, bob: User) -> None:
    with pytest.raises(ValidationError):
        invite(acme, alice, email=bob.email, role=acme.roles.get(kind="owner"))
    assert bob.memberships.get().role.kind == Role.Kind.MEMBER
