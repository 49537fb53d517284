# SPDX-License-Identifier: MIT
"""The comparison itself; bench/peers/compare starts it with the peers installed."""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys

import places
import visits
import watcher
import weights
from rows import HIGH_GBS, PARTS, PROGRAMS, ROWS, WHOLE
from worker import Peer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def say(text):
    print("compare: " + text, file=sys.stderr, flush=True)


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
        places.warm(self.folder(dtype))
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

    def __init__(self, work, folder, threads):
        self.work, self.folder, self.threads, self.workers, self.opened = work, folder, threads, {}, {}

    def worker(self, script):
        if script not in self.workers:
            name = script.removesuffix("_worker.py")
            python = places.environment(self.work, name)
            log = open(os.path.join(self.work, name + ".log"), "w")
            self.workers[script] = Peer(script, self.threads, log, python)
        return self.workers[script]

    def files(self):
        """llama.cpp's formats of the weights, made on the first call."""
        return self.worker("llama_worker.py")("prepare", folder=self.folder, work=self.work)

    def _open(self, script, do, **arguments):
        key = (script, do)
        if self.opened.get(key) != arguments:
            self.worker(script)(do, **arguments)
            self.opened[key] = arguments
        return self.worker(script)

    def llama(self, kind):
        return self._open("llama_worker.py", "open", path=self.files()[kind])

    def llama_start(self, kind):
        """In a new process, the file in memory already."""
        path = self.files()[kind]
        places.warm(path)
        self.close("llama_worker.py")
        return self.worker("llama_worker.py")("open", path=path)

    def llama_tower(self):
        files = self.files()
        return self._open("llama_worker.py", "open_tower", tower=files["tower"], stub=files["stub"])

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


def finish(name, row, goal, result, results):
    """Adds a row to the results and prints it."""
    least, aim = goal or (None, None)
    results["rows"][name] = {**result, "title": row.title, "goal": least, "aim": aim, "less_is_better": row.less}
    reached = f"at least {least:g}, aim {aim:g}: {verdict(row, result['value'], least, aim):6}" if goal else "no goal"
    settings = ", ".join(f"{k} {v:.2f}" for k, v in result.get("ratios", {}).items())
    print(f"{name:18} {result['value']:8.3f}  {reached}  {row.title}" + (f" ({settings})" if settings else ""), flush=True)


def print_table(results):
    """The rows as Markdown, for docs/speed.md."""
    print("| | at least | aim | measured | pairs, rounds or samples | |\n|---|---|---|---|---|---|")
    for name, known in {**ROWS, **WHOLE}.items():
        row = results["rows"].get(name)
        if not row:
            continue
        n = row.get("rounds") or len(row.get("pairs", [])) or max(len(row["cases"]) // 2, len(row["cases"][0]["samples"]))
        settings = ", ".join(f"{k} {v:.2f}" for k, v in row.get("ratios", {}).items() if name in WHOLE or len(row["ratios"]) > 1)
        value = f"**{row['value']:.3g}**" + (f" ({settings})" if settings else "")
        if row["goal"] is None:
            print(f"| {row['title']} | | | {value} | {n} | no goal |")
        else:
            reached = verdict(known, row["value"], row["goal"], row["aim"])
            print(f"| {row['title']} | {row['goal']:g} | {row['aim']:g} | {value} | {n} | {reached} |")
    for name, row in results["rows"].items():
        for side, why in row.get("left_out", {}).items():
            print(f"\n{name} is without {side}: {why}")
    for side, why in results.get("left_out", {}).items():
        print(f"\nLeft out: {side}: {why}")


def versions(work):
    """What stands first in the lists of the peers that are installed."""
    found = {}
    for name in (*PARTS, *PROGRAMS):
        stamp = os.path.join(work, f"venv-{name}", "requirements.txt")
        if os.path.exists(stamp):
            with open(stamp) as f:
                found[name] = next(line.strip() for line in f if line.strip() and not line.startswith("#"))
    return found


def head(ours, args):
    answer = ours.bench("limits", "f32")
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout
    return {"date": datetime.date.today().isoformat(), "command": "bench/peers/compare", "cpu": answer["cpu"],
            "threads": args.threads, "commit": commit.strip(), "peers": versions(args.work), "limits": answer["limits"]}


def run_parts(names, ours, args, folder, results, out):
    """The rows of parts of programs, one after the other."""
    peers = Peers(args.work, folder, args.threads)
    for name in names:
        row = ROWS[name]
        try:
            result = run_row(row, ours, peers, args.pairs)
            finish(name, row, goals(row, result), result, results)
            store(out, results)
        except (RuntimeError, subprocess.CalledProcessError) as e:
            say(f"{name}: left out: {e}")
        peers.close()


def prepared(tour, rows, peers):
    """The sides of the rows of whole programs that can be visited; the others have an obstacle then."""
    ready = []
    for program, type in visits.sides(rows):
        if program != "ours" and program not in peers:
            tour.obstacles[f"{program} {type}"] = "not among --peers"
            continue
        try:
            if program != "ours":
                tour.prepare(program, type)
            ready.append((program, type))
        except (RuntimeError, OSError) as e:
            tour.obstacles[f"{program} {type}"] = str(e)
            say(f"{program} {type}: left out: {e}")
    return ready


def run_whole(names, tour, args, results, out):
    """The rows of whole programs, which share their visits."""
    rounds, ready = [], prepared(tour, [WHOLE[name] for name in names], args.peers.split(","))
    for i in range(args.pairs):
        rounds.append({})
        for program, type in ready:
            side = f"{program} {type}"
            if side in tour.obstacles:
                continue
            say(f"whole programs: round {i + 1} of {args.pairs}: {side}")
            visit = tour.visit(program, type)
            if visit:
                rounds[-1][side] = visit
            else:
                say(f"{side}: left out: {tour.obstacles[side]}")
            results.update(rounds=rounds, left_out=tour.obstacles)
            store(out, results)
    for name in names:
        try:
            result = visits.evaluate(WHOLE[name], rounds)
            finish(name, WHOLE[name], WHOLE[name].goal, result, results)
            for side, why in result["left_out"].items():
                say(f"{name}: without {side}: {why}")
        except RuntimeError as e:
            say(f"{name}: left out: {e}")
    store(out, results)


def tokenizer(program, folder):
    """Text to ids, as this folder's tokenizer has them."""
    def tokenize(text):
        command = [program, "debug", "tokenize", "-m", folder, "--dtype", "f32"]  # the weights as they are: none is packed
        try:
            done = subprocess.run(command, input=json.dumps(text) + "\n", stdout=subprocess.PIPE, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as e:
            sys.exit(f"compare: {program} does not run, or not on {folder}; --program names another: {e}")
        return json.loads(done.stdout)
    return tokenize


def set_up_parts(args, folder):
    """The programs of which parts run this model, and llama.cpp's formats of the weights."""
    peers = Peers(args.work, folder, args.threads)
    for name in PARTS:
        try:
            places.environment(args.work, name)
            if name == "llama":
                peers.files()
        except RuntimeError as e:
            say(f"{name}: left out: {e}")
    peers.close()


def options():
    p = argparse.ArgumentParser(prog="compare")
    p.add_argument("--work", required=True)
    p.add_argument("--model", help="a bf16 folder of full size; made when not given")
    p.add_argument("--published-code", help="a folder with the published Python files")
    p.add_argument("--program", default=os.path.join(ROOT, "build", "repl", "phiscope"))
    p.add_argument("--peers", default=",".join(PROGRAMS), help="the whole programs to visit")
    p.add_argument("--rows", default=",".join([*ROWS, *WHOLE]))
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--out", help="JSON with the raw figures; rows of an earlier run stay")
    p.add_argument("--setup", action="store_true")
    p.add_argument("--table", action="store_true", help="prints the rows that --out holds")
    return p.parse_args()


def main():
    args = options()
    out = args.out or os.path.join(args.work, "results.json")
    if args.table:
        print_table(load(out))
        return 0
    names = args.rows.split(",")
    strangers = [p for p in args.peers.split(",") if p not in PROGRAMS]
    if strangers:
        sys.exit(f"compare: no program {', '.join(strangers)}, but {', '.join(PROGRAMS)}")
    unknown = [n for n in names if n not in ROWS and n not in WHOLE]
    if unknown:
        sys.exit(f"compare: no row {', '.join(unknown)}: --list names them")
    watcher.follow()
    folder = args.model or os.path.join(args.work, "weights")
    if not args.model and not os.path.exists(os.path.join(folder, "model.safetensors")):
        say("writing pseudo-random weights (8.3 GB)")
        weights.write_folder(folder, weights.FULL)
    ours = Ours(args.program, folder, args.work, args.threads)
    places.one_model(args.work, folder)
    parts, whole = [n for n in names if n in ROWS], [n for n in names if n in WHOLE]
    tour = visits.Visits(args.work, places.with_code(args.work, folder, args.published_code), ours, args.threads,
                         tokenizer(args.program, folder)) if whole else None
    if args.setup:
        if any(ROWS[name].peer for name in parts):
            set_up_parts(args, folder)
        if tour:
            prepared(tour, [WHOLE[name] for name in whole], args.peers.split(","))
        return 0
    results = load(out)
    results.update(head(ours, args))
    if parts:
        run_parts(parts, ours, args, folder, results, out)
    if whole:
        run_whole(whole, tour, args, results, out)
    ours.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
