"""The page that imports credentials."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from credentials.importing import run
from credentials.models import ConnectionTest, Credential
from organizations.access import Feature, Level, set_levels
from organizations.models import Organization, User
from organizations.services.members import add_member
from organizations.services.roles import create_role
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_reference
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
    assert "Create 1 reader" in text_of(shown)
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
    assert "Create 1 work" in text_of(shown)


def test_an_edit_on_the_page_takes_the_row_from_the_import(acme: Organization, eve: User, sign_in: SignIn) -> None:
    client = sign_in(eve)
    upload(client, acme, plan=plan_of(upload(client, acme)))
    stored = Credential.objects.get()
    form = {**stored.config, "name": stored.name, "region": "eu-central-1"}
    assert client.post(reverse("credential_edit", args=[acme.uuid, stored.uuid]), form).status_code == 302
    assert Credential.objects.get().import_name == ""
    assert "Conflict 1 reader region" in text_of(upload(client, acme))


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


# --- Tests before anything is stored --------------------------------------------------------------------------------
HEADER = "name,region,access_key_id,secret_access_key\n"


def row(name: str, secret: str = seed.READER.secret_access_key) -> str:
    return f"{name},{seed.REGION},{seed.READER.access_key_id},{secret}\n"


def test_each_is_tested_before_anything_is_stored(
    acme: Organization, eve: User, sandbox: Sandbox, sign_in: SignIn
) -> None:
    client, content = sign_in(eve), HEADER + row("right") + row("wrong", "x" * 40)
    shown = upload(client, acme, content, test="on", name="", region="")
    assert ConnectionTest.objects.count() == 0, "a plan asks no cloud"
    refused = upload(client, acme, content, test="on", name="", region="", plan=plan_of(shown))
    assert refused.status_code == 422
    assert "right : connected" in text_of(refused)
    assert re.search(r"wrong : (?!connected)\w", text_of(refused))
    assert seed.READER.secret_access_key not in html_of(refused)
    assert Credential.objects.count() == 0
    content = HEADER + row("right")
    plan = plan_of(upload(client, acme, content, test="on", name="", region=""))
    assert upload(client, acme, content, test="on", name="", region="", plan=plan).status_code == 302
    assert Credential.objects.get().name == "right"
    assert {test.created_by for test in ConnectionTest.objects.all()} == {eve}


def test_a_page_waits_for_some_tests_only(
    acme: Organization, eve: User, sandbox: Sandbox, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "MOST_SECONDS", 0)
    client, content = sign_in(eve), HEADER + row("one")
    plan = plan_of(upload(client, acme, content, test="on", name="", region=""))
    refused = upload(client, acme, content, test="on", name="", region="", plan=plan)
    assert "one : Not tested" in text_of(refused)
    assert Credential.objects.count() == 0


def test_a_right_that_is_lost_during_the_tests_is_lost(
    acme: Organization, eve: User, sandbox: Sandbox, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, content, options = sign_in(eve), HEADER + row("one"), {"test": "on", "name": "", "region": ""}
    plan = plan_of(upload(client, acme, content, **options))
    try_settings = run.try_settings

    def meanwhile(*arguments: Any, **settings: Any) -> Any:
        set_levels(eve.memberships.get().role, {Feature.SECRET_PROVIDERS: Level.READ})
        return try_settings(*arguments, **settings)

    monkeypatch.setattr(run, "try_settings", meanwhile)
    assert upload(client, acme, content, plan=plan, **options).status_code == 403
    assert Credential.objects.count() == 0


def test_some_profiles_of_a_shared_file_can_be_taken(acme: Organization, eve: User, sign_in: SignIn) -> None:
    keys = f"aws_access_key_id={seed.READER.access_key_id}\naws_secret_access_key={seed.READER.secret_access_key}\n"
    content = f"[one]\n{keys}[two]\n{keys}[single]\nsso_start_url=https://sso.example.com\n"
    client, options = sign_in(eve), {"name": "", "region": seed.REGION}
    refused = text_of(upload(client, acme, content, **options))
    assert "[single] It signs in through SSO. Name the profiles to take, without this one." in refused
    taken = text_of(upload(client, acme, content, profiles="one  two", **options))
    assert "Create 2 one two" in taken
    unknown = text_of(upload(client, acme, content, profiles="three", **options))
    assert "three There is no such profile." in unknown


# --- Removing what the file lacks, and where a credential came from -------------------------------------------------
def test_removals_are_typed_and_spare_what_is_in_use(acme: Organization, eve: User, sign_in: SignIn) -> None:
    client, both = sign_in(eve), HEADER + row("one") + row("two")
    options = {"name": "", "region": ""}
    upload(client, acme, both, plan=plan_of(upload(client, acme, both, **options)), **options)
    used = store_reference(acme, "USED", "name", Credential.objects.get(name="two"))
    in_use = upload(client, acme, HEADER + row("one"), prune="on", **options)
    assert "“two” is in use" in text_of(in_use)
    assert 'name="plan"' not in html_of(in_use)
    used.delete()
    plan = plan_of(upload(client, acme, HEADER + row("one"), prune="on", **options))
    assert upload(client, acme, HEADER + row("one"), prune="on", plan=plan, **options).status_code == 422
    done = upload(client, acme, HEADER + row("one"), prune="on", plan=plan, removals="1", **options)
    assert done.status_code == 302
    one = Credential.objects.get()
    page = client.get(reverse("credential_detail", args=[acme.uuid, one.uuid]))
    assert "Import that left it so accessKeys.csv" in text_of(page)


# --- What happens meanwhile -----------------------------------------------------------------------------------------
def test_a_plan_that_another_tab_applied_finds_everything_as_the_file_says(
    acme: Organization, eve: User, sign_in: SignIn
) -> None:
    client = sign_in(eve)
    plan = plan_of(upload(client, acme))
    assert upload(client, acme, plan=plan).status_code == 302
    again = upload(client, acme, plan=plan)
    assert again.status_code == 422
    assert "Everything is as the file says already." in text_of(again)
    assert Credential.objects.get().version == 1


def test_an_import_that_dies_half_way_leaves_no_credential(
    acme: Organization, eve: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, content, options = sign_in(eve), HEADER + row("one") + row("two"), {"name": "", "region": ""}
    plan = plan_of(upload(client, acme, content, **options))

    def die(*args: Any) -> None:
        raise SystemExit("as gunicorn ends a worker")

    with monkeypatch.context() as patched:
        patched.setattr("organizations.importing.record", die)
        with pytest.raises(SystemExit):
            upload(client, acme, content, plan=plan, **options)
    assert Credential.objects.count() == 0
    assert upload(client, acme, content, plan=plan, **options).status_code == 302


def test_it_is_asked_first_who_it_is_as_before_a_credential_is_changed_or_deleted(
    acme: Organization, eve: User
) -> None:
    client = Client()
    client.force_login(eve)
    answer = upload(client, acme)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/reauthenticate/")
