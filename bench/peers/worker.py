# SPDX-License-Identifier: MIT
"""A peer in a process of its own: one JSON command a line in, one JSON answer a line out. Commands and answers are those
of the functions that the *_worker.py files register."""
import json
import os
import subprocess
import sys


def serve(functions):
    """Runs on the peer's side until the input ends. What libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = functions[command.pop("do")](**command)
        except Exception as e:  # one failing row must not end the others
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), file=answers)


class Peer:
    """The other side."""

    def __init__(self, script, threads, log):
        env = os.environ | {"OMP_NUM_THREADS": str(threads)}
        self.name = script
        self.process = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), script), str(threads)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env)

    def __call__(self, do, **arguments):
        print(json.dumps({"do": do, **arguments}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended while it did {do}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}, {do}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()
