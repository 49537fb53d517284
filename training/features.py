"""What a finished tower makes of whole pictures, kept on disk, so that the decoder learns without drawing a picture
or running the tower again. Questions are asked anew each time.

    python features.py RUN_FOLDER/stage2.pt --pictures FOLDER --out FOLDER [--shards 600]

Takes the averaged weights of the checkpoint; the features belong to them alone. A stopped run goes on where it was."""

import argparse
import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import torch

import batches
import draw
import export
import labels
import store
from sources import SHARD, SHARES, drawn


@torch.no_grad()
def looked_at(found, model, c):
    """Pictures without their pixels, and for each the features and the placement."""
    looks = []
    for picture in found:
        crops, glyphs, _, place = batches.look(picture, c)
        features = model.tower(torch.from_numpy(crops).bfloat16())
        looks.append((features.view(torch.int16).numpy(), glyphs.astype(np.int8), place))
        picture.image = picture.mask = None
        picture.glyphs = [g for g in picture.glyphs if labels.is_large(g[3], place)]  # what batches.encode asks of them
    return found, looks


made = {}  # of each process: model and pictures


def begin(checkpoint, folder):
    draw.Domain.full = True
    torch.set_num_threads(1)
    pictures = store.Store(folder)
    pictures.look_again()
    made.update(model=export.load(checkpoint), pictures=pictures)


def make_shard(task):
    path, place, number, kind = task
    rng, entries = np.random.default_rng([place, number]), []
    while len(entries) < SHARD:
        found = drawn(rng, kind, made["pictures"])
        entries.append(looked_at(found, made["model"], made["model"].c))
    path.parent.mkdir(parents=True, exist_ok=True)
    store.replace(path, pickle.dumps(entries))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=600, help=f"files of {SHARD} pictures, all kinds together")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    total = sum(SHARES.values())
    tasks = [(args.out / kind / f"{number:05d}.pickle", place, number, kind) for number in range(args.shards)
             for place, (kind, share) in enumerate(SHARES.items())
             if number < args.shards * share / total and (kind.startswith("own-") or (args.pictures / kind).is_dir())]
    with multiprocessing.Pool(args.processes, begin, (args.checkpoint, args.pictures)) as pool:
        for path in pool.imap_unordered(make_shard, [task for task in tasks if not task[0].exists()]):
            print(path, flush=True)


if __name__ == "__main__":
    main()
