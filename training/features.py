"""What a finished tower makes of whole pictures, kept on disk, so that the decoder learns without drawing a picture
or running the tower again. Questions are asked anew each time.

    python features.py RUN_FOLDER/stage1.pt --pictures FOLDER --out FOLDER [--shards 1000]

Takes the averaged weights of the checkpoint; the features belong to them alone. A stopped run goes on where it was."""

import argparse
import pickle
from pathlib import Path

import numpy as np
import torch

import batches
import draw
import export
import store
import tasks
from draw import pick
from questions import ask

SHARD = 32
SHARES = {  # what is kept: of render.py's kinds, and drawn here
    "matplotlib": 20,
    "svg": 10,
    "html": 16,
    "cover": 16,
    "photo": 4,
    "own-chart": 5,
    "own-cover": 6,
    "own-shapes": 5,
    "own-table": 3,
    "own-page": 4,
    "own-unknown": 2,
    "own-pair": 9,
}
TURNS = (0.2, 0.25, 0.25, 0.15, 0.15)  # shares of one, two, ... questions: the picture costs more than they do
LONGEST_TEXT = 220  # letters of a page that is to be read aloud


class FeatureStore:
    """Samples with cached features: (tasks.Sample, looks) as batches.collate takes them. Of each kind one shard is held
    and asked about as often as it has pictures, since to read a shard takes longer than to learn from one of them."""

    def __init__(self, folder):
        self.shards = {kind: sorted((folder / kind).glob("*.pickle")) for kind in SHARES}
        self.kinds = [kind for kind in SHARES if self.shards[kind]]
        shares = np.array([SHARES[kind] for kind in self.kinds], float)
        self.shares = shares / shares.sum()
        self.held, self.uses = {}, dict.fromkeys(self.kinds, SHARD)

    def entry(self, rng, kinds=None):
        kind = pick(rng, kinds) if kinds else self.kinds[rng.choice(len(self.kinds), p=self.shares)]
        if self.uses[kind] == SHARD:
            self.held[kind], self.uses[kind] = read(pick(rng, self.shards[kind])), 0
        self.uses[kind] += 1
        return pick(rng, self.held[kind])

    def sample(self, rng):
        """One conversation. One in sixteen is about two unlike pictures, one in forty about two things in turn."""
        chance = rng.random()
        if chance < 1 / 16:
            parts = [self.entry(rng, self.namable()) for _ in range(2)]
            return tasks.both_named(rng, [p[0][0] for p in parts]), [look for p in parts for look in p[1]]
        if chance < 1 / 16 + 1 / 40:
            parts = [about(rng, *self.entry(rng)) for _ in range(2)]
            parts.sort(key=lambda part: len(part[1]))
            return tasks.in_turn([sample for sample, _ in parts]), [look for _, looks in parts for look in looks]
        return about(rng, *self.entry(rng))

    def namable(self):
        return [k for k in self.kinds if k in ("matplotlib", "svg", "cover", "own-cover", "own-chart")]


def about(rng, pictures, looks):
    """A conversation about pictures of one kind."""
    if len(pictures) == 2:
        return tasks.compared(rng, pictures), looks
    kind = pictures[0].kind
    if kind == "unknown":
        turns = [(ask(rng, pick(rng, tasks.UNKNOWN_ASKED)), tasks.say(tasks.CANNOT))]
    else:
        turns = tasks.turns_about(rng, pictures[0], TURNS)
    return tasks.Sample(pictures, turns, kind), looks


def read(path):
    entries = pickle.loads(path.read_bytes())
    for _, looks in entries:
        looks[:] = [(torch.from_numpy(f).view(torch.bfloat16), None, None, place) for f, place in looks]
    return entries


def drawn(rng, kind, pictures):
    """One or two pictures of a kind."""
    if not kind.startswith("own-"):
        entries = pictures.shard(rng, kind)
        return [store.unpacked(entries[rng.integers(len(entries))])]
    kind = kind.removeprefix("own-")
    if kind == "pair":
        return [draw.shapes(rng, items=items) for items in tasks.changed_scene(rng)]
    return [draw.unknown(rng) if kind == "unknown" else tasks.DRAWN[kind](rng)]


def fits(found):
    return all(p.kind != "page" or len(p.facts["text"].text) <= LONGEST_TEXT for p in found)


@torch.no_grad()
def looked_at(found, model, c):
    """Pictures without their pixels, and for each the features and the placement."""
    looks = []
    for picture in found:
        crops, _, _, place = batches.look(picture, c)
        features = model.tower(torch.from_numpy(crops).bfloat16())
        looks.append((features.view(torch.int16).numpy(), place))
        picture.image = picture.mask = picture.glyphs = None
    return found, looks


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=1000, help=f"files of {SHARD} pictures, all kinds together")
    args = parser.parse_args()
    draw.Domain.full = True
    torch.set_num_threads(1)
    model, pictures = export.load(args.checkpoint), store.Store(args.pictures)
    pictures.look_again()
    total = sum(SHARES.values())
    for number in range(args.shards):
        for place, (kind, share) in enumerate(SHARES.items()):
            path = args.out / kind / f"{number:05d}.pickle"
            if (
                number >= args.shards * share / total
                or path.exists()
                or (not kind.startswith("own-") and kind not in pictures.shards)
            ):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            rng, entries = np.random.default_rng([place, number]), []
            while len(entries) < SHARD:
                found = [draw.weather(rng, p) for p in drawn(rng, kind, pictures)]
                if fits(found):
                    entries.append(looked_at(found, model, model.c))
            store.replace(path, pickle.dumps(entries))
            print(path, flush=True)


if __name__ == "__main__":
    main()
