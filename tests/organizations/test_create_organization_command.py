"""`manage.py create_organization`: the first step on a fresh installation."""

import re
import smtplib
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from organizations.models import AuditEvent, Organization, User
from tests.mailbox import link_in_last_mail

pytestmark = pytest.mark.django_db
OWNER = "olga@acme.example"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    """Return what the command printed on both streams, and its exit code."""
    code = 0
    try:
        call_command("create_organization", *arguments)
    except CommandError as error:
        return str(error), error.returncode
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    captured = capsys.readouterr()
    return captured.out + captured.err, code


def link_in(output: str) -> str:
    found = re.search(r"https?://\S+/account/password/reset/\S+", output)
    assert found, output
    return found[0]


def test_a_new_owner_sets_a_password_by_the_printed_link_and_is_in(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PUBLIC_URL = "https://crewadmin.example.com/"
    output, code = run(capsys, "Acme Robotics", "--owner", "Olga@ACME.example")
    assert code == 0
    assert "Created Acme Robotics (acme-robotics)." in output
    link = link_in(output)
    assert link.startswith("https://crewadmin.example.com/account/password/reset/")
    assert not mail.outbox
    client = Client()
    page = client.get(urlsplit(link).path, follow=True)
    passwords = {"password1": "nine green umbrellas", "password2": "nine green umbrellas"}
    client.post(page.request["PATH_INFO"], passwords)
    answer = client.post("/account/login/", {"login": OWNER, "password": "nine green umbrellas"}, follow=True)
    organization = Organization.objects.get()
    assert answer.request["PATH_INFO"] == f"/organizations/{organization.uuid}/environment-variables/"
    assert client.get(f"/organizations/{organization.uuid}/settings/members/invite/").status_code == 200
    assert Client().get(urlsplit(link).path, follow=True).context["token_fail"]  # it works once
    assert set(AuditEvent.objects.values_list("actor_label", flat=True)) == {"command line"}


def test_the_link_is_mailed_on_request_and_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    output, code = run(capsys, "Acme", "--owner", OWNER, "--mail", "--url", "https://crewadmin.example.com/")
    assert code == 0
    assert "on its way to olga@acme.example" in output
    assert "/account/password/reset/" not in output
    assert mail.outbox[0].subject == "You own Acme on crewadmin"
    assert "https://crewadmin.example.com/account/password/reset/" in str(mail.outbox[0].body)
    assert Client().get(link_in_last_mail(OWNER), follow=True).status_code == 200


def test_a_mail_that_cannot_be_sent_is_told_and_the_link_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object) -> None:
        raise smtplib.SMTPServerDisconnected

    monkeypatch.setattr("organizations.mail.send_mail", fail)
    output, code = run(capsys, "Acme", "--owner", OWNER, "--mail")
    assert code == 3
    assert "Check EMAIL_URL." in output
    assert link_in(output)
    assert Organization.objects.exists()


def test_a_person_with_an_account_keeps_it(mallory: User, capsys: pytest.CaptureFixture[str]) -> None:
    output, code = run(capsys, "Acme", "--owner", mallory.email, "--slug", "other", "--url", "https://crew.example")
    assert code == 0
    assert "mallory@umbrella.example signs in at https://crew.example/" in output
    assert "reset" not in output
    assert Organization.objects.get(slug="other").memberships.get().user == mallory


def test_a_short_name_that_is_taken_creates_nothing(acme: Organization, capsys: pytest.CaptureFixture[str]) -> None:
    output, code = run(capsys, "ACME", "--owner", OWNER)
    assert (code, Organization.objects.count()) == (1, 1)
    assert "There is an organization acme already: give another --slug." in output
    assert not User.objects.filter(email=OWNER).exists()


def test_a_person_who_is_switched_off_owns_nothing(mallory: User, capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.filter(pk=mallory.pk).update(is_active=False)
    output, code = run(capsys, "Acme", "--owner", mallory.email)
    assert (code, Organization.objects.count()) == (1, 0)
    assert "switched off" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["Acme"],
        ["Acme", "--owner", "nobody"],
        ["Acme", "--owner", ""],
        ["", "--owner", OWNER],
        ["a\nb", "--owner", OWNER],
        ["x" * 101, "--owner", OWNER],
        ["Acme", "--owner", OWNER, "--slug", "Not A Slug"],
        ["Acme", "--owner", OWNER, "--slug", "x" * 51],
        ["Acme", "--owner", OWNER, "--url", "ftp://x"],
        ["Acme", "--owner", OWNER, "--url", "https://user:secret@x"],
        ["東京", "--owner", OWNER],
    ],
)
def test_wrong_usage_creates_nothing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        call_command("create_organization", *arguments)
    except CommandError as error:
        assert error.returncode in (1, 2)  # noqa: PT017 - Django gives argparse's 2 to a real command line only
    else:
        pytest.fail("It was taken.")
    assert not Organization.objects.exists()
    assert not User.objects.exists()
