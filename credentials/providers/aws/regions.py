"""The regions that have Secrets Manager, known without asking AWS.

botocore accepts any word as a region and asks a host of that name, so a region is looked up here before it is used.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings


class Region(NamedTuple):
    """A region's code (`us-east-1`), its name for people, and the partition (`aws`, `aws-cn`) its accounts live in."""

    code: str
    name: str
    partition: str

    @property
    def place(self) -> str:
        """The name's part in brackets, as "Frankfurt" of "Europe (Frankfurt)"; the whole name if it has none."""
        brackets = re.search(r"\(([^()]+)\)", self.name)
        return brackets[1] if brackets else self.name


#: Where a partition keeps its first region: every valid key of the partition is known there, whichever regions an
#: account has enabled. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
HOME_REGIONS = {
    "aws": "us-east-1",
    "aws-cn": "cn-north-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-eusc": "eusc-de-east-1",
}


def all_regions() -> tuple[Region, ...]:
    """Return the regions of the installed botocore, then those of the setting AWS_EXTRA_REGIONS, each once."""
    known = _packaged_regions()
    codes = {region.code for region in known}
    extra = (code for code in settings.AWS_EXTRA_REGIONS if code not in codes)
    return known + tuple(Region(code, code, partition_of(code)) for code in extra)


def find_region(text: str) -> str | None:
    """Return the code of the region that `text` means, or None.

    Accepted are a code in any case, a full name as "US East (N. Virginia)", and the place of a commercial region as
    "frankfurt" if only one has it. (Not of the others: "us-east" is half a code, and a place of GovCloud.)
    """
    wanted = " ".join(text.split()).casefold()
    regions = all_regions()
    places = [region for region in regions if region.place.casefold() == wanted and region.partition == "aws"]
    exact = [region for region in regions if wanted in (region.code.casefold(), region.name.casefold())]
    found = exact or places
    return found[0].code if len(found) == 1 else None


@lru_cache(maxsize=256)
def partition_of(code: str) -> str:
    """Return the partition that a region code belongs to by its form; `aws` for a form that no partition claims."""
    for partition in _data("partitions")["partitions"]:
        if re.fullmatch(partition["regionRegex"], code):
            return str(partition["id"])
    return "aws"


@lru_cache(maxsize=256)
def secrets_manager_url(code: str) -> str:
    """Return the address of a region's Secrets Manager.

    https://docs.aws.amazon.com/general/latest/gr/asm.html
    """
    partition = partition_of(code)
    suffixes = {one["id"]: one["outputs"]["dnsSuffix"] for one in _data("partitions")["partitions"]}
    return f"https://secretsmanager.{code}.{suffixes[partition]}"


@lru_cache(maxsize=1)
def _packaged_regions() -> tuple[Region, ...]:
    # The air-gapped partitions (aws-iso...) are left out: a site that lives in one names its regions in
    # AWS_EXTRA_REGIONS, and everybody else gets no second "Ohio".
    return tuple(
        Region(code, partition["regions"][code]["description"], partition["partition"])
        for partition in _data("endpoints")["partitions"]
        if not partition["partition"].startswith("aws-iso")
        for code in sorted(partition["services"]["secretsmanager"]["endpoints"])
        if code in partition["regions"]
    )


def _data(name: str) -> dict[str, Any]:
    from botocore.loaders import Loader

    # Only the files inside botocore: by default ~/.aws/models would be read first.
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    data: dict[str, Any] = loader.load_data(name)
    return data
