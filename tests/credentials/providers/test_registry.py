"""What every provider promises; a new one is picked up here by being registered."""

import subprocess
import sys

import pytest

from credentials.providers import PROVIDERS, Provider, _registry, provider_class
from credentials.providers.base import (
    ProbeResult,
    ProviderError,
    SecretId,
    SkipReason,
    Step,
    StepResult,
    StepState,
    TrustCheck,
    VersionStage,
)
from credentials.providers.failures import FailureCode
from crewadmin.redaction import Secret

every_provider = pytest.mark.parametrize("slug", PROVIDERS)


def test_a_provider_is_found_by_its_slug() -> None:
    assert provider_class("aws").label == "AWS Secrets Manager"


def test_an_unknown_slug_is_an_error() -> None:
    with pytest.raises(KeyError):
        provider_class("nowhere")


def test_two_providers_with_one_slug_are_refused() -> None:
    with pytest.raises(ValueError, match="share a slug"):
        _registry(provider_class("aws"), provider_class("aws"))


@every_provider
def test_a_provider_describes_itself(slug: str) -> None:
    provider = PROVIDERS[slug]
    assert provider.slug == slug
    assert provider.label
    assert str(provider.default_label)


@every_provider
def test_the_secret_fields_are_fields_of_the_form(slug: str) -> None:
    form = PROVIDERS[slug].form(stored=PROVIDERS[slug].form.secret_fields)
    assert form.secret_fields
    assert form.fields.keys() >= form.secret_fields | form.control_fields


@every_provider
def test_a_credential_without_any_settings_fails_in_words_and_calls_nobody(slug: str) -> None:
    provider = PROVIDERS[slug]({}, Secret({}))
    result = provider.probe("db")
    assert result.failure is not None
    assert result.failure.step is Step.SHAPE
    assert [step.step for step in result.steps] == list(Step)
    db = SecretId("db")
    assert isinstance(provider.fetch([db])[db], ProviderError)
    assert isinstance(provider.versions([db])[db], ProviderError)
    trace = provider.trace([db])
    assert trace.steps[0].code is trace.answers[db].code  # type: ignore[union-attr]  # an error, as above
    assert trace.reads[db].skipped is SkipReason.EARLIER_STEP_FAILED
    with pytest.raises(ProviderError):
        provider.list_names("d")
    assert provider.calls == 0


@every_provider
def test_a_provider_that_is_asked_for_nothing_asks_nobody(slug: str) -> None:
    provider = PROVIDERS[slug]({}, Secret({}))
    assert (provider.fetch([]), provider.versions([]), provider.calls) == ({}, {}, 0)


@every_provider
def test_every_reference_has_an_answer_under_what_was_asked(slug: str) -> None:
    provider = PROVIDERS[slug]({}, Secret({}))
    wanted = [SecretId("db"), SecretId("db", VersionStage.PREVIOUS), SecretId("")]
    assert list(provider.fetch(wanted + wanted)) == wanted
    assert set(provider.versions(wanted)) == set(wanted)


@every_provider
def test_a_name_is_judged_without_asking(slug: str) -> None:
    assert PROVIDERS[slug].name_problem({}, "db") is None
    assert Provider.name_problem({}, "") is None


@every_provider
def test_nothing_that_is_kept_shows_a_secret(slug: str) -> None:
    provider = PROVIDERS[slug]({}, Secret({"secret_access_key": "canary"}), "scope")
    provider.fetch([SecretId("db")])
    assert "canary" not in repr(vars(provider))


@every_provider
def test_a_credential_without_any_settings_has_no_trust_to_check(slug: str) -> None:
    check = PROVIDERS[slug]({}, Secret({})).check_trust()
    assert not check.applicable
    assert check.code is None


def test_a_provider_that_says_nothing_about_trust_has_none_to_check() -> None:
    assert Provider.check_trust(PROVIDERS["aws"]({"role_arn": "any"}, Secret({}))) == TrustCheck()


@every_provider
def test_a_provider_shows_no_secret_when_it_is_printed(slug: str) -> None:
    assert "canary" not in repr(vars(PROVIDERS[slug]({}, Secret({"secret_access_key": "canary"}))))


def test_the_first_failed_step_is_the_failure() -> None:
    failed = StepResult(Step.LIST, StepState.FAILED, code=FailureCode.LIST_DENIED)
    later = StepResult(Step.READ, StepState.FAILED, code=FailureCode.READ_DENIED)
    result = ProbeResult((StepResult(Step.SHAPE, StepState.PASSED), failed, later))
    assert result.failure is failed
    assert not result.ok


def test_skipped_steps_are_no_failure() -> None:
    assert ProbeResult((StepResult(Step.READ, StepState.SKIPPED, skipped=SkipReason.NO_TARGET),)).ok


def test_the_text_of_an_error_is_its_code_and_step_only() -> None:
    error = ProviderError(FailureCode.READ_DENIED, Step.READ, {"secret_name": "canary"})
    assert str(error) == "read_denied at read"
    assert "canary" not in repr(error)


def test_every_step_has_a_label() -> None:
    assert len({str(step.label) for step in Step}) == len(Step)


def test_a_provider_is_a_provider() -> None:
    assert all(issubclass(provider, Provider) for provider in PROVIDERS.values())


def test_pages_that_call_no_cloud_do_not_load_its_library() -> None:
    script = (
        "import sys, django; django.setup()\n"
        "from credentials.providers import PROVIDERS\n"
        "[provider.form() for provider in PROVIDERS.values()]\n"
        "sys.exit('botocore.session' in sys.modules or 'boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
