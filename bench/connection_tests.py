"""Connection tests at a cloud that hangs or misbehaves, through a real server: pages stay quick, memory stays flat."""

import re
import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.served import LOOPBACK, Answer, Served, number_of, served
from tests.credentials.providers.aws.faults import ENDLESS, FAULTS
from tests.credentials.providers.aws.wire import Request, Wire

#: Tests that people ask for at the same time, and how often the list is asked for meanwhile.
IN_FLIGHT, PAGES = 20, 600


def measure_hanging_tests() -> dict[str, Any]:
    """Ask for the list of credentials while 20 tests hang, under gunicorn with 2 x 8 threads; the bound is without."""
    with (
        socket.create_server((LOOPBACK, 0), backlog=1000) as never_answers,
        served(f"http://{LOOPBACK}:{never_answers.getsockname()[1]}", IN_FLIGHT, 1, workers=2, threads=8) as server,
    ):
        path = server.organizations[0]["list"]
        _page_times(server, path, 50)  # imports what is imported once
        quiet = _page_times(server, path, PAGES)
        stop = threading.Event()
        with ThreadPoolExecutor(IN_FLIGHT) as people:
            pressed = [
                people.submit(_press_until, stop, server, one["tests"][0]) for one in server.organizations[:IN_FLIGHT]
            ]
            time.sleep(1)
            busy = _page_times(server, path, PAGES)
            stop.set()
            answers = [answer for future in pressed for answer in future.result()]
    return {
        **_spread("page_while_20_hang", busy),
        **_spread("bound", quiet),
        "tests_that_ran": sum(answer.status == 200 for answer in answers),
        "tests_refused_with_a_time_to_wait": sum(answer.status == 429 for answer in answers),
        "other_answers": sum(answer.status not in (200, 429) for answer in answers),
        "longest_test_s": round(max(answer.seconds for answer in answers), 1),
    }


def measure_faults() -> dict[str, Any]:
    """Meet every fault once with the product's own deadlines: seconds, memory of the server, and what the page said."""
    faults = [*(fault for fault, _codes in FAULTS.values()), *ENDLESS.values()]

    def answer(request: Request, connection: socket.socket) -> bytes | None:
        return faults[number_of(request.key_id)](request, connection)

    with Wire(answer) as wire, served(wire.url, len(faults), 1, workers=1, threads=8) as server:
        addresses = [organization["tests"][0] for organization in server.organizations]
        server.post(addresses[0])  # imports what is imported once
        before = server.memory()
        with ThreadPoolExecutor(1) as watcher:
            stop = threading.Event()
            peak = watcher.submit(_peak_memory, stop, server)
            answers = [server.post(address) for address in addresses]
            stop.set()
    return {
        "faults": len(faults),
        "answered_in_words": sum(answer.status == 200 and "toast-error" in answer.text for answer in answers),
        "said_connected": sum(bool(re.search(r"Connected", answer.text)) for answer in answers),
        "server_errors": sum(answer.status >= 500 for answer in answers),
        "longest_s": round(max(answer.seconds for answer in answers), 2),
        "memory_before_mb": before,
        "memory_growth_mb": peak.result() - before,
    }


def _press_until(stop: threading.Event, server: Served, path: str) -> list[Answer]:
    """Press Test Connection again and again, a second after a refusal."""
    answers = []
    while not stop.is_set():
        answers.append(server.post(path))
        if answers[-1].status == 429:
            stop.wait(1)
    return answers


def _page_times(server: Served, path: str, times: int) -> list[float]:
    """Return the milliseconds of each of so many pages, asked for by two people who look at them for a moment."""

    def look(_number: int) -> Answer:
        time.sleep(0.01)
        return server.get(path)

    with ThreadPoolExecutor(2) as readers:
        answers = list(readers.map(look, range(times)))
    assert {answer.status for answer in answers} == {200}  # noqa: S101 - a figure for an error page is worth nothing
    return [answer.seconds * 1e3 for answer in answers]


def _peak_memory(stop: threading.Event, server: Served) -> int:
    most = 0
    while not stop.wait(0.02):
        most = max(most, server.memory())
    return most


def _spread(name: str, times: list[float]) -> dict[str, float]:
    hundredths = statistics.quantiles(times, n=100)
    return {f"{name}_p50_ms": round(hundredths[49], 1), f"{name}_p99_ms": round(hundredths[98], 1)}
