"""`manage.py import_credentials` and `export_credentials`."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command

from credentials.models import Credential
from organizations.models import AuditEvent, Organization, User
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_reference, store_role_credential

pytestmark = pytest.mark.django_db
KEY_ID, SECRET = seed.READER.access_key_id, seed.READER.secret_access_key


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def ran_command(*arguments: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return Ended(int(ended.code or 0), out.getvalue(), err.getvalue())
    except CommandError as error:
        return Ended(error.returncode, out.getvalue(), err.getvalue() + str(error))
    return Ended(0, out.getvalue(), err.getvalue())


@pytest.fixture
def run(acme: Organization, tmp_path: Path) -> Run:
    """Write a file (and a config file beside it) and import; nothing said ever holds a secret."""

    def ran(content: str, *options: str, name: str = "credentials.csv", config: str = "") -> Ended:
        file, beside = tmp_path / name, tmp_path / "config"
        for path, text in ((file, content), (beside, config)):
            path.write_text(text)
            path.chmod(0o600)
        more = ("--config", str(beside)) if config else ()
        ended = ran_command("import_credentials", str(file), "--org", "acme", *more, *options)
        assert SECRET not in ended.out + ended.err
        assert SECRET not in str(list(AuditEvent.objects.values()))
        return ended

    return ran


def rows() -> dict[str, tuple[Any, ...]]:
    return {one.name: (one.config, one.secrets.reveal(), one.is_default) for one in Credential.objects.all()}


OURS = f"name,provider,region,access_key_id,secret_access_key,is_default\naws,aws,Frankfurt,{KEY_ID},{SECRET},true\n"
STATIC = {"region": "eu-central-1", "access_key_id": KEY_ID, "role_arn": ""}


def test_our_own_csv_and_json_go_through_the_page_s_form(run: Run) -> None:
    assert run(OURS, "--apply").code == 0
    assert rows() == {"aws": (STATIC, {"secret_access_key": SECRET}, True)}
    row = {"name": "two", "region": "us-east-1", "access_key_id": KEY_ID, "secret_access_key": SECRET}
    assert run(json.dumps({"credentials": [row]}), "--apply").code == 0
    assert set(rows()) == {"aws", "two"}
    assert rows()["two"][2] is False


def test_applying_again_changes_nothing(run: Run) -> None:
    run(OURS, "--apply")
    before = list(Credential.objects.values()), AuditEvent.objects.count()
    assert "keep 1" in run(OURS, "--apply").out
    assert (list(Credential.objects.values()), AuditEvent.objects.count()) == before


def test_a_name_written_in_another_form_of_unicode_is_the_same_name(run: Run) -> None:
    composed, decomposed = OURS.replace("aws,aws", "caf\u00e9,aws"), OURS.replace("aws,aws", "cafe\u0301,aws")
    assert run(composed, "--apply").code == 0
    assert "keep 1" in run(decomposed, "--apply").out


@pytest.mark.parametrize("default", [False, True])
def test_rows_on_one_line_are_told_apart(run: Run, default: bool) -> None:
    row = {"name": "one", "region": "us-east-1", "access_key_id": KEY_ID, "secret_access_key": SECRET}
    rest = {"name": "two", "is_default": True} if default else {}
    ended = run(json.dumps([row | {"is_default": default}, row | rest]), "--apply", name="credentials.json")
    assert ended.code == 1
    assert ("The provider has another default here." if default else "This name is in the file twice.") in ended.err
    assert not Credential.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeffAccess key ID,Secret access key\r\n{KEY_ID},{SECRET}\r\n",
        f"User name,Password,Access key ID,Secret access key,Console login link\nreader,,{KEY_ID},{SECRET},\n",
        f"User Name;Access Key Id;Secret Access Key\nreader;{KEY_ID};{SECRET}\n",
    ],
    ids=["new", "old", "semicolons"],
)
def test_the_console_s_key_file_is_read(run: Run, content: str) -> None:
    options = ("--region", "eu-central-1", "--name", "reader", "--apply")
    assert run(content, *options, name="accessKeys.csv").code == 0
    assert rows() == {"reader": (STATIC, {"secret_access_key": SECRET}, False)}


def test_keys_of_the_root_user_are_refused(run: Run) -> None:
    ended = run(f"AWSAccessKeyId={KEY_ID}\nAWSSecretKey={SECRET}\n", "--apply", name="rootkey.csv")
    assert (ended.code, "root user" in ended.err) == (1, True)


CREDENTIALS = f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
CONFIG = f"""[default]
region = eu-central-1
[profile "my role"]
role_arn = {seed.ROLE_ARN}
external_id = {seed.EXTERNAL_ID}
source_profile = default
region = us-east-1
[profile only-region]
region = us-east-1
[sso-session company]
sso_start_url = https://example.com
"""


def test_the_shared_files_of_aws_become_credentials(run: Run) -> None:
    ended = run(CREDENTIALS, "--apply", name="credentials", config=CONFIG)
    assert ended.code == 0, ended.err
    role = {"region": "us-east-1", "access_key_id": KEY_ID, "role_arn": seed.ROLE_ARN}
    both = {"secret_access_key": SECRET, "external_id": seed.EXTERNAL_ID}
    assert rows() == {"default": (STATIC, {"secret_access_key": SECRET}, False), "my role": (role, both, False)}
    assert "Profile only-region holds neither keys nor a role" in ended.out


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("aws_session_token = x", "session token"),
        ("sso_session = x", "SSO"),
        ("sso_start_url = x", "SSO"),
        ("credential_process = x", "program"),
        ("credential_source = Ec2InstanceMetadata", "machine"),
        ("web_identity_token_file = x", "web identity"),
        ("role_arn = x\nmfa_serial = x\nsource_profile = default", "second factor"),
        ("role_arn = x\nsource_profile = nobody", "none of the files"),
        ("role_arn = x\nsource_profile = chained", "chain"),
        ("role_arn = x\nsource_profile = bad", "no access key"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_reason_and_its_line(run: Run, profile: str, reason: str) -> None:
    config = f"[profile chained]\nrole_arn = {seed.ROLE_ARN}\nsource_profile = default\nregion = us-east-1\n"
    config += f"[default]\nregion = us-east-1\n[profile bad]\n{profile}\n"
    ended = run(CREDENTIALS, "--apply", name="credentials", config=config)
    assert ended.code == 1
    assert reason in ended.err
    assert "config:7: [bad]:" in ended.err
    assert rows() == {}
    assert run(CREDENTIALS, "--apply", "--profile", "default", name="credentials", config=config).code == 0


def test_a_shared_file_that_is_none_is_refused_by_its_line(run: Run) -> None:
    assert "credentials:4" in run(CREDENTIALS + CREDENTIALS, name="credentials").err
    assert "credentials:4" in run(CREDENTIALS + f"{SECRET}\n", name="credentials").err


def test_faults_are_said_by_the_form_and_nothing_is_written(run: Run) -> None:
    content = (
        OURS + f"two,aws,nowhere,{KEY_ID},{KEY_ID},\nthree,{SECRET},,,,\naws,aws,us-east-1,{KEY_ID},{SECRET},maybe\n"
    )
    ended = run(content, "--apply")
    assert ended.code == 1
    for line in (
        "credentials.csv:3:3: region:",
        "credentials.csv:3:5: secret_access_key:",
        "credentials.csv:4:2: provider:",
    ):
        assert line in ended.err
    assert "credentials.csv:5:6: is_default: Write true or false." in ended.err
    assert rows() == {}


def test_the_default_can_be_named_and_moves(run: Run, aws_prod: Credential) -> None:
    two = OURS.replace("true", "") + OURS.splitlines()[1].replace("aws,aws", "two,aws").replace("true", "") + "\n"
    assert run(two, "--apply", "--default", "two").code == 0
    assert {name for name, (_config, _secrets, is_default) in rows().items() if is_default} == {"two"}
    assert run(two, "--apply", "--default", "nobody").code == 1


def test_what_is_exported_is_imported_without_a_change_and_edited_with_one(
    run: Run, acme: Organization, alice: User, aws_prod: Credential
) -> None:
    store_role_credential(acme, alice)
    for form in ("csv", "json"):
        exported = ran_command("export_credentials", "--org", "acme", "--format", form)
        assert not {SECRET, seed.EXTERNAL_ID} & set(exported.out.replace('"', ",").split(","))
        before = list(Credential.objects.values()), AuditEvent.objects.count()
        assert "keep 2" in run(exported.out, "--apply", name=f"all.{form}").out
        assert (list(Credential.objects.values()), AuditEvent.objects.count()) == before
    edited = exported.out.replace(seed.REGION, "eu-central-1")
    assert run(edited, "--apply").code == 3
    assert run(edited, "--apply", "--on-conflict", "update").code == 0
    assert rows()["aws-prod"][0]["region"] == "eu-central-1"
    assert rows()["aws-prod"][1] == {"secret_access_key": SECRET}
    assert rows()["aws-role"][1]["external_id"] == seed.EXTERNAL_ID


def test_prune_spares_what_is_in_use(run: Run, acme: Organization) -> None:
    two = OURS + OURS.splitlines()[1].replace("aws,aws", "two,aws").replace("true", "") + "\n"
    run(two, "--apply")
    used = store_reference(acme, "USED", "name", Credential.objects.get(name="two"))
    ended = run(OURS, "--apply", "--prune", "--yes")
    assert (ended.code, "“two” is in use" in ended.out) == (3, True)
    used.delete()
    assert run(OURS, "--apply", "--prune", "--yes").code == 0
    assert set(rows()) == {"aws"}


def test_each_is_tested_before_anything_is_stored(run: Run, sandbox: Sandbox) -> None:
    header, row = OURS.replace("Frankfurt", seed.REGION).splitlines()
    wrong = row.replace("aws,aws", "wrong,aws").replace("true", "").replace(SECRET, "x" * 40)
    ended = run(f"{header}\n{row}\n{wrong}\n", "--apply", "--test")
    assert ended.code == 5
    assert "aws: connected" in ended.out
    assert "wrong: " in ended.out
    assert rows() == {}
    ended = run(f"{header}\n{row}\n", "--apply", "--test", "--json")
    assert json.loads(ended.out)["tests"] == [{"name": "aws", "ok": True, "failure": ""}]
    assert set(rows()) == {"aws"}
