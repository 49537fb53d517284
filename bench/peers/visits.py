# SPDX-License-Identifier: MIT
"""Visits to whole programs: each in a new process, with one picture, two questions about it, and a prompt of text."""
import os
import statistics
import time

import numpy as np
from PIL import Image

import places
from rows import FIGURES, OURS, PROGRAMS
from worker import Peer

SIDE = 4 * 336  # sixteen crops, and the view of the whole
QUESTIONS = ("What is shown here, and how can one tell what it is?", "Which part of it would you look at first, and why?")
N_TOKENS = 17  # of an answer: the first, and sixteen behind it
WORDS = ("the of and to in is for that with as was on are by this be from at which have or an were it not but their they "
         "his her one all there been more when would who so other time only some").split()


def write_picture(path, side, seed=0):
    """Waves and noise, of which no two places are alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(a * x + b * y + c * x * y + d) for a, b, c, d in rng.uniform(-40, 40, (3, 4))]
    noise = rng.normal(0, 12, (side, side, 3))
    Image.fromarray(np.clip(128 + 90 * np.stack(waves, 2) + noise, 0, 255).astype(np.uint8)).save(path)


def words(n_words):
    """Words that are a token each."""
    rng = np.random.default_rng(5)
    return " ".join(WORDS[i] for i in rng.integers(0, len(WORDS), n_words))


def log(work, name):
    return open(os.path.join(work, name + ".log"), "w")


def start(work, program, threads, *options):
    """A program's worker, in its own Python with these options."""
    return Peer(program + "_worker.py", threads, log(work, program), places.environment(work, program),
                os.path.join(work, "hf-" + program), options)


def start_ours(work, phiscope, threads):
    return Peer("phiscope_worker.py", threads, log(work, "ours"), PHISCOPE=phiscope)


def cache(work, program, type, model=""):
    """Where a program keeps its format of the weights."""
    return os.path.join(work, "-".join(filter(None, (program, model, type))))


class Visits:
    def __init__(self, work, folder, ours, threads, tokenize):
        """tokenize: text -> ids, as the weights' tokenizer makes them."""
        self.work, self.folder, self.ours, self.threads = work, folder, ours, threads
        self.picture = os.path.join(work, "picture.png")
        write_picture(self.picture, SIDE)
        self.ids = {n: tokenize(words(n - 1)) for n in (8, 512)}
        for n, ids in self.ids.items():
            if len(ids) != n:
                raise RuntimeError(f"this tokenizer makes {len(ids)} tokens of {n - 1} words")
        self.obstacles = {}  # side -> why it is left out

    def where(self, program, type):
        return {"folder": self.folder, "type": type, "cache": cache(self.work, program, type)}

    def prepare(self, program, type):
        peer = start(self.work, program, self.threads)
        try:
            peer("prepare", **self.where(program, type))
        finally:
            peer.close()

    def questions(self, peer):
        """What a person does with a picture; the parts that fail say why instead."""
        answers = {}
        for part, do, arguments in (("picture", "picture", {"path": self.picture, "question": QUESTIONS[0], "n": N_TOKENS}),
                                    ("again", "again", {"question": QUESTIONS[1], "n": N_TOKENS}), ("peak", "peak", {})):
            try:
                answers[part] = peer(do, **arguments)
            except RuntimeError as e:
                answers[part] = {"error": str(e)}
        return answers

    def program(self, program, type):
        where = self.where(program, type)
        places.warm(where["cache"] if os.path.isdir(where["cache"]) else where["folder"])
        begin = time.perf_counter()
        peer = start(self.work, program, self.threads)
        try:
            opened = peer("open", **where)
            peer("text", ids=self.ids[8], n=1)
            answers = {"open": opened, "start": {"s": time.perf_counter() - begin}}
            try:
                answers["prompt"] = peer("text", ids=self.ids[512], n=1)
            except RuntimeError as e:
                answers["prompt"] = {"error": str(e)}
            return answers | self.questions(peer)
        finally:
            peer.close()

    def phiscope(self, type):
        first = self.ours.start(type)
        prompt = self.ours.case("pp:512", type)
        self.ours.close()
        peer = start_ours(self.work, self.ours.program, self.threads)
        try:
            opened = peer("open", folder=self.ours.folder(type), type=type, cache="")
            seconds = prompt["n"] / prompt["tok_s"]
            return {"open": opened, "start": first, "prompt": {"first_s": seconds}} | self.questions(peer)
        finally:
            peer.close()

    def visit(self, program, type):
        """With the machine's limits before and after; an error leaves this side out from now on."""
        before = self.ours.limits()
        self.ours.close()
        try:
            answers = self.phiscope(type) if program == "ours" else self.program(program, type)
        except RuntimeError as e:
            self.obstacles[f"{program} {type}"] = str(e)
            return None
        return {**answers, "before": before, "after": self.ours.limits()}


def sides(rows):
    """Of these rows, those of the same bits beside each other."""
    everyone = [("ours", t, b) for t, b in OURS.items()]
    everyone += [(p, t, b) for p, types in PROGRAMS.items() for t, b in types.items()]
    everyone.sort(key=lambda side: side[2])
    return [(p, t) for p, t, _ in everyone if any(row.wants(p, t) for row in rows)]


def figures(row, rounds):
    """Side -> its figure in each round, and side -> why it has none."""
    part, figure = FIGURES[row.figure]
    taken, missing = {}, {}
    for side in sorted({side for one in rounds for side in one if row.wants(*side.split(" "))}):
        answers = [one[side][part] if side in one else {"error": "it failed in a later round"} for one in rounds]
        errors = [answer["error"] for answer in answers if "error" in answer]
        try:
            if errors:
                missing[side] = errors[0]
            else:
                taken[side] = [figure(answer) for answer in answers]
        except ZeroDivisionError:
            missing[side] = "an answer ended with its first token"
    return taken, missing


def evaluate(row, rounds):
    """Medians over rounds of theirs over ours, our type being the one with the best median; the best program counts."""
    taken, missing = figures(row, rounds)
    ours = {side: values for side, values in taken.items() if side.startswith("ours ")}
    theirs = {side: values for side, values in taken.items() if side not in ours}
    if not ours or not theirs:
        raise RuntimeError(f"no figure of {'theirs' if ours else 'ours'}: {missing}")
    mine = min(ours, key=lambda side: statistics.median(ours[side]))
    ratios = {side: statistics.median(t / o for t, o in zip(values, ours[mine])) for side, values in theirs.items()}
    best = min(ratios, key=ratios.get)
    turn = (lambda v: 1 / v) if row.less else (lambda v: v)
    return {"value": turn(ratios[best]), "ratios": {k: turn(v) for k, v in ratios.items()}, "setting": best, "ours": mine,
            "medians": {side: statistics.median(values) for side, values in taken.items()}, "left_out": missing,
            "rounds": len(rounds)}
