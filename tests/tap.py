# SPDX-License-Identifier: MIT
"""Imported by tests in Python that print TAP."""
import sys

n_tests = n_failed = 0


def ok(good, name, *details):
    """One case; the details are printed when it has failed."""
    global n_tests, n_failed
    n_tests += 1
    n_failed += not good
    for detail in () if good else details:
        note(detail)
    print(f"{'ok' if good else 'not ok'} {n_tests} - {name}", flush=True)


def note(text):
    print("# " + str(text).replace("\n", "\n# "), flush=True)


def skip_all(reason):
    """No case can be tried here; ends the script."""
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def end():
    """Prints the plan and ends the script."""
    print(f"1..{n_tests}")
    sys.exit(n_failed > 0)
