"""Policies are evaluated as IAM does, where moto does not."""

import pytest

from sandbox.policies import Question, Verdict, check, evaluate

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:crewai/a-aB3dEf"


def ask(statement, *, context=None, principals=()):
    question = Question("secretsmanager:GetSecretValue", ARN, context or {}, frozenset(principals))
    return evaluate([{"Statement": {"Effect": "Allow", "Action": "*", **statement}}], question)


@pytest.mark.parametrize(
    "action", ["*", "secretsmanager:*", "SecretsManager:getsecretvalue", "secretsmanager:Get?ecretValue"]
)
def test_actions_match_with_wildcards_and_without_case(action):
    assert ask({"Action": ["x:y", action]}) is Verdict.ALLOWED


@pytest.mark.parametrize("action", ["secretsmanager:Get", "secretsmanager", "etSecretValue"])
def test_actions_match_as_a_whole(action):
    assert ask({"Action": action}) is Verdict.NOT_ALLOWED


@pytest.mark.parametrize("resource", ["*", ARN, ARN[:-6] + "??????", "arn:aws:secretsmanager:*:*:secret:crewai/*"])
def test_resources_match_with_wildcards(resource):
    assert ask({"Resource": resource}) is Verdict.ALLOWED


@pytest.mark.parametrize("resource", [ARN.upper(), ARN[:-6], ARN[:-1] + "[f]", ARN.replace(":", ".")])
def test_resources_match_with_case_and_know_no_other_pattern(resource):
    assert ask({"Resource": resource}) is Verdict.NOT_ALLOWED


def test_not_action_and_not_resource_exclude():
    assert ask({"NotAction": "secretsmanager:*"}) is Verdict.NOT_ALLOWED
    assert ask({"NotAction": "sts:*"}) is Verdict.ALLOWED
    assert ask({"NotResource": ARN}) is Verdict.NOT_ALLOWED


def test_a_deny_beats_an_allow_wherever_it_stands():
    allow = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    deny = {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": ARN}]}
    question = Question("secretsmanager:GetSecretValue", ARN)

    assert evaluate([allow, deny], question) is Verdict.DENIED
    assert evaluate([deny, allow], question) is Verdict.DENIED
    assert evaluate([allow], question) is Verdict.ALLOWED
    assert evaluate([], question) is Verdict.NOT_ALLOWED


@pytest.mark.parametrize("principal", ["*", {"AWS": "me"}, {"AWS": ["you", "me"]}])
def test_a_principal_is_one_of_those_named(principal):
    assert ask({"Principal": principal}, principals={"me", "*"}) is Verdict.ALLOWED


@pytest.mark.parametrize("principal", ["me too", {"AWS": "meat"}, {"Service": "me"}])
def test_a_principal_that_is_not_named_is_not_allowed(principal):
    assert ask({"Principal": principal}, principals={"me", "*"}) is Verdict.NOT_ALLOWED


@pytest.mark.parametrize(
    ("operator", "expected", "actual", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a", None, False),
        ("StringLike", "a*", "ab", True),
        ("StringLike", "a*", None, False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringNotLike", "a*", "ab", False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("ArnLike", "arn:*:me", "arn:aws:me", True),
        ("Bool", "true", "True", True),
        ("Bool", True, "true", True),
        ("Bool", "false", None, False),
    ],
)
def test_a_condition_with_a_missing_key_holds_only_when_negated_or_optional(operator, expected, actual, holds):
    context = {} if actual is None else {"sts:externalid": actual}

    verdict = ask({"Condition": {operator: {"sts:ExternalId": expected}}}, context=context)

    assert (verdict is Verdict.ALLOWED) is holds


def test_every_condition_must_hold():
    condition = {"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}}

    assert ask({"Condition": condition}, context={"a": "1", "b": "2", "c": "true"}) is Verdict.ALLOWED
    assert ask({"Condition": condition}, context={"a": "1", "b": "2"}) is Verdict.NOT_ALLOWED
    assert ask({"Condition": condition}, context={"a": "1", "c": "true"}) is Verdict.NOT_ALLOWED


@pytest.mark.parametrize("statement", [{"Condition": {"IpAddress": {"aws:SourceIp": "::1"}}}, {"NotPrincipal": "*"}])
def test_what_is_not_evaluated_is_refused_when_it_is_written(statement):
    with pytest.raises(ValueError, match="does not evaluate"):
        check({"Statement": [{"Effect": "Allow", **statement}]})


def test_a_policy_that_cannot_be_evaluated_never_gets_into_the_account(sandbox):
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Null": {"sts:ExternalId": "true"}}}
        ],
    }
    for change in (sandbox.set_policy, sandbox.put_user_policy, sandbox.set_trust_policy):
        with pytest.raises(ValueError, match="Null"):
            change(document)
