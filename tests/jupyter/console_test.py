# SPDX-License-Identifier: GPL-3.0-or-later
"""jupyter console with the kernel in a pseudo-terminal: a picture, an answer, Tab, Ctrl-C, the end; tests/jupyter/run calls it."""
import os
import sys

import pexpect

SAMPLES = os.environ["PHISCOPE_SAMPLES"]


def main():
    p = pexpect.spawn(sys.executable, ["-m", "jupyter_console", "--kernel", "phiscope", "--simple-prompt"], encoding="utf-8", timeout=90,
                      dimensions=(40, 200), cwd=SAMPLES, env={**os.environ, "TERM": "xterm"})
    p.expect(r"In \[1\]")
    p.sendline(":load chart.png")
    p.expect("chart.png: PNG 640x480")
    p.expect(r"In \[2\]")
    p.sendline("What is the highest value?")
    p.expect("highest value is 64|64 for Tue|is 64")
    p.expect(r"In \[3\]")
    p.sendline(":info")
    p.expect("model    default")
    p.expect(r"In \[4\]")
    p.sendline(":nonsense")
    p.expect("unknown command :nonsense")
    p.expect(r"In \[\d\]")
    p.sendline("exit")
    p.expect(pexpect.EOF)
    print("ok 1 - jupyter console: picture, answer, error, end\n1..1")


if __name__ == "__main__":
    sys.exit(main())
