from typing import Any

import pytest

from credentials.providers.aws.regions import HOME_REGIONS, all_regions, find_region, partition_of


def test_every_region_is_listed_once_with_its_name_and_partition() -> None:
    regions = {region.code: region for region in all_regions()}
    assert len(regions) == len(all_regions())
    assert regions["us-east-1"] == ("us-east-1", "US East (N. Virginia)", "aws")
    assert regions["cn-north-1"].partition == "aws-cn"
    assert regions["us-gov-west-1"].partition == "aws-us-gov"


def test_only_regions_proper_are_listed() -> None:
    assert not [region.code for region in all_regions() if "fips" in region.code or "iso" in region.code]


@pytest.mark.parametrize("partition", HOME_REGIONS)
def test_the_home_region_of_a_partition_is_one_of_its_regions(partition: str) -> None:
    assert HOME_REGIONS[partition] in {region.code for region in all_regions() if region.partition == partition}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("us-east-1", "us-east-1"),
        ("  US-East-1 ", "us-east-1"),
        ("N. Virginia", "us-east-1"),
        ("US East  (N. Virginia)", "us-east-1"),
        ("ohio", "us-east-2"),
        ("FRANKFURT", "eu-central-1"),
        ("china (beijing)", "cn-north-1"),
    ],
)
def test_a_region_is_found_by_code_name_and_place(text: str, code: str) -> None:
    assert find_region(text) == code


@pytest.mark.parametrize(
    "text", ["", "us-esat-1", "us-east", "Atlantis", "Central", "us-east-1.evil.example", "localhost"]
)
def test_a_word_that_means_no_region_or_several_finds_none(text: str) -> None:
    assert find_region(text) is None


def test_a_new_region_can_be_added_by_the_server(settings: Any) -> None:
    assert find_region("eu-north-9") is None
    settings.AWS_EXTRA_REGIONS = ["eu-north-9", "us-east-1", "cn-west-7"]
    assert find_region("EU-NORTH-9") == "eu-north-9"
    assert partition_of("cn-west-7") == "aws-cn"
    assert len([region for region in all_regions() if region.code == "us-east-1"]) == 1
