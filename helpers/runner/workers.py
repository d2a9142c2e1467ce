"""Independent pieces of work side by side: on processes of this machine or on the workers of a Dask cluster."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import Failure, Refusal
from helpers.runner.terminal import Events, Terminal, describe

POLL = 0.3  # seconds between two looks at the trainings
CONNECT = 10  # seconds that a scheduler has to answer
START = "dask worker {} --nworkers 2 --nthreads 1"
GONE = "the Dask scheduler is gone; finished epochs are kept: start it again, and the same command goes on from there"


class Team:
    """Workers that a function's calls are shared out to; a call whose worker dies is made again on another.

    client: of Dask; folder: for the calls' progress, on a disk that every worker shares; started: the process
    behind the workers where this machine started them.
    """

    def __init__(self, client, folder: Path, terminal: Terminal, started: subprocess.Popen | None = None):
        self.client, self.folder, self.terminal, self.started = client, folder, terminal, started
        self.lonely = False  # whether it was said that there are no workers

    def run(self, function: Callable, items: Iterable, name: Callable[[Any], str] = str) -> Iterator[tuple[Any, Any]]:
        """(item, function(item)) for every item, in the order in which they end.

        name: what people call an item. An item that fails stops none of the others: once they are done, Failure
        says which failed and why. Raises Refusal when a worker cannot be used as it was started.
        """
        calls = [Call(item, name(item), self.folder / f"{number}.jsonl") for number, item in enumerate(items)]
        waiting, running, failures = calls[::-1], {}, []
        while waiting or running:
            hosts = self._hosts()
            while waiting and len(running) < len(hosts):  # none queues behind one that may kill its worker
                call = waiting.pop()
                running[self._submit(function, call, hosts)] = call
            time.sleep(POLL)
            self._report(running.values(), len(waiting), len(calls))
            for future in [future for future in running if future.done()]:
                call = running.pop(future)  # with the last reference its result leaves the cluster
                if failure := _failure(future):
                    failures.append(f"{call.name}: FAILED ({failure})")
                    self.terminal.line(failures[-1])
                else:
                    yield call.item, future.result()
        if failures:
            raise Failure("\n  ".join([f"{len(failures)} of {len(calls)} failed; the others are done", *failures]))

    def _hosts(self) -> list[str]:
        """The machine of each worker. Says so when there are none; raises Failure when none will come."""
        if self.started and self.started.poll() is not None:
            raise Failure(f"the worker processes have ended; their messages are in {_log()}")
        try:
            hosts = [_host(address) for address in self.client.nthreads()]
        except OSError as error:
            raise Failure(GONE) from error
        if not (hosts or self.lonely or self.started):
            self.terminal.line(f"waiting for workers: {START.format(self.client.scheduler.address)}")
        self.lonely = not hosts
        return hosts

    def _submit(self, function: Callable, call: "Call", hosts: list[str]):
        """Hand out a call: its future."""
        return self.client.submit(_call, function, call.item, call.progress, paths.cache(), hosts, pure=False)

    def _report(self, running: Iterable["Call"], waiting: int, total: int) -> None:
        """Epochs move the status line; that a training starts, or waits for another's, is a line."""
        for call in running:
            for event in call.events.new():
                call.shown = describe(event | {"model": call.name})
                if event["event"] in ("start", "waiting"):
                    self.terminal.line(call.shown)
        shown = [call.shown for call in running if call.shown]
        self.terminal.status(f"[{total - len(running) - waiting}/{total}] {' | '.join(shown)}")


class Call:
    """One call: its item, what people call it, its events and what the status line says of it."""

    def __init__(self, item: Any, name: str, progress: Path):
        self.item, self.name, self.progress = item, name, progress
        self.events, self.shown = Events(progress), ""


def _failure(future) -> str | None:
    """Why a call failed; None when it did not. Raises Refusal and Failure where no other call can go on."""
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise Failure(GONE)
    error = future.exception()
    if isinstance(error, Refusal):
        raise error
    if isinstance(error, KilledWorker):
        return f"{error.allowed_failures + 1} workers died of it, perhaps for want of memory"
    return f"{type(error).__name__}: {error}" if error else None


def _host(address: str) -> str:
    """The machine in an address such as tcp://10.0.0.1:40123."""
    from distributed.comm import get_address_host

    return get_address_host(address)


def _call(function: Callable, item: Any, progress: Path, cache: Path, hosts: list[str]) -> Any:
    """Call the function in a worker, with the folders of the one who asked.

    hosts: the machine of each worker; those on one machine divide its cores.
    """
    from dask import system
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads != 1:
        raise Refusal(
            f"the worker {worker.address} has {worker.state.nthreads} threads, but trains one model at a time: "
            f"start it with {START.format(worker.scheduler.address)}"
        )
    try:
        progress.touch()
    except OSError as error:
        raise Refusal(
            f"the worker {worker.address} cannot write to {cache} ({error}): name a folder that all machines "
            "share in HELPERS_CACHE"
        ) from error
    os.environ.update(HELPERS_CACHE=str(cache), HELPERS_PROGRESS=str(progress))
    neighbours = max(1, hosts.count(_host(worker.address)))
    threads = max(1, system.CPU_COUNT // neighbours)  # of the cores that the process may use
    os.environ.setdefault("HELPERS_THREADS", str(threads))
    return function(item)


@contextmanager
def workers(jobs: int, scheduler: str | None = None, terminal: Terminal | None = None) -> Iterator[Team]:
    """A Team of `jobs` processes of this machine, or of the workers of the Dask scheduler at an address.

    When something goes wrong, Ctrl-C included, no process of this machine goes on. On a cluster what has not
    started is cancelled, and a training ends with its epoch: its next event finds the progress folder gone.
    Raises Refusal when no scheduler answers.
    """
    terminal = terminal or Terminal()
    paths.cache().mkdir(parents=True, exist_ok=True)
    progress = tempfile.TemporaryDirectory(prefix="progress-", dir=paths.cache(), ignore_cleanup_errors=True)
    with _cluster(scheduler) if scheduler else _this_machine(jobs) as (client, started), progress as folder:
        try:
            yield Team(client, Path(folder), terminal, started)
        finally:
            terminal.status("")


@contextmanager
def _cluster(address: str):
    """A client of the scheduler at the address, and None: its workers are not this process's."""
    from distributed import Client

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it says is said here
    how = f"start one with 'dask scheduler', then workers with '{START.format(address)}'"
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        raise Refusal(f"no Dask scheduler answers at {address} ({error}): {how}") from error
    with client:
        try:
            client.run(import_module, __name__)
        except ImportError as error:
            raise Refusal(f"a worker cannot import what it is to run ({error}): install the same code there") from error
        yield client, None


@contextmanager
def _this_machine(jobs: int):
    """A client of a cluster of this machine's own, and the process that replaces a worker that dies."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0", silence_logs=logging.CRITICAL) as cluster,
        _processes(cluster.scheduler_address, jobs) as started,
        Client(cluster) as client,
    ):
        try:
            client.wait_for_workers(jobs, timeout=CONNECT * (1 + jobs))
        except TimeoutError as error:
            raise Failure(f"{jobs} worker processes did not start; their messages are in {_log()}") from error
        yield client, started


def _log() -> Path:
    """What the worker processes of this machine write."""
    return paths.cache() / "workers.log"


@contextmanager
def _processes(address: str, jobs: int):
    """Worker processes out of Ctrl-C's reach; whatever happens here, they are killed at the end."""
    command = [sys.executable, "-m", "dask", "worker", address, "--nworkers", str(jobs), "--nthreads", "1"]
    command += ["--no-dashboard", "--memory-limit", "0"]  # no limit: Dask would stop what the machine can still hold
    command += ["--death-timeout", str(CONNECT)]  # none lives on when this process is killed
    with _log().open("wb") as log, tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, "--local-directory", folder],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
