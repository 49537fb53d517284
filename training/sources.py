"""Where stage 3 takes pictures of known facts from, and what it asks about them: pictures that render.py has stored
and those drawn here, looked at as they come (Live), or what a finished tower has made of them (Cached)."""

import pickle
from dataclasses import replace

import numpy as np
import torch

import axis
import batches
import draw
import labels
import photographed
import tasks
from draw import By, Measured, pick
from questions import ask

SHARD = 32  # pictures in a file of cached features
SHARES = {  # of render.py's kinds, and of those drawn here
    "matplotlib": 20,
    "svg": 10,
    "html": 16,
    "cover": 16,
    "photo": 8,
    "own-chart": 5,
    "own-cover": 6,
    "own-shapes": 5,
    "own-table": 3,
    "own-page": 4,
    "own-unknown": 6,
    "own-pair": 20,
}
# Shapes are looked for on the overview: with fewer crops they cost less and teach the same. A third has as many as in use.
FEWER, CROPS = ("own-shapes", "own-pair"), (4, 9, None)
NAMABLE = ("matplotlib", "svg", "cover", "own-cover", "own-chart")  # kinds of which two are named side by side
TURNS = (0.5, 0.25, 0.15, 0.1)  # shares of one, two, ... questions; in a notebook of the built-in model each cell stands by itself
# further conversations about the same picture, which do not see one another and share what the picture costs, until
# there are so many letters for each of its crops:
LETTERS = 60
OTHER_TURNS = (0.75, 0.25)
LONGEST_TEXT = 220  # letters of a page that is to be read aloud
LEGIBLE = 10  # pixels of the type that an answer has to read; where there are fewer, it says so instead


class Source:
    """Conversations about entries, each of one or two pictures, in the shares above: (tasks.Sample, looks) as
    batches.collate takes them. `kinds`: those there are; `entry` of a kind: pictures and looks. `own`: the share of
    those drawn here, None: as above."""

    def __init__(self, kinds, own=None):
        self.kinds = kinds
        shares = np.array([SHARES[kind] for kind in kinds], float)
        drawn_here = np.array([kind.startswith("own-") for kind in kinds])
        if own is not None:
            shares[drawn_here] *= own / shares[drawn_here].sum()
            shares[~drawn_here] *= (1 - own) / shares[~drawn_here].sum()
        self.shares = shares / shares.sum()

    def any(self, rng):
        return self.entry(rng, self.kinds[rng.choice(len(self.kinds), p=self.shares)])

    def sample(self, rng):
        """Conversations about the same pictures; one sample in eight is a single one, with its pictures named inside
        of the question."""
        sample, looks = self.conversation(rng)
        say_what_is_small(sample, looks)
        if rng.random() < 1 / 8:
            sample.inside, sample.others = True, ()
        return sample, looks

    def conversation(self, rng):
        """One in sixteen is about two unlike pictures, one in forty about two things in turn."""
        chance = rng.random()
        if chance < 1 / 16:
            kinds = [kind for kind in self.kinds if kind in NAMABLE]
            parts = [self.entry(rng, pick(rng, kinds)) for _ in range(2)]
            return tasks.both_named(rng, [p[0][0] for p in parts]), [look for p in parts for look in p[1]]
        if chance < 1 / 16 + 1 / 40:
            parts = [about(rng, *self.any(rng)) for _ in range(2)]
            parts.sort(key=lambda part: len(part[1]))
            return tasks.in_turn([sample for sample, _ in parts]), [look for _, looks in parts for look in looks]
        return about(rng, *self.any(rng))


class Live(Source):
    """Pictures drawn or unpacked now. `pictures`: a store.Store."""

    def __init__(self, pictures, c, own=None):
        pictures.look_again()
        super().__init__([kind for kind in SHARES if kind.startswith("own-") or kind in pictures.shards], own)
        self.pictures, self.c = pictures, c

    def entry(self, rng, kind):
        found, c = drawn(rng, kind, self.pictures), self.c
        if kind in FEWER:
            c = replace(c, num_crops=min(CROPS[rng.integers(len(CROPS))] or c.num_crops, c.num_crops))
        return found, [batches.look(p, c) for p in found]


class Cached(Source):
    """What features.py has kept. Of each kind one shard is held and asked about as often as it has pictures, since to
    read a shard takes longer than to learn from one of them."""

    def __init__(self, folder):
        self.shards = {kind: sorted((folder / kind).glob("*.pickle")) for kind in SHARES}
        super().__init__([kind for kind in SHARES if self.shards[kind]])
        self.held, self.uses = {}, dict.fromkeys(self.kinds, SHARD)

    def entry(self, rng, kind):
        if self.uses[kind] == SHARD:
            self.held[kind], self.uses[kind] = read(pick(rng, self.shards[kind])), 0
        self.uses[kind] += 1
        return pick(rng, self.held[kind])


def read(path):
    entries = pickle.loads(path.read_bytes())
    for _, looks in entries:
        looks[:] = [(torch.from_numpy(features).view(torch.bfloat16), torch.from_numpy(glyphs).long(), None, place)
                    for features, glyphs, place in looks]
    return entries


def spots(where):
    """The places on pictures from which a letter of an answer is known."""
    if isinstance(where, tasks.Said):
        return spots(where.seen)
    if isinstance(where, (By, Measured)):
        return [spot for part in where for spot in spots(part)]
    return [] if where is None or where == tasks.TOLD or isinstance(where, tasks.Asked) else [where]


def say_what_is_small(sample, looks):
    """Answers that would have to read type which is too small become words that say so."""
    sizes = [{(x, y): labels.type_size(size, look[-1]) for x, y, _, size in picture.glyphs}
             for picture, look in zip(sample.pictures, looks)]

    def legible(answer):
        found = [sizes[spot[2] if len(spot) > 2 else 0].get(tuple(spot[:2])) for w in answer.where for spot in spots(w)]
        return min((size for size in found if size), default=LEGIBLE) >= LEGIBLE

    for turns in (sample.turns, *sample.others):
        turns[:] = [(question, answer if legible(answer) else tasks.say(tasks.TOO_SMALL)) for question, answer in turns]
    if sample.turns[0][1].text == tasks.TOO_SMALL:
        sample.others = ()


def about(rng, pictures, looks):
    """Conversations about pictures of one kind."""
    if len(pictures) == 2:
        return tasks.compared(rng, pictures), looks
    kind = pictures[0].kind
    if kind == "unknown":
        turns = [(ask(rng, pick(rng, tasks.UNKNOWN_ASKED)), tasks.say(tasks.CANNOT))]
        return tasks.Sample(pictures, turns, kind), looks
    sample = tasks.Sample(pictures, tasks.turns_about(rng, pictures[0], TURNS), kind, others=[])
    while kind != "page":  # which is read aloud whatever is asked
        turns = tasks.turns_about(rng, pictures[0], OTHER_TURNS)
        if sample.letters() + tasks.letters(turns) > LETTERS * len(looks[0][0]):
            break
        sample.others.append(turns)
    return sample, looks


def drawn(rng, kind, pictures):
    """One or two pictures of a kind as they are seen, none with more text than can be asked for or with values that
    nothing tells."""
    while True:
        found = [axis.led(p) for p in _drawn(rng, kind, pictures)]
        if all(p and (p.kind != "page" or len(p.facts["text"].text) <= LONGEST_TEXT) for p in found):
            return [photographed.some(rng, draw.weather(rng, p)) for p in found]


def _drawn(rng, kind, pictures):
    if not kind.startswith("own-"):
        return [pictures.picture(rng, kind)]
    kind = kind.removeprefix("own-")
    if kind == "pair":
        return [draw.shapes(rng, items=items) for items in tasks.changed_scene(rng)]
    return [draw.unknown(rng) if kind == "unknown" else tasks.DRAWN[kind](rng)]
