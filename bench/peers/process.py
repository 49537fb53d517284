# SPDX-License-Identifier: MIT
"""What a worker knows of its own process, and how it starts another one that cannot outlive it."""
import ctypes
import signal
import subprocess

PR_SET_PDEATHSIG = 1


def _bytes(field):
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def resident():
    """Bytes of this process in memory, mapped files included."""
    return _bytes("VmRSS")


def peak():
    """The most of them so far."""
    return {"peak_bytes": _bytes("VmHWM")}


def run(args, **more):
    """subprocess.run of a program that the system kills when this process ends, however it ends."""
    libc = ctypes.CDLL(None)
    done = subprocess.run(args, preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), **more)
    if done.returncode:
        raise RuntimeError(f"{args[0]} ended with {done.returncode}")
