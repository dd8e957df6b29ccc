"""Rules of the code itself that no linter knows; each is a list that a reviewer has to change on purpose."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from crewadmin.settings import BASE_DIR

APPLICATIONS = ("crewadmin", "organizations", "credentials", "envvars")


def modules(*, migrations: bool = False) -> Iterator[tuple[str, ast.Module]]:
    """Every module of the product: its path and its syntax tree."""
    for application in APPLICATIONS:
        for file in sorted(Path(BASE_DIR, application).rglob("*.py")):
            if migrations or "migrations" not in file.parts:
                yield str(file.relative_to(BASE_DIR)), ast.parse(file.read_text())


def imported_by(tree: ast.Module) -> set[str]:
    """Return the top-level packages that a module imports, at any depth of the code."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def importers_of(*packages: str) -> set[str]:
    return {path for path, tree in modules(migrations=True) if imported_by(tree) & set(packages)}


def calls(tree: ast.Module, method: str) -> int:
    return sum(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
        for node in ast.walk(tree)
    )


def test_only_access_asks_guardian() -> None:
    # The tables of models and sharing derive from guardian's.
    tables = {"organizations/models.py", "organizations/sharing.py"}
    assert importers_of("guardian") == {"organizations/access.py"} | tables


def test_only_sealing_touches_a_cipher() -> None:
    assert importers_of("cryptography", "fernet_fields") == {"crewadmin/sealing.py"}


def test_only_providers_talk_to_clouds() -> None:
    assert {path.rsplit("/", 1)[0] for path in importers_of("boto3", "botocore")} == {"credentials/providers/aws"}


def test_the_sandbox_is_not_part_of_the_product() -> None:
    assert importers_of("sandbox", "moto", "tests", "bench") == set()


#: Where values leave their wrapper, and why. A new place needs a reason.
REVEALED = {
    "credentials/confirming.py": 1,  # a change that waited for its confirmation, on its way to be stored
    "credentials/services.py": 1,  # what changed, by name; and what stays, where a form leaves a secret blank
    "crewadmin/sealing.py": 3,  # on the way into the database: a value, a data key, a person's value
    "envvars/delivery/formats.py": 1,  # to whoever receives the values
    "envvars/deployed.py": 2,  # what was deployed, key by key; a typed value, into its fingerprint
    "envvars/references.py": 4,  # the whole text, or one key of a JSON secret; the names of its keys; into a template
    "envvars/services/imports.py": 1,  # what changed, by name
    "organizations/second_factor.py": 1,  # a seed, to allauth, which compares a code with it
    "envvars/services/variables.py": 1,  # what changed, by name
    "envvars/views/tokens.py": 1,  # a new service token, to the person who made it, once
    "organizations/mail.py": 1,  # the token, into the link of the mail to the invited person
    "credentials/providers/aws/client.py": 2,  # the keys, to the cloud's client
    "credentials/providers/aws/requests.py": 2,  # the keys, to the signature
    "credentials/providers/aws/provider.py": 1,  # into the form that checks their shape
    "credentials/providers/aws/vault.py": 3,  # the keys apart; the External ID, to the cloud
}


def test_values_leave_their_wrapper_in_known_places_only() -> None:
    found = Counter({path: calls(tree, "reveal") for path, tree in modules()})
    assert +found == Counter(REVEALED)


def test_nothing_marks_text_as_safe_html() -> None:
    assert {path for path, tree in modules() if "mark_safe" in ast.unparse(tree)} == set()


def test_no_template_turns_escaping_off() -> None:
    for template in Path(BASE_DIR, "templates").rglob("*.html"):
        assert "|safe" not in template.read_text(), template
        assert "autoescape" not in template.read_text(), template


def test_no_form_takes_all_columns_of_a_model() -> None:
    assert {path for path, tree in modules() if "fields = '__all__'" in ast.unparse(tree)} == set()


def test_no_code_prints() -> None:
    printing = {
        path
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == set()
