"""What a pasted policy grants, held against an evaluation of each request by itself."""

import json
import re
import time
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.providers.aws.policies import SecretFact, least_privilege_policy, pretty, read_policy
from credentials.providers.aws.policy_comparison import (
    Comparison,
    NotJudged,
    Reason,
    State,
    Verdict,
    Wider,
    compare,
)
from credentials.providers.aws.policy_document import Patterns, PolicyError

ACCOUNT = "123456789012"
SECRETS = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:"
LIST, READ, DESCRIBE = (f"secretsmanager:{name}" for name in ("ListSecrets", "GetSecretValue", "DescribeSecret"))


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def compared(needed: dict[str, Any], *statements: dict[str, Any]) -> Comparison:
    return compare(json.dumps(policy(*statements)), needed)


def states(comparison: Comparison) -> list[State]:
    return [need.state for need in comparison.needs]


READ_A = policy(allow(READ, f"{SECRETS}a-??????"))
LIST_ALL = policy(allow(LIST))


def least(*facts: tuple[str, str | None]) -> dict[str, Any]:
    return least_privilege_policy(facts, region="us-east-1", account_id=ACCOUNT)


FACTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b/c", f"{SECRETS}d-aB3dEf"]),
        st.sampled_from([None, "1234-abcd", "5678-abcd", "alias/x", "arn:aws:kms:eu-west-1:210987654321:alias/y"]),
    ),
    max_size=5,
)


@settings(database=None, deadline=None)
@given(FACTS)
def test_every_policy_made_here_is_the_same_as_itself(facts: list[tuple[str, str | None]]) -> None:
    comparison = compare(pretty(least(*facts)), least(*facts))
    assert comparison.verdict is Verdict.SAME
    assert not comparison.not_judged


@settings(database=None, deadline=None)
@given(FACTS)
def test_the_guides_policy_grants_all_that_is_needed_and_more(facts: list[tuple[str, str | None]]) -> None:
    comparison = compare(pretty(read_policy()), least(*facts, ("a", "1234-abcd")))
    assert comparison.verdict is Verdict.WIDER
    assert comparison.wider == (
        Wider(1, Patterns((READ, DESCRIBE)), Patterns(("*",))),
        Wider(2, Patterns(("kms:DescribeKey", "kms:Decrypt")), Patterns(("*",))),
    )


@pytest.mark.parametrize(
    ("statements", "state", "verdict"),
    [
        ([allow(READ, f"{SECRETS}a-??????")], State.GRANTED, Verdict.SAME),
        ([allow("SECRETSMANAGER:getsecretvalue", f"{SECRETS}a-??????")], State.GRANTED, Verdict.SAME),
        ([allow(READ, f"{SECRETS}A-??????")], State.MISSING, Verdict.MISSING_AND_WIDER),
        ([allow(READ, f"{SECRETS}a-*")], State.GRANTED, Verdict.WIDER),
        ([allow(READ, "arn:aws:secretsmanager")], State.GRANTED, Verdict.WIDER),
        ([allow(READ, "arn:aws:secretsmanager:*:*:secret:*")], State.GRANTED, Verdict.WIDER),
        ([allow("secretsmanager:Get*", f"{SECRETS}a-??????")], State.GRANTED, Verdict.WIDER),
        ([allow("*", "*")], State.GRANTED, Verdict.WIDER),
        ([allow(DESCRIBE, f"{SECRETS}a-??????")], State.MISSING, Verdict.MISSING_AND_WIDER),
        ([allow(READ, f"{SECRETS}a-aB3dEf")], State.MISSING, Verdict.MISSING),
        ([deny("iam:*")], State.MISSING, Verdict.MISSING),
        ([allow(READ, f"{SECRETS}a-??????"), deny(READ, f"{SECRETS}b-*")], State.GRANTED, Verdict.SAME),
        ([allow(READ, f"{SECRETS}a-??????"), deny(READ)], State.DENIED, Verdict.MISSING),
        ([allow(READ, f"{SECRETS}a-??????"), deny("secretsmanager:*", f"{SECRETS}a-A*")], State.DENIED, None),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], State.GRANTED, Verdict.WIDER),
        ([{"Effect": "Allow", "NotAction": "secretsmanager:Get*", "Resource": "*"}], State.MISSING, None),
        ([{"Effect": "Allow", "Action": READ, "NotResource": f"{SECRETS}b-*"}], State.GRANTED, Verdict.WIDER),
        ([{"Effect": "Allow", "Action": READ, "NotResource": f"{SECRETS}a-A*"}], State.MISSING, None),
        (
            [allow(READ, f"{SECRETS}a-??????"), {"Effect": "Deny", "NotAction": "kms:*", "Resource": "*"}],
            State.DENIED,
            Verdict.MISSING,
        ),
        (
            [allow(READ, f"{SECRETS}a-??????"), {"Effect": "Deny", "Action": "*", "NotResource": f"{SECRETS}a-*"}],
            State.GRANTED,
            Verdict.SAME,
        ),
    ],
)
def test_reading_one_secret_by_policies_as_they_occur(
    statements: list[dict[str, Any]], state: State, verdict: Verdict | None
) -> None:
    comparison = compared(READ_A, *statements)
    assert states(comparison) == [state]
    assert verdict is None or comparison.verdict is verdict


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        (allow(LIST), State.GRANTED),
        (allow(LIST, "arn:aws:secretsmanager:*:*:secret:*"), State.MISSING),
        ({"Effect": "Allow", "Action": LIST, "NotResource": f"{SECRETS}a-*"}, State.GRANTED),
    ],
)
def test_listing_is_granted_only_by_a_statement_on_everything(statement: dict[str, Any], state: State) -> None:
    (need,) = compared(LIST_ALL, statement).needs
    assert need.state is state
    assert not need.partly


def test_denying_listing_on_some_secrets_denies_nothing() -> None:
    assert states(compared(LIST_ALL, allow(LIST), deny(LIST, f"{SECRETS}a-*"))) == [State.GRANTED]
    assert states(compared(LIST_ALL, allow(LIST), deny(LIST))) == [State.DENIED]


@pytest.mark.parametrize(
    ("statements", "state", "numbers", "partly"),
    [
        ([allow("s3:*"), allow(READ)], State.GRANTED, (2,), False),
        ([allow(READ), allow("secretsmanager:*")], State.GRANTED, (1, 2), False),
        ([allow(READ, f"{SECRETS}a-aB3dEf")], State.MISSING, (1,), True),
        ([allow("s3:*")], State.MISSING, (), False),
        ([allow(READ), deny(READ)], State.DENIED, (2,), False),
        ([allow(READ), deny(READ, f"{SECRETS}a-a*")], State.DENIED, (2,), True),
    ],
)
def test_a_need_names_the_statements_that_decide_it(
    statements: list[dict[str, Any]], state: State, numbers: tuple[int, ...], partly: bool
) -> None:
    (need,) = compared(READ_A, *statements).needs
    assert (need.state, need.statements, need.partly) == (state, numbers, partly)


def test_what_goes_beyond_is_listed_by_statement_with_actions_that_exceed_alike_together() -> None:
    comparison = compared(
        READ_A,
        allow([READ, "s3:GetObject", "s3:PutObject"], [f"{SECRETS}a-??????", "arn:aws:s3:::x/*"]),
        {"Effect": "Allow", "NotAction": ["iam:*"], "NotResource": ["arn:aws:s3:::y"]},
    )
    assert comparison.wider == (
        Wider(1, Patterns((READ,)), Patterns(("arn:aws:s3:::x/*",))),
        Wider(1, Patterns(("s3:GetObject", "s3:PutObject")), Patterns((f"{SECRETS}a-??????", "arn:aws:s3:::x/*"))),
        Wider(2, Patterns(("iam:*",), inverted=True), Patterns(("arn:aws:s3:::y",), inverted=True)),
    )


def test_what_is_denied_altogether_does_not_go_beyond() -> None:
    assert compared(READ_A, allow(READ, f"{SECRETS}a-??????"), allow("s3:Get*"), deny("s3:*")).verdict is Verdict.SAME
    assert compared(READ_A, allow("s3:*"), deny("s3:Get*")).wider


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_statement_with_a_condition_is_listed_and_counts_neither_way(effect: str) -> None:
    conditional = allow(["s3:*", READ], Condition={"Bool": {"aws:SecureTransport": "true"}}, Effect=effect)
    comparison = compared(READ_A, conditional)
    assert states(comparison) == [State.MISSING]
    assert not comparison.wider
    assert comparison.not_judged == (NotJudged(1, effect, Reason.CONDITION),)
    assert comparison.needs[0].depends_on == (1,)


def test_a_condition_on_something_else_is_listed_but_no_need_depends_on_it() -> None:
    comparison = compared(READ_A, allow("s3:*", Condition={"Bool": {"a": "b"}}))
    assert [found.statement for found in comparison.not_judged] == [1]
    assert comparison.needs[0].depends_on == ()


def test_a_resource_that_depends_on_who_asks_is_not_judged() -> None:
    comparison = compared(READ_A, allow(READ, f"{SECRETS}${{aws:username}}-??????"))
    assert comparison.not_judged == (NotJudged(1, "Allow", Reason.VARIABLE),)
    assert states(comparison) == [State.MISSING]
    assert comparison.needs[0].depends_on == (1,)


BY_ALIAS = least(("a", "alias/x"))


def test_a_needed_condition_is_met_by_the_same_condition_and_by_none() -> None:
    statements = BY_ALIAS["Statement"]
    assert compared(BY_ALIAS, *statements).verdict is Verdict.SAME
    without = [{name: value for name, value in each.items() if name != "Condition"} for each in statements]
    comparison = compared(BY_ALIAS, *without)
    assert comparison.verdict is Verdict.WIDER
    assert [wider.statement for wider in comparison.wider] == [3]


def test_another_condition_than_the_needed_one_is_not_judged() -> None:
    other = json.loads(json.dumps(BY_ALIAS).replace("alias/x", "alias/y"))
    comparison = compare(json.dumps(other), BY_ALIAS)
    assert comparison.verdict is Verdict.MISSING
    assert [found.reason for found in comparison.not_judged] == [Reason.CONDITION]


def test_a_denial_is_not_judged_even_under_the_needed_condition() -> None:
    (conditional,) = [found for found in BY_ALIAS["Statement"] if "Condition" in found]
    comparison = compared(BY_ALIAS, *BY_ALIAS["Statement"], {**conditional, "Effect": "Deny"})
    assert comparison.verdict is Verdict.SAME
    assert comparison.not_judged == (NotJudged(4, "Deny", Reason.CONDITION),)


def test_a_need_without_a_condition_is_not_met_by_a_statement_that_has_one_because_another_need_has() -> None:
    with_key = least(("a", "alias/x"), ("b", "1234-abcd"))
    only_alias = [found for found in with_key["Statement"] if found["Sid"] != "KMSDecrypt"]
    comparison = compared(with_key, *only_alias)
    assert comparison.verdict is Verdict.MISSING
    assert {need.resource.rpartition("/")[2] for need in comparison.needs if need.state is State.MISSING} == {
        "1234-abcd"
    }


def test_a_trust_policy_is_refused() -> None:
    with pytest.raises(PolicyError, match="Principal"):
        compared(READ_A, allow(READ, Principal={"AWS": "*"}))


# A world small enough to ask everything: resources of up to three letters, and one that only "*" matches.
ACTIONS = ["a:x", "a:y", "b:x"]
RESOURCES = [f"arn:::::{''.join(letters)}" for length in range(4) for letters in product("pz", repeat=length)]
RESOURCES.append("other")
ACTION_PATTERNS = st.sampled_from([*ACTIONS, "*", "a:*", "*:x", "?:y", "A:X"])
RESOURCE_PATTERNS = st.sampled_from(["*", *(f"arn:::::{end}" for end in ["p", "p*", "*p", "?", "p?", "?*", "pp", "*"])])
EFFECTS = st.sampled_from(["Allow", "Allow", "Deny"])


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    action = draw(st.sampled_from(["Action", "Action", "NotAction"]))
    resource = draw(st.sampled_from(["Resource", "Resource", "NotResource"]))
    return {
        "Effect": draw(EFFECTS),
        action: draw(st.lists(ACTION_PATTERNS, min_size=1, max_size=2)),
        resource: draw(st.lists(RESOURCE_PATTERNS, min_size=1, max_size=2)),
    }


NEEDS = st.lists(st.builds(allow, st.sampled_from(ACTIONS), RESOURCE_PATTERNS), min_size=1, max_size=3)


def like(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(expression, text) is not None


def applies(statement: dict[str, Any], action: str, resource: str) -> bool:
    def side(element: str, asked: str) -> bool:
        inverted = f"Not{element}" in statement
        listed = statement[f"Not{element}" if inverted else element]
        patterns = listed if isinstance(listed, list) else [listed]
        lower = str.lower if element == "Action" else str
        return any(like(lower(pattern), asked) for pattern in patterns) is not inverted

    return side("Action", action) and side("Resource", resource)


def allowed(policy_statements: list[dict[str, Any]], action: str, resource: str) -> bool:
    effects = {found["Effect"] for found in policy_statements if applies(found, action, resource)}
    return effects == {"Allow"}


@settings(database=None, max_examples=400, deadline=None)
@given(NEEDS, st.lists(statements(), min_size=1, max_size=4))
def test_what_is_said_holds_for_every_single_request(needs: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    comparison = compared(policy(*needs), *found)
    for need in comparison.needs:
        requests = [resource for resource in RESOURCES if like(need.resource, resource)]
        granted = [allowed(found, need.action, resource) for resource in requests]
        if need.state is State.GRANTED:
            assert all(granted)
        elif not need.partly:
            assert not any(granted)
    if not comparison.wider:
        for action, resource in product([*ACTIONS, "c:z"], RESOURCES):
            needed = any(applies(need, action, resource) for need in needs)
            assert needed or not allowed(found, action, resource)


@settings(database=None, max_examples=400, deadline=None)
@given(NEEDS, st.lists(statements(), min_size=1, max_size=4))
def test_a_need_that_one_statement_grants_alone_and_none_denies_is_granted(
    needs: list[dict[str, Any]], found: list[dict[str, Any]]
) -> None:
    for need in compared(policy(*needs), *found).needs:
        requests = [resource for resource in RESOURCES if like(need.resource, resource)]
        alone = any(
            each["Effect"] == "Allow" and all(applies(each, need.action, resource) for resource in requests)
            for each in found
        )
        denied = any(
            each["Effect"] == "Deny" and any(applies(each, need.action, resource) for resource in requests)
            for each in found
        )
        if need.state is State.DENIED:
            assert denied or "NotResource" in str(found)  # "everything but" two patterns is taken as one whole
        elif alone and not denied and "NotResource" not in str(found):
            assert need.state is State.GRANTED


MANY = least_privilege_policy(
    [SecretFact(f"crewai/secret-{n}", f"1234-{n}") for n in range(100)], region="us-east-1", account_id=ACCOUNT
)


@pytest.mark.parametrize(
    "hostile",
    [
        [allow("*", ["arn:" + "*a" * 1000 + str(n) for n in range(30)])],
        [allow("*", [f"arn:*{n}" for n in range(5000)])],
        [allow([f"secretsmanager:*{n}" for n in range(2600)])],
        [allow("*", f"arn:*{n}") for n in range(250)],
        [deny(f"a*:{n}", "arn:*x") for n in range(120)] + [allow([f"a:{n}" for n in range(4000)], "arn:*x")],
        [{"Effect": "Allow", "NotAction": f"a:{n}", "NotResource": f"arn:*{n}"} for n in range(250)],
        [allow("*", "arn:" + "${" * 900) for _ in range(30)],
    ],
    ids=["stars", "resources", "actions", "statements", "denials", "inverted", "variables"],
)
def test_a_hostile_policy_is_judged_in_bounded_time(hostile: list[dict[str, Any]]) -> None:
    text = json.dumps(policy(*hostile))
    assert len(text) <= 65_536
    start = time.process_time()
    compare(text, MANY)
    assert time.process_time() - start < 5
