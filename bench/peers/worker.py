# SPDX-License-Identifier: MIT
"""A peer in a process of its own: one JSON command a line in, one JSON answer a line out. Commands and answers are those
of the functions that the *_worker.py files register. Workers of whole programs have these, each with seconds:
  prepare(folder, type, cache)   what a first use does once, kept in the folder `cache`: {}
  open(folder, type, cache)      {"s", "resident_bytes"}
  picture(path, question, n)     a new picture and n tokens of an answer: {"first_s", "vision_s" or null, "rest_s", "n",
                                 "ids", "prompt_tokens"}; first_s is to the first token, rest_s for the others
  again(question, n)             another question about it, with whatever the program reuses: the same, and "reuse"
  text(ids, n)                   a prompt of these tokens: {"first_s", "rest_s", "ids"}
  peak()                         {"peak_bytes"}, of all its processes
Answers are greedy and do not stop at end tokens."""
import json
import os
import subprocess
import sys

import watcher


def serve(functions):
    """Runs on the peer's side until the input ends. What libraries print goes to stderr."""
    watcher.end_with_parent()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = functions[command.pop("do")](**command)
        except Exception as e:  # one failing row must not end the others
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), file=answers)


def question_prompt(question):
    """The published form of a question about one picture."""
    return f"<|user|>\n<|image_1|>\n{question}<|end|>\n<|assistant|>\n"


class Peer:
    """The other side. Libraries keep what they keep under `home` and ask no server; more names variables of its own."""

    def __init__(self, script, threads, log, python=sys.executable, home=None, options=(), **more):
        env = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"} | more
        if home:
            env["HF_HOME"] = home
        self.name = script
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), script)
        self.process = subprocess.Popen([python, *options, path, str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, text=True, env=env)

    def __call__(self, do, **arguments):
        try:
            print(json.dumps({"do": do, **arguments}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.name} ended while it did {do}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}, {do}: {answer['error']}")
        return answer

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()
