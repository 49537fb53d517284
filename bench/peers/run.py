# SPDX-License-Identifier: MIT
"""The comparison itself; bench/peers/compare starts it with the peers installed."""
import argparse
import datetime
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys

import weights
from rows import HIGH_GBS, ROWS
from worker import Peer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def say(text):
    print("compare: " + text, file=sys.stderr, flush=True)


def warm(path):
    """Has the system hold a file: other processes may have pushed it out of memory."""
    with open(path, "rb") as f:
        while f.read(1 << 24):
            pass


class Ours:
    """Phiscope, which measures the machine around each of its samples; a process for each type, that takes cases line
    by line. A type is that of the weights ("q4"), or that and of keys and values ("q4/q8")."""

    def __init__(self, program, folder, work, threads):
        self.program, self.folders, self.work, self.threads = program, {"f32": folder}, work, threads
        self.processes = {}

    def folder(self, dtype):
        """Packed once, by `phiscope quantize`; f32 and bf16 compute from the published files."""
        if dtype in ("q8", "q4") and dtype not in self.folders:
            path = os.path.join(self.work, "ours-" + dtype)
            if not os.path.exists(os.path.join(path, "config.json")):
                say(f"packing our weights as {dtype}")
                subprocess.run([self.program, "quantize", "-m", self.folders["f32"], "--type", dtype, path], check=True)
            self.folders[dtype] = path
        return self.folders.get(dtype, self.folders["f32"])

    def command(self, dtype, repeat, cases):
        weights, _, kv = dtype.partition("/")
        return [self.program, "bench", "-m", self.folder(weights), "--dtype", weights, "--kv", kv or "auto", "--case", cases,
                "--json", "--threads", str(self.threads), "--repeat", str(repeat)]

    @staticmethod
    def answer(text):
        """The JSON object, unless it tells of an error."""
        answer = json.loads(text or "{}")
        if "cases" not in answer:
            raise RuntimeError("phiscope bench: " + answer.get("error", {}).get("message", "it ended"))
        return answer

    def bench(self, cases, dtype, repeat=1):
        """The cases' JSON, in order, with this many samples each."""
        key = dtype, repeat
        if key not in self.processes:
            self.close()  # one model in memory at a time
            self.processes[key] = subprocess.Popen(self.command(dtype, repeat, "-"), stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        process = self.processes[key]
        print(cases, file=process.stdin, flush=True)
        return self.answer(process.stdout.readline())

    def start(self, dtype):
        """From a new process to the first token, the file in memory already."""
        warm(os.path.join(self.folder(dtype), "model.safetensors"))
        return self.apart("start", dtype)

    def apart(self, case, dtype):
        """A case that wants a process of its own."""
        done = subprocess.run(self.command(dtype, 1, case), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self.answer(done.stdout)["cases"][0]

    def case(self, case, dtype):
        cases = self.bench(case, dtype)["cases"]
        if not cases:
            raise RuntimeError(f"{case} was left out: it needs more memory")
        return cases[0]

    def limits(self):
        """By whichever process runs, or a new one."""
        dtype, repeat = next(iter(self.processes), ("f32", 1))
        return self.bench("limits", dtype, repeat)["limits"]

    def close(self):
        for process in self.processes.values():
            process.stdin.close()
            process.wait()
        self.processes.clear()


class Peers:
    """Workers, started when a row first needs them, and opened on what it needs."""

    def __init__(self, files, folder, threads):
        self.files, self.folder, self.threads, self.workers, self.opened = files, folder, threads, {}, {}
        self.log = open(os.devnull, "w")

    def worker(self, script):
        if script not in self.workers:
            self.workers[script] = Peer(script, self.threads, self.log)
        return self.workers[script]

    def _open(self, script, do, **arguments):
        key = (script, do)
        if self.opened.get(key) != arguments:
            self.worker(script)(do, **arguments)
            self.opened[key] = arguments
        return self.worker(script)

    def llama(self, kind):
        return self._open("llama_worker.py", "open", path=self.files[kind])

    def llama_start(self, kind):
        """In a new process, the file in memory already."""
        self.close("llama_worker.py")
        warm(self.files[kind])
        return self.worker("llama_worker.py")("open", path=self.files[kind])

    def llama_tower(self):
        return self._open("llama_worker.py", "open_tower", tower=self.files["tower"], stub=self.files["stub"])

    def openvino_tower(self, batch):
        return self._open("openvino_worker.py", "open_tower", folder=self.folder, batch=batch)

    def openvino_products(self, rows):
        return self._open("openvino_worker.py", "open_products", folder=self.folder, rows=rows, layers=4)

    def onnx_products(self, rows):
        return self._open("onnx_worker.py", "open_products", folder=self.folder, rows=rows, layers=4)

    def close(self, script=None):
        for name in [script] if script else list(self.workers):
            if name in self.workers:
                self.workers.pop(name).close()
            self.opened = {k: v for k, v in self.opened.items() if k[0] != name}


def alternate(row, ours, peers, pairs):
    """ABAB…: ours, then the peer under each of its settings, all between probes."""
    samples = []
    limits = ours.limits()
    for i in range(pairs):
        say(f"{row.name}: pair {i + 1} of {pairs}")
        sample = {"ours": row.ours(ours), "peer": {}}
        sample["ours_s"] = row.seconds(sample["ours"])
        for setting, measure in row.peer.items():
            before = ours.limits() if i or sample["peer"] else limits
            answer = measure(peers)
            sample["peer"][setting] = {**answer, "before": before, "after": ours.limits()}
        samples.append(sample)
    return samples


def summarize(row, samples):
    """Medians over pairs: the peer's time over ours (rows where less is better: ours over the peer's)."""
    ratios = {}
    for setting in samples[0]["peer"]:
        each = [row.work_ratio * s["peer"][setting]["s"] / s["ours_s"] for s in samples]
        ratios[setting] = statistics.median(each)
    better = min(ratios, key=ratios.get)  # the peer's better setting is the one we lead by less
    value = ratios[row.against or better]
    return {"ratios": {k: 1 / v if row.less else v for k, v in ratios.items()}, "setting": row.against or better,
            "value": 1 / value if row.less else value}


def run_row(row, ours, peers, pairs):
    if row.peer:
        samples = alternate(row, ours, peers, pairs)
        return {**summarize(row, samples), "pairs": samples}
    value, cases = row.alone(ours, pairs)
    return {"value": value, "cases": cases}


def goals(row, result):
    """At least, aim: of the mode of bandwidth that was measured around the cases."""
    gbs = [(c["read_gbs_before"] + c["read_gbs_after"]) / 2 for c in result.get("cases", [])]
    return row.goal_high if row.goal_high and statistics.median(gbs) > HIGH_GBS else row.goal


def verdict(row, value, goal, aim):
    better = (lambda a, b: a <= b) if row.less else (lambda a, b: a >= b)
    return "aim" if better(value, aim) else "goal" if better(value, goal) else "missed"


def load(path):
    try:
        with open(path) as f:
            return json.load(f)
    except FileNotFoundError:
        return {"rows": {}}


def store(path, results):
    with open(path + ".part", "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    os.replace(path + ".part", path)


def print_table(results):
    """The rows as Markdown, for docs/speed.md."""
    print("| | at least | aim | measured | pairs or samples | |\n|---|---|---|---|---|---|")
    for name in ROWS:
        row = results["rows"].get(name)
        if not row:
            continue
        n = len(row.get("pairs", [])) or max(len(row["cases"]) // 2, len(row["cases"][0]["samples"]))
        settings = ", ".join(f"{k} {v:.2f}" for k, v in row.get("ratios", {}).items() if len(row["ratios"]) > 1)
        value = f"**{row['value']:.3g}**" + (f" ({settings})" if settings else "")
        reached = verdict(ROWS[name], row["value"], row["goal"], row["aim"])
        print(f"| {row['title']} | {row['goal']:g} | {row['aim']:g} | {value} | {n} | {reached} |")


def head(ours, args):
    answer = ours.bench("limits", "f32")
    versions = {p: importlib.metadata.version(p) for p in ("llama-cpp-python", "openvino", "onnxruntime")}
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout
    return {"date": datetime.date.today().isoformat(), "command": "bench/peers/compare", "cpu": answer["cpu"],
            "threads": args.threads, "commit": commit.strip(), "peers": versions, "limits": answer["limits"]}


def options():
    p = argparse.ArgumentParser(prog="compare")
    p.add_argument("--work", required=True)
    p.add_argument("--model", help="a bf16 folder of full size; made when not given")
    p.add_argument("--program", default=os.path.join(ROOT, "build", "repl", "phiscope"))
    p.add_argument("--rows", default=",".join(ROWS))
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--out", help="JSON with the raw figures; rows of an earlier run stay")
    p.add_argument("--setup", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--table", action="store_true", help="prints the rows that --out holds")
    return p.parse_args()


def main():
    args = options()
    if args.list:
        for name, row in ROWS.items():
            print(f"{name:18} {row.title}")
        return 0
    out = args.out or os.path.join(args.work, "results.json")
    if args.table:
        print_table(load(out))
        return 0
    names = args.rows.split(",")
    unknown = [n for n in names if n not in ROWS]
    if unknown:
        sys.exit(f"compare: no row {', '.join(unknown)}: --list names them")
    folder = args.model or os.path.join(args.work, "weights")
    if not args.model and not os.path.exists(os.path.join(folder, "model.safetensors")):
        say("writing pseudo-random weights (8.3 GB)")
        weights.write_folder(folder)
    import llama_files
    files = llama_files.make_all(weights.Folder(folder), args.work, say)
    ours = Ours(args.program, folder, args.work, args.threads)
    if args.setup:
        return 0
    peers = Peers(files, folder, args.threads)
    results = load(out)
    results.update(head(ours, args))
    for name in names:
        row = ROWS[name]
        try:
            result = run_row(row, ours, peers, args.pairs)
        except (RuntimeError, subprocess.CalledProcessError) as e:
            say(f"{name}: left out: {e}")
            continue
        goal, aim = goals(row, result)
        result |= {"title": row.title, "goal": goal, "aim": aim, "less_is_better": row.less}
        results["rows"][name] = result
        store(out, results)
        print(f"{name:18} {result['value']:8.3f}  at least {goal:g}, aim {aim:g}: "
              f"{verdict(row, result['value'], goal, aim):6}  {row.title}"
              + (f" ({', '.join(f'{k} {v:.2f}' for k, v in result['ratios'].items())})" if row.peer else ""), flush=True)
        peers.close()
    ours.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
