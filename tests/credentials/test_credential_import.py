"""The page that imports credentials."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from credentials.models import Credential
from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from sandbox import seed
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
CONSOLE = f"Access key ID,Secret access key\n{seed.READER.access_key_id},{seed.READER.secret_access_key}\n"


def upload(client: Client, organization: Organization, content: str = CONSOLE, **posted: str) -> Any:
    data = {"on_conflict": "fail", "name": "reader", "region": "us-east-1", **posted}
    data["file"] = SimpleUploadedFile("accessKeys.csv", content.encode())  # type: ignore[assignment]
    return client.post(reverse("credential_import", args=[organization.uuid]), data)


def plan_of(response: Any) -> str:
    found = re.search(r'name="plan"\s+value="(\w+)"', html_of(response))
    assert found
    return found[1]


@pytest.fixture
def eve(acme: Organization, alice: User) -> User:
    """Manages credentials, and owns nothing."""
    user = User.objects.create_user("eve@acme.example", "password of eve")
    role = create_role(acme, "Keepers")
    set_levels(role, {Feature.SECRET_PROVIDERS: Level.MANAGE})
    add_member(acme, user, role, by=alice)
    return user


def test_the_console_s_file_becomes_a_credential_without_showing_its_key(
    acme: Organization, eve: User, sign_in: SignIn
) -> None:
    client = sign_in(eve)
    shown = upload(client, acme)
    assert "create reader" in text_of(shown)
    assert Credential.objects.count() == 0
    assert upload(client, acme, plan=plan_of(shown)).status_code == 302
    stored = Credential.objects.get()
    assert stored.secrets.reveal() == {"secret_access_key": seed.READER.secret_access_key}
    assert (stored.import_name, stored.created_by) == ("accessKeys.csv", eve)
    assert seed.READER.secret_access_key not in html_of(shown)


def test_the_shared_files_are_read_together(acme: Organization, eve: User, sign_in: SignIn) -> None:
    keys = f"aws_access_key_id={seed.READER.access_key_id}\naws_secret_access_key={seed.READER.secret_access_key}\n"
    config: Any = SimpleUploadedFile("config", b"[profile work]\nregion = eu-central-1\n")
    shown = upload(sign_in(eve), acme, f"[work]\n{keys}", name="", region="", config=config)
    assert "create work" in text_of(shown)


def test_an_edit_on_the_page_takes_the_row_from_the_import(acme: Organization, eve: User, sign_in: SignIn) -> None:
    client = sign_in(eve)
    upload(client, acme, plan=plan_of(upload(client, acme)))
    stored = Credential.objects.get()
    form = {**stored.config, "name": stored.name, "region": "eu-central-1"}
    assert client.post(reverse("credential_edit", args=[acme.uuid, stored.uuid]), form).status_code == 302
    assert Credential.objects.get().import_name == ""
    assert "conflict reader (region)" in text_of(upload(client, acme))


def test_a_restricted_credential_and_a_default_beyond_reach_stay(
    acme: Organization, eve: User, aws_prod: Credential, sign_in: SignIn
) -> None:
    Credential.objects.update(restricted=True)
    client = sign_in(eve)
    answer = upload(client, acme, name="aws-prod", on_conflict="update")
    assert answer.status_code == 422
    assert "which you may not change" in text_of(answer)
    ours = CONSOLE.replace("Access key ID,Secret access key", "access_key_id,secret_access_key,name,is_default")
    ours = ours.replace(f"{seed.READER.secret_access_key}", f"{seed.READER.secret_access_key},mine,true")
    assert "only somebody who manages that one can replace it" in text_of(upload(client, acme, ours))
    assert set(Credential.objects.values_list("name", "is_default")) == {("aws-prod", True)}


def test_the_page_is_for_who_manages_credentials(
    acme: Organization, carol: User, mallory: User, sign_in: SignIn
) -> None:
    assert upload(sign_in(carol), acme).status_code == 403
    assert upload(sign_in(mallory), acme).status_code == 404
