# SPDX-License-Identifier: MIT
"""Nothing that the comparison starts outlives it, however it ends: a watcher waits for it, and it waits for the watcher, so
that whichever of the two is left ends all that they had started."""
import ctypes
import os
import signal
import sys

from process import PR_SET_PDEATHSIG

PR_SET_CHILD_SUBREAPER = 36


def _prctl(option, value):
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0) != 0:
        raise OSError("prctl failed")


def end_with_parent(how=signal.SIGKILL):
    """Asks the system for this signal when the process that started this one ends."""
    _prctl(PR_SET_PDEATHSIG, int(how))


def family(pid):
    """A process and all that it and these have started, oldest first."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def end_descendants():
    """Ends what this process has started, and what it has adopted because its parent had ended."""
    while True:
        left = family(os.getpid())[1:]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, 0 if left else os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            if not left:
                return
        if not left:
            return


def _end(signal_number, frame):
    end_descendants()
    os._exit(128 + signal_number)


def follow():
    """In the process that starts the others: it ends with its watcher. Also behind an exec, which forgets this."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _end)
    end_with_parent(signal.SIGTERM)


def watched():
    """Returns in a new process; this one becomes its watcher, which ends with its exit status."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    watcher = os.getpid()
    child = os.fork()
    if child == 0:
        follow()
        if os.getppid() != watcher:
            os._exit(1)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child gets it, too, and says what it says
    status = os.waitpid(child, 0)[1]
    end_descendants()
    sys.exit(os.waitstatus_to_exitcode(status) % 256)
