"""A sweep trains every point of a grid once, whatever happens to its workers."""

import io
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import dask
import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster
from processes import dies, listening

from helpers import paths, provenance
from helpers.config import model_config
from helpers.errors import Failure, Refusal
from helpers.evidence import tables
from helpers.runner import workers
from helpers.runner.sweep import configurations, parse_grid, sweep
from helpers.runner.terminal import Terminal
from helpers.runner.workers import WorkerPool

EPOCHS, DIMENSIONS = 6, [3, 4, 5]


def quiet():
    return Terminal(io.StringIO())


def wait_until(happened, process=None):
    """Look until something has happened, as long as the process that is to do it lives."""
    end = time.monotonic() + 600
    while not happened():
        assert time.monotonic() < end and (process is None or process.poll() is None)
        time.sleep(0.02)


def test_grids():
    assert parse_grid(["seed=0..2", "model=baseline,1-D"]) == {
        "seed": [0, 1, 2],
        "model": ["baseline", "1-D"],
    }
    assert parse_grid(["n_train=None,-5", "seed=0,3..4"]) == {
        "n_train": [None, -5],
        "seed": [0, 3, 4],
    }
    configs = configurations({"model": ["baseline"], "seed": [0, 1], "latent_dim": [3]}, "smoke")
    assert configs == [
        model_config("baseline", profile="smoke", seed=seed, latent_dim=3) for seed in (0, 1)
    ]
    assert configurations({"seed": [5]}, "original") == [
        model_config("baseline", profile="original", seed=5)
    ]


def test_none_takes_the_place_of_what_a_profile_sets():
    (config,) = configurations({"model": ["dense"], "n_train": [None]}, "smoke")
    assert config.n_train is None and model_config("dense", profile="smoke").n_train is not None


def test_what_a_grid_names_twice_is_one_configuration():
    configs = configurations(
        {"model": ["baseline", "1-D"], "latent_dim": [1, 2], "seed": [0, 0]}, "smoke"
    )
    assert [config.latent_dim for config in configs] == [1, 2]


@pytest.mark.parametrize("point", ["seed", "seed=", "=3", "seed=2..1", "seed=0..99999999999"])
def test_a_point_that_is_no_grid_is_refused(point):
    with pytest.raises(ValueError):
        parse_grid([point])


def test_a_name_given_twice_is_refused():
    with pytest.raises(ValueError, match="seed is given twice"):
        parse_grid(["seed=1", "seed=2"])


@pytest.mark.parametrize(
    "grid", [{"model": [[]]}, {"epochs": [[]]}, {"seed": [0.5]}, {"colour": [1]}]
)
def test_what_no_configuration_can_be_is_refused(grid):
    with pytest.raises(ValueError, match="model|epochs|seed|field"):
        configurations(grid, "smoke")


def test_a_grid_of_too_many_combinations_is_refused():
    with pytest.raises(ValueError, match="more than 10,000"):
        configurations({"seed": list(range(200)), "latent_dim": list(range(1, 101))}, "smoke")


@pytest.fixture
def committed(monkeypatch):
    """The code as if it were that of a commit."""
    about = provenance.about()
    monkeypatch.setattr(
        provenance, "about", lambda measuring=False: about | {"commit": "0123456789"}
    )


def test_a_sweep_writes_a_tidy_table_and_continues_from_it(tmp_path, own_cache):
    grid = {"model": ["dense"], "n_train": [300], "epochs": [2]}
    table, told = tmp_path / "table.csv", io.StringIO()
    options = {"trial": True, "terminal": Terminal(told)}
    sweep(configurations(grid | {"latent_dim": [1, 2]}, "smoke"), table, jobs=2, **options)
    rows = tables.read(table)
    found = rows.sort_values(["latent_dim", "epoch"])[["latent_dim", "epoch"]].to_numpy().tolist()
    assert found == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert np.allclose(rows["training_loss"], rows["rate"] + rows["distortion"], atol=0.01)
    assert rows["dataset"].eq("mnist").all() and rows["keras"].notna().all()
    lines = told.getvalue().splitlines()
    assert lines[0] == "2 trainings, 2 at a time" and lines[-1].startswith("[2/2] ")
    assert "dense 1-D: training for 2 epochs" in lines
    sweep(configurations(grid | {"seed": [0, 1]}, "smoke"), table, **options)
    after = tables.read(table).set_index(["model", "seed", "epoch"])
    before = rows.set_index(["model", "seed", "epoch"])
    assert len(after) == 6 and after.loc[before.index].equals(before)  # the seconds too
    assert not list(own_cache.glob("progress-*"))
    shutil.rmtree(own_cache / "models")
    said = len(told.getvalue())
    sweep(configurations(grid | {"seed": [0, 1, 2]}, "smoke"), table, **options)  # elsewhere
    assert told.getvalue()[said:].startswith(f"2 of 3 trainings are in {table} already\n1 training")
    assert len(list((own_cache / "models").glob("*/run.json"))) == 1


def test_code_that_is_not_committed_is_refused_unless_it_is_a_trial(tmp_path, monkeypatch):
    about = provenance.about()
    for commit in ("0123456789+", "unknown"):
        monkeypatch.setattr(provenance, "about", lambda commit=commit: about | {"commit": commit})
        with pytest.raises(Refusal, match="git commit.*--trial"):
            sweep(configurations({}, "smoke"), tmp_path / "table.csv")


def test_a_table_of_the_other_kind_is_refused(tmp_path, committed):
    about = {"model": "baseline", "val_loss": 1.0} | model_config("baseline").as_dict()
    tables.merge(tmp_path / "table.csv", [about | provenance.about()])
    with pytest.raises(Refusal, match="holds measures of trainings, not courses"):
        sweep(configurations({}, "smoke"), tmp_path / "table.csv")


@pytest.fixture
def start_sweep(tmp_path):
    """Start a sweep in a process of its own, as from a terminal."""
    processes = []

    def start(*options):
        table = str(tmp_path / "table.csv")
        command = [
            sys.executable,
            "-m",
            "helpers",
            "sweep",
            "--trial",
            "--profile",
            "smoke",
            "--table",
            table,
        ]
        processes.append(
            subprocess.Popen([*command, *options], cwd=paths.ROOT, start_new_session=True)
        )
        return processes[-1]

    yield start
    for process in processes:
        process.terminate()
        process.wait()


def press_ctrl_c(process):
    """Interrupt as a terminal does; the exit status."""
    os.killpg(process.pid, signal.SIGINT)
    return process.wait(timeout=60)


LONG = ("model=dense", "n_train=300", "epochs=5000", "seed=0..3", "--jobs", "2")


def is_training(cache):
    """Whether a sweep's workers are in the middle of their trainings."""
    log = cache / "workers.log"
    return log.exists() and log.read_text().count("dense: epoch ") > 4


def test_ctrl_c_ends_a_sweep_and_all_its_workers(own_cache, start_sweep):
    process = start_sweep(*LONG)
    wait_until(lambda: is_training(own_cache), process)
    assert listening(process) == {"127.0.0.1"}
    family = psutil.Process(process.pid).children(recursive=True)
    assert press_ctrl_c(process) == 130
    assert len(family) > 2 and not psutil.wait_procs(family, timeout=5)[1]
    assert not list(own_cache.glob("progress-*"))


def test_no_worker_survives_a_killed_sweep_and_the_next_one_tidies_up(own_cache, start_sweep):
    process = start_sweep(*LONG)
    wait_until(lambda: is_training(own_cache), process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert len(family) > 2 and not psutil.wait_procs(family, timeout=5)[1]
    assert len(list(own_cache.glob("progress-*"))) == 1
    process.wait()
    with workers._progress() as folder:
        assert list(own_cache.glob("progress-*")) == [folder]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "127.0.0.1"])
def test_a_socket_that_others_can_reach_would_be_noticed(address):
    code = f"""
import socket, sys
family = socket.AF_INET6 if ":" in {address!r} else socket.AF_INET
with socket.create_server(({address!r}, 0), family=family): print(flush=True); sys.stdin.read()
"""
    shell = (
        f"{sys.executable} -c {shlex.quote(code)}; :"  # a child of the process that is looked at
    )
    with subprocess.Popen(
        ["sh", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        assert listening(process) == {address}


def test_a_worker_of_this_machine_that_dies_is_replaced(own_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT / "tests"))  # the workers import `dies`
    once, told = str(tmp_path / "once"), io.StringIO()
    few = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    failed = "1 of 2 failed.*\n  always: FAILED .2 workers died of it"
    with few, workers.workers(2, terminal=Terminal(told)) as pool:
        assert dict(pool.run(dies, [once, "never"])) == {once: once, "never": "never"}
        with pytest.raises(Failure, match=failed):
            list(pool.run(dies, ["always", "never"]))
    assert "always: FAILED" in told.getvalue() and "never: FAILED" not in told.getvalue()


@contextmanager
def in_this_process(threads, workers=1):
    """A client of a cluster whose worker is a thread, or more, of this process."""
    options = {
        "n_workers": workers,
        "threads_per_worker": threads,
        "dashboard_address": "127.0.0.1:0",
    }
    with LocalCluster(processes=False, **options) as cluster, Client(cluster) as client:
        yield client


def test_a_cluster_without_workers_is_waited_for(tmp_path):
    told = io.StringIO()
    with in_this_process(1, workers=0) as client:
        threading.Timer(0.5, client.cluster.scale, [1]).start()
        assert list(WorkerPool(client, tmp_path, Terminal(told)).run(int, ["7"])) == [("7", 7)]
    assert told.getvalue().count("waiting for workers: dask worker") == 1


def test_a_call_that_fails_stops_no_other(tmp_path):
    ended = []
    with (
        in_this_process(1) as client,
        pytest.raises(Failure, match="1 of 3 failed.*\n.*two: FAILED .ValueError"),
    ):
        for _, result in WorkerPool(client, tmp_path, quiet()).run(int, ["1", "two", "3"]):
            ended.append(result)
    assert ended == [1, 3]


def test_a_worker_with_several_threads_is_refused_and_so_is_one_that_does_not_share_the_folder(
    tmp_path,
):
    with in_this_process(2) as client, pytest.raises(Refusal, match="2 threads.*--nthreads 1"):
        list(WorkerPool(client, tmp_path, quiet()).run(int, ["1"]))
    with in_this_process(1) as client, pytest.raises(Refusal, match="cannot write.*HELPERS_CACHE"):
        list(WorkerPool(client, tmp_path / "elsewhere", quiet()).run(int, ["1"]))


def test_an_address_where_no_scheduler_answers_is_refused(own_cache, monkeypatch):
    monkeypatch.setattr(workers, "CONNECT", 1)
    for address, match in {
        "tcp://127.0.0.1:1": "no Dask scheduler answers at tcp://127.0.0.1:1",
        "nowhere": "port",
        "tls://127.0.0.1:1": "TLS configuration",
    }.items():
        with pytest.raises(Refusal, match=match), workers.workers(1, address):
            raise AssertionError("there is no pool")


def first_byte(address, cert, with_key):
    """What a scheduler first says to who knows its certificate, with the key to it or without."""
    context = ssl.create_default_context(cafile=cert)
    context.check_hostname = False
    if with_key:
        context.load_cert_chain(cert, cert.with_name("key.pem"))
    with socket.create_connection(address, timeout=20) as plain:
        try:
            with context.wrap_socket(plain) as wrapped:
                return wrapped.recv(1)
        except (ssl.SSLError, ConnectionError):
            return b""


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl")
def test_the_tls_of_readme_lets_in_who_has_the_key_alone(tmp_path):
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```\n(openssl .*?)\n```", readme, re.S)[1]
    make, *settings, scheduler, worker, sweep = block.splitlines()
    assert sweep.endswith("--scheduler tls://HOST:8786")
    subprocess.run(["bash", "-ec", f"{make} 2> log"], cwd=tmp_path, check=True)
    log, started = tmp_path / "log", []

    def shell(command, **options):
        """A command with the settings of the block."""
        lines = [*settings, f"exec {command.replace('dask', f'{sys.executable} -m dask', 1)}"]
        return subprocess.Popen(["bash", "-ec", "\n".join(lines)], cwd=tmp_path, **options)

    try:
        with log.open("wb") as out:
            own = f"{scheduler.replace(':8787', ':0')} --host 127.0.0.1 --port 0"
            started.append(shell(own, stdout=out, stderr=subprocess.STDOUT))
        wait_until(lambda: "Scheduler at:" in log.read_text())
        address = re.search(r"Scheduler at: +(tls://\S+)", log.read_text())[1]
        started.append(shell(worker.replace("tls://HOST:8786", address), stderr=subprocess.DEVNULL))
        code = "from distributed import Client; import sys; "
        code += "print(Client(sys.argv[1]).submit(sum, [40, 2]).result(timeout=60))"
        ask = [sys.executable, "-c", code, address]
        answer = shell(shlex.join(ask), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert answer.communicate()[0].strip() == b"42"
        host, port = address.removeprefix("tls://").split(":")
        assert first_byte((host, int(port)), tmp_path / "cert.pem", with_key=True)
        assert not first_byte((host, int(port)), tmp_path / "cert.pem", with_key=False)
    finally:
        for process in started:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
            process.wait()


class Cluster:
    """A scheduler and workers of one thread as a person starts them; nothing replaces them."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"
        )
        wait_until(lambda: "Scheduler at:" in self.log(0))
        self.address = re.search(r"Scheduler at: +(\S+)", self.log(0))[1]
        self.workers = [
            self._start(
                "worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny"
            )
            for _ in range(2)
        ]

    def _start(self, *command):
        folder = self.folder / str(len(self.processes))
        folder.mkdir()
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "dask", *command]
            path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(paths.ROOT)]))
            options = {"cwd": folder, "env": os.environ | {"PYTHONPATH": path}, "stdout": log}
            self.processes.append(subprocess.Popen(command, **options, stderr=subprocess.STDOUT))
        return self.processes[-1]

    def log(self, number):
        """What a process wrote: 0 is the scheduler."""
        return (self.folder / str(number) / "log").read_text()

    def trained(self):
        """How often each epoch of each model was finished."""
        return Counter(
            re.findall(r"^(dense.*): epoch (\d+)/", self.log(1) + self.log(2), re.MULTILINE)
        )

    def is_free(self):
        """Whether no worker has anything to do."""
        with Client(self.address) as client:
            return not any(client.call_stack().values())


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    yield cluster
    for process in cluster.processes:
        process.kill()
        process.wait()


@pytest.fixture
def without_package(tmp_path, monkeypatch):
    """Processes that start cannot import this package."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "helpers.py").write_text("raise ImportError('there is none')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))


def test_workers_without_this_package_are_refused(own_cache, without_package, cluster):
    with Client(cluster.address) as client:
        client.wait_for_workers(2, timeout=60)
    with (
        pytest.raises(Refusal, match="cannot import.*install the same code"),
        workers.workers(1, cluster.address),
    ):
        raise AssertionError("there is no pool")


def test_a_scheduler_that_dies_ends_the_work_with_a_word(own_cache, cluster):
    with (
        workers.workers(1, cluster.address, quiet()) as pool,
        pytest.raises(Failure, match="scheduler is gone.*kept"),
    ):
        for _ in pool.run(time.sleep, [0, 60]):
            cluster.scheduler.kill()


def test_a_sweep_on_a_cluster_that_is_stopped_continued_and_loses_a_worker_trains_every_epoch_once(
    own_cache, tmp_path, cluster, start_sweep, monkeypatch
):
    configs = configurations(
        {"model": ["dense"], "latent_dim": DIMENSIONS, "n_train": [300], "epochs": [EPOCHS]},
        "smoke",
    )
    grid = [
        "model=dense",
        "latent_dim=" + ",".join(map(str, DIMENSIONS)),
        "n_train=300",
        f"epochs={EPOCHS}",
    ]
    process = start_sweep(*grid, "--scheduler", cluster.address)
    wait_until(lambda: all("epoch 2/" in cluster.log(number) for number in (1, 2)), process)
    assert press_ctrl_c(process) == 130
    wait_until(cluster.is_free)
    before = cluster.trained()
    assert 4 <= before.total() < len(configs) * EPOCHS

    killer = threading.Thread(target=kill_in_training, args=(cluster,))
    killer.start()
    sweep(configs, tmp_path / "table.csv", scheduler=cluster.address, terminal=quiet(), trial=True)
    killer.join()
    every = {(config.label, str(epoch + 1)) for config in configs for epoch in range(EPOCHS)}
    assert set(cluster.trained().values()) == {1}
    assert (
        len(every - set(cluster.trained())) <= 3
    )  # what was kept, but the stop or the kill came before its line
    killed = re.findall(r"^(dense.*): epoch", cluster.log(1), re.MULTILINE)[-1]
    assert f"{killed}: training for {EPOCHS} epochs, resumed after epoch" in cluster.log(2)
    assert len(tables.read(tmp_path / "table.csv")) == len(every)

    ended = [outcome(config) for config in configs]
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "calm"))
    for (history, weights), config in zip(ended, configs, strict=True):
        calm_history, calm_weights = outcome(config)
        assert history == calm_history
        assert all(map(np.array_equal, weights, calm_weights))


def outcome(config):
    """The history, without the seconds, and the weights of a trained model."""
    from helpers.training import (
        fit_or_load,  # not above: workers that import `dies` need no TensorFlow
    )

    run = fit_or_load(config)
    return {k: v for k, v in run.history.items() if k != "seconds"}, run.model.get_weights()


def kill_in_training(cluster):
    """Kill the first worker when it goes on to train."""
    lines = cluster.log(1).count(": epoch ")
    wait_until(lambda: cluster.log(1).count(": epoch ") > lines)
    cluster.workers[0].kill()
