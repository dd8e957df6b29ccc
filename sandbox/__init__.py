"""A loopback AWS that really refuses: STS and Secrets Manager for the demo and the tests.

The state lives in moto; who may do what is decided here, because moto lets too much through. Never imported by the
product. `seed` says who and what exists and imports nothing heavy, `aws.Sandbox` serves it, `python -m sandbox` too.
"""
