"""AWS Secrets Manager, opened with access keys and, where a role is given, AssumeRole.

`provider` is the entrance. `client` and `errors` import botocore, which costs a few tenths of a second, so the entrance
imports them only when it calls AWS.
"""
