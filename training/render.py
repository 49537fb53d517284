"""Fills a folder with pictures by other programs, a shard at a time, each kind up to its number.

    python render.py --out FOLDER [--shards 80] [--only matplotlib]

FOLDER/KIND/NUMBER.pickle is always the same picture for the same versions of the programs: a stopped run goes on
where it was. Renderers that are never trained on are in eval_renderers.py."""

import argparse
import importlib
import traceback
from pathlib import Path

import numpy as np

import draw
import store

KINDS = {"matplotlib": 3, "html": 3, "svg": 2, "cover": 3, "photo": 1}  # module render_KIND, share


def shard(kind, number):
    module = importlib.import_module("render_" + kind)
    pictures = []
    for i in range(store.SHARD):
        rng = np.random.default_rng([list(KINDS).index(kind), number, i])
        try:
            pictures.append(module.picture(rng))
        except Exception:  # an odd combination that a program refuses is left out
            traceback.print_exc()
    return pictures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=80, help="of a kind with share 1")
    parser.add_argument("--only", choices=KINDS)
    args = parser.parse_args()
    draw.Domain.full = True
    for number in range(args.shards * max(KINDS.values())):
        for kind, share in KINDS.items():
            path = args.out / kind / f"{number:05d}.pickle"
            if number >= args.shards * share or path.exists() or (args.only or kind) != kind:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            store.write(path, shard(kind, number))
            print(path, flush=True)


if __name__ == "__main__":
    main()
