"""Resolving references, on a stub that takes 20 ms for each request: the product beside bare signed requests.

Ours is `envvars.resolving.resolve`, database included. The bound sends the same requests, signed by botocore, over one
bare urllib3 pool with as many threads, and does nothing else. Both are measured in the same run and in turn.

`cold`: nothing is known of the credential and no connection is open, in a process that has imported everything.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.conf import settings
from django.core.management import call_command

from credentials.models import Credential
from credentials.providers.aws import client, memory
from credentials.services import add_credential
from envvars.models import Automation, EnvironmentVariable
from envvars.references import parse
from envvars.resolving import Resolution, resolve
from envvars.services.automations import add_automation
from envvars.services.variables import Value, add_variable
from organizations.models import Organization, User
from organizations.services.organizations import create_organization

DELAY_MS, REFERENCES, SECRETS, MANY = 20, 200, 92, 1_000
THREADS, ROUNDS = 32, 15


def measure_resolving(organization: Organization, owner: User) -> dict[str, Any]:
    """Resolve 200 references to 92 secrets, batches allowed and denied, cold and warm; then 1,000; then from memory."""
    credential = store_credential(organization, owner)
    crew = store_references(organization, credential, "bench-200", REFERENCES)
    large = store_references(organization, credential, "bench-1000", MANY)
    with stub() as served:
        figures = {
            "delay_ms": DELAY_MS,
            **{f"batch_{name}": figure for name, figure in measure_way(served, crew, batch=True).items()},
            **{f"denied_{name}": figure for name, figure in measure_way(served, crew, batch=False).items()},
        }
        served.tell("/batch/on")
        figures["references_1000_cold_ms"] = median(lambda: resolve(large), before=forget)
        resolve(crew, max_age=60)
        served.counted()
        figures["repeat_ms"] = median(lambda: resolve(crew, max_age=60))
        figures["repeat_fetch_ms"] = median(lambda: fetch_only(crew))
        figures["repeat_calls"] = sum(served.counted().values())
        figures |= measure_command(served.url)
    return figures


def measure_way(served: "Served", crew: Automation, *, batch: bool) -> dict[str, Any]:
    """Measure one way of reading, ours and the bound in turn."""
    served.tell("/batch/on" if batch else "/batch/off")
    pool = urllib3.PoolManager(maxsize=THREADS)
    requests = bare_requests(batch=batch)
    cold, cold_bound, warm, warm_bound = [], [], [], []
    counts = []
    for _round in range(ROUNDS):
        forget()
        cold_bound.append(seconds(lambda: send_all(urllib3.PoolManager(maxsize=THREADS), served.url, requests)))
        served.counted()
        cold.append(seconds(lambda: complete(resolve(crew))))
        counts.append(served.counted())
        warm_bound.append(seconds(lambda: send_all(pool, served.url, requests)))
        served.counted()
        warm.append(seconds(lambda: complete(resolve(crew))))
        counts.append(served.counted())
    return {
        "cold_ms": ms(cold),
        "cold_bound_ms": ms(cold_bound),
        "cold_ratio": round(statistics.median(cold) / statistics.median(cold_bound), 2),
        "warm_ms": ms(warm),
        "warm_bound_ms": ms(warm_bound[1:]),
        "warm_ratio": round(statistics.median(warm) / statistics.median(warm_bound[1:]), 2),
        "calls_cold": dict(counts[0]),
        "calls_warm": dict(counts[1]),
    }


def measure_command(url: str) -> dict[str, Any]:
    """Run `manage.py resolve` on 200 references as a process of its own, on a database in a file."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3", "AWS_SANDBOX_URL": url}
        arguments = [sys.executable, "manage.py", "resolve", "bench/bench-200", "--format", "json"]
        fill = [sys.executable, "manage.py", "shell", "-v0", "-c", "from bench.resolving import fill; fill()"]
        subprocess.run(fill, env=environment, check=True)  # noqa: S603 - our own
        times, values = [], ""
        for _round in range(7):
            started = time.perf_counter()
            values = subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
            times.append(time.perf_counter() - started)
    assert len(json.loads(values)) == REFERENCES  # noqa: S101 - a figure for half of it is worth nothing
    memory_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"command_ms": ms(times), "command_peak_mb": round(memory_kb / 1024, 1)}


def store_credential(organization: Organization, owner: User) -> Credential:
    """Store the credential that everything is read with."""
    config = {"region": "us-east-1", "access_key_id": "AKIAIOSFODNN7EXAMPLE", "role_arn": ""}
    secrets = {"secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
    return add_credential(
        organization, owner, name="bench", provider="aws", config=config, secrets=secrets, is_default=True
    )


def store_references(organization: Organization, credential: Credential, slug: str, number: int) -> Automation:
    """Store an automation with so many references to SECRETS secrets."""
    crew = add_automation(organization, None, name=slug, slug=slug)
    source = EnvironmentVariable.Source.CREDENTIAL
    for index in range(number):
        key = ("username", "password", "host", "port")[index // SECRETS % 4]
        value = Value(source, provider="aws", credential=credential, reference=parse(f"{name(index)}#{key}"))
        variable = f"{slug.upper().replace('-', '_')}_{index:04}"
        add_variable(organization, None, key=variable, value=value, automations=[crew])
    return crew


def name(index: int) -> str:
    """Return the name of a secret, one of SECRETS."""
    return f"crew/service-{index % SECRETS:03}"


# --- The bound ------------------------------------------------------------------------------------------------------
def bare_requests(*, batch: bool) -> list[tuple[str, bytes]]:
    """Return the least requests that read everything: their operations and bodies."""
    names = [name(index) for index in range(SECRETS)]
    if not batch:
        return [("GetSecretValue", json.dumps({"SecretId": one}).encode()) for one in names]
    batches = [names[start : start + 20] for start in range(0, SECRETS, 20)]
    return [("BatchGetSecretValue", json.dumps({"SecretIdList": some}).encode()) for some in batches]


def send_all(pool: urllib3.PoolManager, url: str, requests: list[tuple[str, bytes]]) -> None:
    """Send signed requests at the same time and read their answers."""
    signer = SigV4Auth(Credentials("AKIAIOSFODNN7EXAMPLE", "bench"), "secretsmanager", "us-east-1")

    def send(operation: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"secretsmanager.{operation}"}
        request = AWSRequest("POST", url + "/", headers=headers, data=body)
        signer.add_auth(request)
        return pool.request("POST", url + "/", body=body, headers=dict(request.headers)).data

    with ThreadPoolExecutor(THREADS) as threads:
        for sent in [threads.submit(send, *request) for request in requests]:
            json.loads(sent.result())


# --- The stub -------------------------------------------------------------------------------------------------------
class Served:
    """A running stub."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._pool = urllib3.PoolManager()

    def tell(self, path: str) -> Any:
        """Ask the stub for something about itself."""
        return json.loads(self._pool.request("GET", self.url + path).data)

    def counted(self) -> dict[str, int]:
        """Return what was asked since the last time."""
        counted: dict[str, int] = self.tell("/count")
        return counted


@contextmanager
def stub() -> Iterator[Served]:
    """Start the stub, and point the product at it."""
    arguments = [sys.executable, "-m", "bench.stub", str(DELAY_MS)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:  # noqa: S603 - our own
        served = Served(int(process.stdout.readline()))  # type: ignore[union-attr]  # a pipe
        settings.AWS_SANDBOX_URL = served.url
        try:
            yield served
        finally:
            process.terminate()


# --- Time -----------------------------------------------------------------------------------------------------------
def forget() -> None:
    """Know nothing of the credential, and close every connection."""
    memory.forget()
    client._idle_of.cache_clear()


def complete(resolution: Resolution) -> None:
    """Refuse to measure what did not work."""
    assert resolution.ok, resolution.problems[:1]  # noqa: S101 - a figure for an error is worth nothing


def fetch_only(crew: Automation) -> None:
    """Read everything without the database's part."""
    variable = crew.variables.select_related("credential").first()
    wanted = [parse(f"{name(index)}#host").references[0].secret_id for index in range(SECRETS)]
    variable.credential.open_provider().fetch(wanted, 60)  # type: ignore[union-attr]  # every variable has one


def seconds(work: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(work: Callable[[], Any], before: Callable[[], Any] = lambda: None) -> float:
    """Return the median of the milliseconds of several calls."""
    times = []
    for _round in range(ROUNDS):
        before()
        times.append(seconds(work))
    return ms(times)


def ms(times: list[float]) -> float:
    """Return the median in milliseconds."""
    return round(statistics.median(times) * 1e3, 2)


def fill() -> None:
    """Fill an empty database with what the command resolves."""
    call_command("migrate", verbosity=0)
    owner = User.objects.create_user("bench@example.com", None)
    organization = create_organization("Bench", "bench", owner)
    store_references(organization, store_credential(organization, owner), "bench-200", REFERENCES)
