# SPDX-License-Identifier: MIT
"""Phiscope, asked through the lines of a script as a person would type them: what it reports is the whole program's, from
the picture's file on. The program is named by the variable PHISCOPE."""
import json
import os
import subprocess
import sys
import time

import watcher
from worker import serve

PROGRAM, THREADS = os.environ["PHISCOPE"], sys.argv[1]
held = {}


def options(folder, type):
    return ["-m", folder, "--dtype", type, "--threads", THREADS, "--json", "--no-history", "--set", "cache_mib=0"]


def say(*lines):
    held["process"].stdin.write("".join(line + "\n" for line in lines))
    held["process"].stdin.flush()


def listen():
    line = held["process"].stdout.readline()
    answer = json.loads(line or '{"error": {"message": "it ended"}}')
    if "error" in answer:
        raise RuntimeError(answer["error"]["message"])
    return answer


def open_model(folder, type, cache):
    """Until it has answered a word."""
    close()
    start = time.perf_counter()
    held["options"] = options(folder, type)
    held["process"] = subprocess.Popen([PROGRAM, "script", *held["options"], "--set", "mode=cell", "-"], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=watcher.end_with_parent)
    say(":set max_new_tokens 1", "Hi")
    listen()
    return {"s": time.perf_counter() - start, "resident_bytes": memory("VmRSS")}


def close():
    if "process" in held:
        held["process"].stdin.close()
        held.pop("process").wait()


def memory(field):
    with open(f"/proc/{held['process'].pid}/status") as f:
        return next(1024 * int(line.split()[1]) for line in f if line.startswith(field + ":"))


def result(answer, seconds):
    """Of seconds on the clock, those behind the first token are the program's own word. gaps: of each token over the next
    probable one, in logarithms."""
    timing, ids = answer["timing"], answer["output_ids"]
    return {"first_s": seconds - timing["decode_s"], "vision_s": timing["vision_s"], "rest_s": timing["decode_s"],
            "n": len(ids), "ids": ids, "prompt_tokens": len(answer["input_ids"]),
            "gaps": [best[0][1] - best[1][1] for best in answer.get("top_logprobs", [])]}


def ask(lines, n):
    say(f":set max_new_tokens {n}")
    start = time.perf_counter()
    say(*lines)
    answer = listen()
    held["cell"] = answer["cell"]
    return result(answer, time.perf_counter() - start)


def picture(path, question, n):
    return ask([f":load {path}", question], n)


def again(question, n):
    """The cell's text is replaced, as one does with a question that was not quite the right one."""
    return ask([f":edit {held['cell']} {question}"], n) | {"reuse": "keys and values"}


def raw(prompt, n):
    """A whole prompt as it is, which only `ask` takes, so in a process of its own."""
    command = [PROGRAM, "ask", *held["options"], "--raw", "--max-new-tokens", str(n), prompt]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=watcher.end_with_parent)
    answer = json.loads(done.stdout or '{"error": {"message": "it ended"}}')
    if "error" in answer:
        raise RuntimeError(answer["error"]["message"])
    timing = answer["timing"]
    return result(answer, timing["prefill_s"] + timing["decode_s"])


if __name__ == "__main__":
    serve({"prepare": lambda folder, type, cache: {}, "open": open_model, "picture": picture, "again": again, "raw": raw,
           "peak": lambda: {"peak_bytes": memory("VmHWM")}})
    close()
