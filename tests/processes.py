"""What tests of several files see of processes, or do in them."""

import os
import signal
from pathlib import Path

import psutil


def listening(process):
    """The addresses on which a process and its descendants listen, of both versions of IP."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    sockets = [found for one in family for found in one.net_connections("inet")]
    return {found.laddr.ip for found in sockets if found.status == psutil.CONN_LISTEN}


def dies(how):
    """Kill the worker that this runs in: never, always, or once, when a file is not there yet."""
    if how == "always" or (how != "never" and not Path(how).exists()):
        if how != "always":
            Path(how).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return how
