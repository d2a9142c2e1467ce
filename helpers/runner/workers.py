"""Independent calls at the same time: in processes of this machine, or on a Dask cluster.

What this machine starts listens on 127.0.0.1 alone, and ends with the process that started it:
Dask's workers watch a pipe from their parent.
"""

import logging
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from dask.system import CPU_COUNT
from distributed import Client, KilledWorker, LocalCluster, get_worker
from distributed.comm import get_address_host

from helpers import paths
from helpers.errors import Failure, Refusal
from helpers.runner.terminal import Events, Terminal

LOCAL, LOG = "127.0.0.1", "workers.log"  # what workers of this machine write, in the cache
POLL = 0.3  # seconds between two looks at the calls
CONNECT = 10  # seconds that a scheduler has to answer
PATIENCE = 60  # seconds until worker processes of this machine must have been replaced
WORKER = "dask worker {} --nworkers 2 --nthreads 1"
GONE = "the Dask scheduler is gone; finished epochs are kept: start it again, and the same command "
GONE += "goes on from there"


class WorkerPool:
    """Workers that share a function's calls; a call whose worker dies is made again on another.

    client: of Dask; folder: for the calls' progress, on a disk that every worker shares; local:
    whether the workers are this machine's own.
    """

    def __init__(self, client: Client, folder: Path, terminal: Terminal, local: bool = False):
        self.client, self.folder, self.terminal, self.local = client, folder, terminal, local

    def run(
        self, function: Callable, items: Iterable, name: Callable[[Any], str] = str
    ) -> Iterator[tuple[Any, Any]]:
        """(item, function(item)) for every item, in the order in which they end.

        name: what people call an item. One that fails stops none of the others: Failure names it
        once they are done. Raises Refusal when a worker cannot be used as it was started.
        """
        waiting, failures, running = list(items)[::-1], [], dict[Any, tuple[Any, Events]]()
        total = len(waiting)
        while waiting or running:
            hosts = self._hosts()
            while waiting and len(running) < len(hosts):  # none queues behind a fatal one
                item = waiting.pop()
                events = Events(self.folder / f"{uuid4()}.jsonl", name(item))
                given = (function, item, events.file, paths.cache(), hosts)
                running[self.client.submit(_call, *given, pure=False)] = (item, events)
            time.sleep(POLL)
            followed = [events for _, events in running.values()]
            done = total - len(running) - len(waiting)
            self.terminal.follow(followed, "start waiting", done, total)
            for future in [future for future in running if future.done()]:
                item, _ = running.pop(future)  # with the last reference its result leaves Dask
                if future.status == "cancelled":
                    raise Failure(GONE)
                error = future.exception()
                if error is None:
                    yield item, future.result()
                    continue
                if isinstance(error, Refusal):
                    raise error
                why = f"{type(error).__name__}: {error}"
                if isinstance(error, KilledWorker):
                    died = f"{error.allowed_failures + 1} workers died of it"
                    why = f"{died}, perhaps for want of memory"
                failures.append(f"{name(item)}: FAILED ({why})")
                self.terminal.line(failures[-1])
        if failures:
            summary = f"{len(failures)} of {total} failed; the others are done"
            raise Failure("\n  ".join([summary, *failures]))

    def _hosts(self) -> list[str]:
        """The machine of each worker; waits for one, and says so. Failure when none will come."""
        try:
            if not self.client.nthreads():
                if not self.local and (scheduler := self.client.scheduler):
                    self.terminal.line(f"waiting for workers: {WORKER.format(scheduler.address)}")
                self.client.wait_for_workers(1, timeout=PATIENCE if self.local else None)
            return [get_address_host(address) for address in self.client.nthreads()]
        except OSError as error:
            ended = f"the worker processes have ended; see {paths.cache() / LOG}"
            raise Failure(ended if self.local else GONE) from error


def _call(function: Callable, item: Any, progress: Path, cache: Path, hosts: list[str]) -> Any:
    """Call the function in a worker, with the folders of the one who asked.

    hosts: the machine of each worker; those on one machine divide its cores.
    """
    worker = get_worker()
    if (threads := worker.state.nthreads) != 1:
        how = f"trains one model at a time: start it with {WORKER.format(worker.scheduler.address)}"
        raise Refusal(f"the worker {worker.address} has {threads} threads, but {how}")
    try:
        progress.touch()
    except OSError as error:
        hint = "name a folder that all machines share in HELPERS_CACHE"
        raise Refusal(f"{worker.address} cannot write to {cache} ({error}): {hint}") from error
    os.environ.update(HELPERS_CACHE=str(cache), HELPERS_PROGRESS=str(progress))
    neighbours = max(1, hosts.count(get_address_host(worker.address)))
    os.environ.setdefault("HELPERS_THREADS", str(max(1, CPU_COUNT // neighbours)))
    return function(item)


@contextmanager
def workers(
    jobs: int, scheduler: str | None = None, terminal: Terminal | None = None
) -> Iterator[WorkerPool]:
    """A WorkerPool of `jobs` processes of this machine, or of the workers of a Dask scheduler.

    When something goes wrong, Ctrl-C included, no process of this machine goes on. On a cluster
    what has not started is cancelled, and a training ends with its epoch: its next event finds the
    progress folder gone. Raises Refusal when no scheduler answers.
    """
    terminal = terminal or Terminal()
    place = _cluster(scheduler) if scheduler else _this_machine(jobs)
    with place as client, _progress() as folder:
        try:
            yield WorkerPool(client, folder, terminal, local=not scheduler)
        finally:
            terminal.close()


@contextmanager
def _progress() -> Iterator[Path]:
    """A folder for progress in the cache, without those that killed processes have left there."""
    mine = f"progress-{socket.gethostname()}-"
    paths.cache().mkdir(parents=True, exist_ok=True)
    for left in paths.cache().glob(f"{mine}*"):
        if not psutil.pid_exists(int(left.name.split("-")[-2])):
            shutil.rmtree(left, ignore_errors=True)
    options: dict[str, Any] = {"dir": paths.cache(), "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(prefix=f"{mine}{os.getpid()}-", **options) as folder:
        yield Path(folder)


def _cluster(address: str) -> Client:
    """A client of the scheduler at the address."""
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it says is said here
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError, TypeError) as error:  # the last: of TLS without a certificate
        how = f"start one with 'dask scheduler', then workers with '{WORKER.format(address)}'"
        raise Refusal(f"no Dask scheduler answers at {address} ({error}): {how}") from error
    try:
        client.run(import_module, __name__)
    except ImportError as error:
        client.close()
        hint = "install the same code there"
        raise Refusal(f"a worker cannot import what it is to run ({error}): {hint}") from error
    return client


@contextmanager
def _this_machine(jobs: int) -> Iterator[Client]:
    """A client of a cluster of this machine's own, whose nannies replace workers that die."""
    log = paths.cache() / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    cluster = LocalCluster(
        n_workers=jobs, threads_per_worker=1, silence_logs=logging.CRITICAL,
        host=LOCAL, dashboard_address=f"{LOCAL}:0",  # None would take port 8787
        memory_limit=0,  # Dask would stop what the machine can still hold
    )  # fmt: skip
    with cluster, Client(cluster) as client:
        client.register_worker_callbacks(partial(_step_aside, log))
        yield client


def _step_aside(log: Path) -> None:
    """Keep a worker's process out of Ctrl-C's reach, and its messages off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
