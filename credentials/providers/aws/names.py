"""Names and ARNs of secrets, judged without asking AWS.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html#iam-resources
"""

import re

from ..failures import FailureCode

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):secretsmanager:(?P<region>[a-z0-9-]+):\d{12}:secret:[A-Za-z0-9/_+=.@!-]+", re.ASCII
)
_LONGEST = 2048


def name_problem(region: str, name: str) -> FailureCode | None:
    """Return why a credential of a region cannot read a secret of this name or ARN.

    The account in an ARN is not looked at: a secret's resource policy may open it to other accounts.
    """
    if not name.strip() or len(name) > _LONGEST:
        return FailureCode.SECRET_NAME_INVALID
    if not name.startswith("arn:"):
        return None
    found = _ARN.fullmatch(name)
    if not found:
        return FailureCode.SECRET_NAME_INVALID
    return None if found["region"] == region else FailureCode.SECRET_IN_OTHER_REGION
