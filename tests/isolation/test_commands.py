"""A command for one organization tells nothing of another, and changes nothing there."""

from pathlib import Path

import pytest

from organizations.models import AuditEvent, Organization, User
from organizations.services.invitations import invite
from tests.builders import store_direct
from tests.envvars.test_import_envvars_command import ran_command
from tests.isolation.stage import Stage
from tests.isolation.test_foreign_ids import assert_tells_nothing, fingerprint, identities

VARIABLES = "key,source,value\nAPI_KEY,direct,replaced\n{theirs},direct,new\nNEW,direct,new\n"
CREDENTIALS = "name,region,access_key_id,secret_access_key\n{theirs},us-east-1,AKIAMADEUPEXAMPLEABC," + 40 * "x" + "\n"


@pytest.mark.parametrize("command", ["export_envvars", "export_credentials", "verify_audit"])
def test_a_command_tells_of_its_own_organization_only(command: str, renamed: Stage) -> None:
    options = ["acme"] if command == "verify_audit" else ["--org", "acme"]
    ended = ran_command(command, *options)
    assert ended.code == 0, ended
    assert_tells_nothing(ended.out + ended.err, identities(renamed.rows["foreign"]))


def test_an_automation_is_found_in_its_own_organization(stage: Stage) -> None:
    assert '"API_KEY": "made-up"' in ran_command("resolve", "acme/crew", "--format", "json").out


@pytest.mark.parametrize(("command", "kind"), [("import_envvars", "variable"), ("import_credentials", "credential")])
def test_an_import_changes_its_own_organization_only(
    command: str,
    kind: str,
    renamed: Stage,
    tmp_path: Path,
) -> None:
    theirs = str(renamed.rows["foreign"][kind])
    model = type(renamed.rows["foreign"][kind])
    store_direct(renamed.umbrella, "ONLY_THERE", "made-up")
    model.objects.filter(organization=renamed.umbrella).update(import_name="nightly")
    file = tmp_path / "rows.csv"
    file.write_text((VARIABLES if kind == "variable" else CREDENTIALS).format(theirs=theirs))
    file.chmod(0o600)
    before = fingerprint(renamed.umbrella)
    options = ["--org", "acme", "--on-conflict", "update", "--import-name", "nightly", "--apply"]
    for more in ([], ["--prune", "--yes"]):
        ended = ran_command(command, str(file), *options, *more)
        assert ended.code == 0, ended
        assert "ONLY_THERE" not in ended.out + ended.err
        assert fingerprint(renamed.umbrella) == before
    assert not AuditEvent.objects.filter(organization=renamed.acme, target_label="ONLY_THERE").exists()
    assert model.objects.filter(organization=renamed.acme).count() == (3 if kind == "variable" else 2)
    assert ran_command("verify_audit").code == 0


def test_somebody_elsewhere_can_be_invited_here(acme: Organization, alice: User, mallory: User, stage: Stage) -> None:
    role = stage.rows["own"]["role"]
    invitation, _token = invite(acme, alice, email=mallory.email, role=role)
    assert invitation.membership.organization == acme
