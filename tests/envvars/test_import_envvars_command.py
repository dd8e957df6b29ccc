"""`manage.py import_envvars` and `export_envvars`."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command

from credentials.models import Credential
from envvars.models import Automation, EnvironmentVariable, SecretReference
from envvars.services.variables import Value, change_variable
from organizations.audit_chain import verify
from organizations.models import AuditEvent, Organization, User
from tests.builders import store_direct, store_reference

pytestmark = pytest.mark.django_db
CANARY = "made-up-canary-value"
Source = EnvironmentVariable.Source


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(acme: Organization, tmp_path: Path) -> Run:
    """Write a file and import it; returns how the command ended."""

    def ran(content: str, *options: str, name: str = "variables.csv") -> Ended:
        file = tmp_path / name
        file.write_text(content)
        file.chmod(0o600)
        return ran_command("import_envvars", str(file), "--org", "acme", *options)

    return ran


def ran_command(*arguments: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return Ended(int(ended.code or 0), out.getvalue(), err.getvalue())
    except CommandError as error:
        return Ended(error.returncode, out.getvalue(), err.getvalue() + str(error))
    return Ended(0, out.getvalue(), err.getvalue())


def values(organization: Organization) -> dict[str, Any]:
    """What is stored, opened."""
    rows = EnvironmentVariable.objects.filter(organization=organization)
    return {one.key: one.value.reveal() if one.value else one.reference for one in rows}


def state() -> tuple[Any, ...]:
    return tuple(EnvironmentVariable.objects.order_by("pk").values_list()), AuditEvent.objects.count()


TWO = f"key,source,value,secret_name\nA,direct,{CANARY},\nB,provider_default:aws,,database#password\n"


def test_without_apply_the_plan_is_shown_and_nothing_written(run: Run, acme: Organization) -> None:
    before = state()
    ended = run(TWO)
    assert ended.code == 0
    assert "create    A" in ended.out
    assert "create 2, change 0, keep 0, skip 0, conflict 0, remove 0" in ended.out
    assert CANARY not in ended.out + ended.err
    assert state() == before


def test_applying_stores_everything_and_applying_again_changes_nothing(run: Run, acme: Organization) -> None:
    assert run(TWO, "--apply").code == 0
    assert values(acme) == {"A": CANARY, "B": "database#password"}
    before = state()
    ended = run(TWO, "--apply")
    assert ended.code == 0
    assert "keep 2" in ended.out
    assert state() == before


def test_every_object_and_the_import_are_in_the_audit_log_and_the_chain_holds(run: Run, acme: Organization) -> None:
    run(TWO, "--apply")
    events = list(AuditEvent.objects.filter(organization=acme).order_by("id"))
    assert [event.action for event in events][-3:] == ["variable:created", "variable:created", "variables:imported"]
    assert events[-1].details == {"source": "variables.csv", "created": 2, "changed": 0, "removed": 0}
    assert verify(acme).broken is None
    assert verify(acme).events == len(events)
    store_direct(acme, "LATER", "x")
    run("key,value\nMANY,1\n", "--apply")
    assert verify(acme).broken is None
    assert CANARY not in str(list(AuditEvent.objects.values()))


def test_the_secrets_that_variables_refer_to_are_kept_in_step(run: Run, acme: Organization) -> None:
    def secrets() -> list[tuple[Any, ...]]:
        rows = SecretReference.objects.order_by("variable__key", "position")
        return list(rows.values_list("variable__key", "secret_name", "json_key", "version_stage"))

    header = "key,source,value,secret_name,version_stage\n"
    run(header + "A,provider_default:aws,,${db#user}:${db#word},AWSPREVIOUS\nB,provider_default:aws,,b,\n", "--apply")
    first = [("A", "db", "user", "AWSPREVIOUS"), ("A", "db", "word", "AWSPREVIOUS"), ("B", "b", "", "AWSCURRENT")]
    assert secrets() == first
    assert run(header + "A,direct,text,,\nB,provider_default:aws,,c#d,\n", "--apply").code == 0
    assert secrets() == [("B", "c", "d", "AWSCURRENT")]


def test_a_version_that_there_is_not_is_refused(run: Run) -> None:
    ended = run("key,source,secret_name,version_stage\nA,provider_default:aws,name,NEXT\n")
    assert ended.code != 0
    assert "AWSCURRENT, AWSPREVIOUS" in ended.out + ended.err


def test_a_name_that_would_run_other_code_is_refused(run: Run) -> None:
    ended = run("key,value,acknowledged\nLD_PRELOAD,x,true\n", "--apply")
    assert ended.code != 0
    assert "This name is refused." in ended.out + ended.err
    assert not EnvironmentVariable.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("variables.csv", "key,value\nHTTPS_PROXY,x\n"),
        ("variables.csv", "key,value,acknowledged\nHTTPS_PROXY,x,false\n"),
        (".env", "HTTPS_PROXY=x\n"),
    ],
)
def test_a_name_with_an_effect_must_be_acknowledged(run: Run, name: str, content: str) -> None:
    ended = run(content, "--apply", name=name)
    assert ended.code != 0
    assert "import it by CSV or JSON with acknowledged: true" in ended.out + ended.err
    assert not EnvironmentVariable.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("variables.csv", "key,value,acknowledged\nHTTPS_PROXY,x,true\nPLAIN,x,true\n"),
        (
            "variables.json",
            '[{"key": "HTTPS_PROXY", "value": "x", "acknowledged": true}, {"key": "PLAIN", "value": "x"}]',
        ),
    ],
)
def test_an_acknowledged_name_is_stored_as_such(run: Run, name: str, content: str) -> None:
    assert run(content, "--apply", name=name).code == 0
    assert dict(EnvironmentVariable.objects.values_list("key", "acknowledged")) == {"HTTPS_PROXY": True, "PLAIN": False}
    assert "keep 2" in run(content, "--apply", name=name).out


def test_all_faults_are_said_at_once_and_nothing_is_written(run: Run, acme: Organization) -> None:
    rows = [
        f"1ST,direct,{CANARY},",
        f"GOOD,direct,{CANARY},",
        f"GOOD,direct,{CANARY},",
        f"NOWHERE,{CANARY},,",
        "NOBODY,credential:nobody,,name",
        f"BOTH,provider_default:aws,{CANARY},name",
        "NAMELESS,provider_default:aws,,",
        "EMPTY,direct,,",
        "KEPT,direct,stored,",
        f"MORE,direct,{CANARY},,more",
    ]
    before = state()
    ended = run("key,source,value,secret_name\n" + "\n".join(rows), "--apply")
    assert ended.code == 1
    lines = [line for line in ended.err.splitlines() if line.startswith("variables.csv")]
    assert [line.split()[0] for line in lines] == [
        f"variables.csv:{spot}:" for spot in ("2:1", "4:1", "5:2", "6:2", "7:4", "8:4", "9:3", "10:3", "11")
    ]
    assert "9 faults; nothing was written." in ended.err
    assert CANARY not in ended.out + ended.err
    assert state() == before


def test_what_somebody_edited_on_a_page_is_not_overwritten(run: Run, acme: Organization, alice: User) -> None:
    run("key,value\nA,one\nB,one\n", "--apply")
    mine = EnvironmentVariable.objects.get(key="A")
    change_variable(mine, alice, key="A", value=Value(Source.DIRECT, text="edited"), automations=[])
    ended = run("key,value\nA,two\nB,two\n", "--apply")
    assert ended.code == 3
    assert "conflict  A (value)" in ended.out
    assert values(acme) == {"A": "edited", "B": "one"}
    assert run("key,value\nA,two\nB,two\n", "--apply", "--on-conflict", "skip").code == 0
    assert values(acme) == {"A": "edited", "B": "two"}
    assert run("key,value\nA,two\nB,two\n", "--apply", "--on-conflict", "update").code == 0
    assert values(acme) == {"A": "two", "B": "two"}


def test_a_plan_file_holds_no_value_and_is_applied_only_to_what_it_was_made_for(
    run: Run, acme: Organization, alice: User, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    store_direct(acme, "A", "old")
    content, update = f"key,value\nA,{CANARY}\n", ("--on-conflict", "update")
    assert run(content, *update, "--plan-out", str(plan)).code == 0
    assert CANARY not in plan.read_text()
    assert plan.stat().st_mode & 0o777 == 0o600
    assert run(content + "B,new\n", *update, "--apply-plan", str(plan)).code == 4
    row = EnvironmentVariable.objects.get(key="A")
    change_variable(row, alice, key="A", value=Value(Source.DIRECT, text="moved"), automations=[])
    ended = run(content, *update, "--apply-plan", str(plan))
    assert ended.code == 4
    assert "changed since the plan" in ended.err
    assert values(acme) == {"A": "moved"}
    run(content, *update, "--plan-out", str(plan))
    assert run(content, *update, "--apply-plan", str(plan)).code == 0
    assert values(acme) == {"A": CANARY}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"plan": "credentials", "organization": "acme"}'])
def test_another_file_is_no_plan(run: Run, tmp_path: Path, content: str) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(content)
    assert run("key,value\nA,1\n", "--apply-plan", str(plan)).code == 2


def test_prune_removes_only_what_an_import_of_this_name_brought(run: Run, acme: Organization) -> None:
    store_direct(acme, "BY_HAND", "1")
    run("key,value\nOTHER,1\n", "--apply", name="other.csv")
    run("key,value\nA,1\nB,1\n", "--apply")
    refused = run("key,value\nA,1\n", "--apply", "--prune")
    assert (refused.code, "add --yes" in refused.err) == (2, True)
    assert "remove    B" in run("key,value\nA,1\n", "--prune").out
    assert set(values(acme)) == {"BY_HAND", "OTHER", "A", "B"}
    assert run("key,value\nA,1\n", "--apply", "--prune", "--yes").code == 0
    assert set(values(acme)) == {"BY_HAND", "OTHER", "A"}


def test_a_dotenv_file_is_read_by_python_dotenv_s_rules(run: Run, acme: Organization) -> None:
    content = (
        "# a comment\nexport PLAIN=one # and one more\n\nQUOTED='it is # here'\n"
        'LINES="first\nsecond\\tand"\nBOTH="${PLAIN} ${MISSING:-else}"\n'
    )
    assert run(content, "--apply", name=".env").code == 0
    assert values(acme) == {
        "PLAIN": "one",
        "QUOTED": "it is # here",
        "LINES": "first\nsecond\tand",
        "BOTH": "one else",
    }


def test_a_dotenv_file_s_faults_have_their_lines(run: Run, acme: Organization, monkeypatch: Any) -> None:
    monkeypatch.setenv("OUTSIDE", CANARY)
    ended = run('A=1\n\nB\nC="open\nA=2\nD=${OUTSIDE}\nE=\n', "--format", "env", name=".env")
    assert ended.code == 1
    lines = [line.split()[0] for line in ended.err.splitlines() if line.startswith(".env")]
    assert lines == [".env:3:", ".env:4:", ".env:5:", ".env:6:", ".env:7:"]
    assert CANARY not in ended.err


def test_json_s_faults_have_their_path(run: Run, acme: Organization) -> None:
    ended = run('{"variables": [\n{"key": "A", "value": 5432}]}', "--json", name="variables.json")
    report = json.loads(ended.out)
    assert (ended.code, report["exit_code"], report["applied"]) == (1, 1, False)
    assert report["findings"] == [
        {
            "file": "variables.json",
            "line": 2,
            "column": 0,
            "path": "$.variables[0].value",
            "field": "value",
            "reason": "Write this as a text in quotes.",
            "advice": "Correct this field in the file.",
        }
    ]


def test_what_is_exported_is_imported_without_a_change_and_edited_with_one(
    run: Run, acme: Organization, aws_prod: Credential, crew: Automation
) -> None:
    store_direct(acme, "DIRECT", CANARY, automations=[crew])
    store_reference(acme, "DEFAULT", "database#password")
    store_reference(acme, "NAMED", "database", aws_prod)
    for form in ("csv", "json"):
        exported = ran_command("export_envvars", "--org", "acme", "--format", form)
        assert CANARY not in exported.out
        before = state()
        assert "keep 3" in run(exported.out, "--apply", name=f"all.{form}").out
        assert state() == before
    edited = exported.out.replace("invoice-crew", "").replace('"automations": [""]', '"automations": []')
    ended = run(edited, "--apply", "--on-conflict", "update")
    assert "change    DIRECT (automations)" in ended.out
    assert not crew.variables.exists()
    assert values(acme)["DIRECT"] == CANARY


def test_automations_receive_what_the_file_says(run: Run, acme: Organization, crew: Automation) -> None:
    run("key,value,automations\nA,1,invoice-crew\nB,1,\n", "--apply")
    assert {one.key for one in crew.variables.all()} == {"A"}
    run("key,value\nA,2\n", "--apply")
    assert {one.key for one in crew.variables.all()} == {"A"}, "a file that says nothing of them leaves them"


def test_names_of_another_organization_do_not_exist(
    run: Run, umbrella: Organization, crew: Automation, acme: Organization
) -> None:
    crew.organization = umbrella
    crew.save()
    assert run("key,value,automations\nA,1,invoice-crew\n", "--apply").code == 1
    store_direct(umbrella, "A", "theirs")
    assert run("key,value\nA,ours\n", "--apply").code == 0
    assert values(umbrella) == {"A": "theirs"}


@pytest.mark.parametrize(
    "arguments", [("no-such-file", "--org", "acme"), ("/dev/null", "--org", "nobody")], ids=["file", "organization"]
)
def test_wrong_usage_is_said(acme: Organization, arguments: tuple[str, ...]) -> None:
    assert ran_command("import_envvars", *arguments).code == 2


def test_a_file_that_others_may_read_is_warned_about(acme: Organization, tmp_path: Path) -> None:
    file = tmp_path / "open.csv"
    file.write_text("key,value\nA,1\n")
    file.chmod(0o644)
    assert "Warning: other users" in ran_command("import_envvars", str(file), "--org", "acme", "--apply").err


def test_quiet_says_nothing(run: Run) -> None:
    assert run(TWO, "--apply", "--quiet") == (0, "", "")


def test_standard_input_is_read(acme: Organization, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"A=1\n")))
    assert ran_command("import_envvars", "-", "--org", "acme", "--apply").code == 0
    assert values(acme) == {"A": "1"}


def test_a_value_that_cannot_be_opened_is_replaced(run: Run, acme: Organization) -> None:
    from tests.builders import damage

    damage(store_direct(acme, "A", "lost"), "value")
    assert run("key,value\nA,new\n", "--apply", "--on-conflict", "update").code == 0
    assert values(acme) == {"A": "new"}
