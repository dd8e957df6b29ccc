"""`manage.py deploy`, and the commands that start with what was deployed."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from credentials.models import Credential
from envvars.models import Automation, Deployment
from envvars.services import deployments
from organizations.models import AuditEvent, Organization
from sandbox import seed
from sandbox.aws import Sandbox
from tests.builders import store_automation, store_direct, store_reference
from tests.envvars.commands import manage

pytestmark = pytest.mark.django_db


@pytest.fixture
def with_values(acme: Organization, crew: Automation, aws_prod: Credential, sandbox: Sandbox) -> Automation:
    store_direct(acme, "LOG_LEVEL", "made-up-direct-value", [crew])
    store_reference(acme, "API_KEY", seed.OPENAI_KEY.name, automations=[crew])
    Automation.objects.update(resolves_at=Automation.ResolvesAt.DEPLOY)
    return crew


def deploy(*arguments: str) -> str:
    written = io.StringIO()
    call_command("deploy", *arguments, stdout=written, stderr=written)
    return written.getvalue()


@pytest.mark.parametrize("name", [("acme/invoice-crew",), ("invoice-crew", "--org", "acme")])
def test_it_deploys_and_says_the_number(name: tuple[str, ...], with_values: Automation) -> None:
    assert deploy(*name) == "Deployed acme/invoice-crew: deployment #1, variables: 2\n"
    assert "deployment #2" in deploy(*name)
    assert Deployment.objects.of(with_values)[0].by_label == "command line"


def test_the_organization_chooses_among_equal_short_names(with_values: Automation, umbrella: Organization) -> None:
    theirs = store_automation(umbrella)
    with pytest.raises(CommandError, match="Several automations"):
        deploy("invoice-crew")
    deploy("invoice-crew", "--org", "umbrella")
    assert Deployment.objects.get().automation == theirs
    with pytest.raises(CommandError, match="no automation"):
        deploy("invoice-crew", "--org", "nowhere")


def test_a_report_for_programs(with_values: Automation, acme: Organization) -> None:
    assert json.loads(deploy("invoice-crew", "--json")) == {
        "deployed": True,
        "number": 1,
        "variables": 2,
        "problems": [],
    }
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[with_values])
    written = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("deploy", "invoice-crew", "--json", stdout=written)
    assert ended.value.code == 1
    assert json.loads(written.getvalue()) == {
        "deployed": False,
        "problems": [{"variable": "NO_SECRET", "code": "secret_not_found", "reference": "no/such-secret"}],
    }


def test_every_problem_is_told_and_nothing_is_deployed(with_values: Automation, acme: Organization) -> None:
    store_reference(acme, "NO_SECRET", "no/such-secret", automations=[with_values])
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match=r"1 of 3 variables have no value; nothing was deployed\.") as ended:
        call_command("deploy", "acme/invoice-crew", stdout=out, stderr=err)
    assert (ended.value.returncode, out.getvalue()) == (1, "")
    assert "NO_SECRET (no/such-secret): Secret not found: no/such-secret." in err.getvalue()
    assert not Deployment.objects.exists()


def test_settings_that_keep_changing_are_told(with_values: Automation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "_store", lambda *arguments: None)
    with pytest.raises(CommandError, match="settings changed meanwhile"):
        deploy("invoice-crew")


@pytest.mark.django_db(transaction=True)
def test_an_operator_deploys_and_starts_with_what_was_deployed(
    with_values: Automation, acme: Organization, sandbox: Sandbox
) -> None:
    early = manage(sandbox, "run", "acme/invoice-crew", "--", "env")
    assert (early.returncode, early.stdout) == (1, "")
    assert "Not deployed yet: run deploy." in early.stderr
    assert manage(sandbox, "resolve", "acme/invoice-crew").returncode == 1

    done = manage(sandbox, "deploy", "acme/invoice-crew")
    assert (done.returncode, done.stderr) == (0, "")
    assert "made-up" not in done.stdout
    sandbox.put_secret(seed.OPENAI_KEY.name, "made-up-rotated")
    calls = len(sandbox.calls)
    run = manage(sandbox, "run", "--pristine", "--only", "API_KEY", "acme/invoice-crew", "--", "env")
    assert run.stdout == f"API_KEY={seed.OPENAI_KEY.value}\n"
    assert run.stderr == "variables: 1, secrets read: 0, problems: 0\n"
    written = manage(sandbox, "resolve", "acme/invoice-crew", "--format", "json")
    assert json.loads(written.stdout)["API_KEY"] == seed.OPENAI_KEY.value
    assert len(sandbox.calls) == calls
    assert AuditEvent.objects.filter(action="automation:resolved", details__delivery="run").count() == 2

    store_direct(acme, "LATER", "x", [with_values])
    late = manage(sandbox, "run", "--only", "LATER", "acme/invoice-crew", "--", "env")
    assert (late.returncode, "no variable called LATER" in late.stderr) == (1, True)
