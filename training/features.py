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
import labels
import store
from sources import SHARD, SHARES, drawn

@torch.no_grad()
def looked_at(found, model, c):
    """Pictures without their pixels, and for each the features and the placement."""
    looks = []
    for picture in found:
        crops, _, _, place = batches.look(picture, c)
        features = model.tower(torch.from_numpy(crops).bfloat16())
        looks.append((features.view(torch.int16).numpy(), place))
        picture.image = picture.mask = None
        picture.glyphs = [g for g in picture.glyphs if labels.is_large(g[3], place)]  # what batches.encode asks of them
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
                entries.append(looked_at(found, model, model.c))
            store.replace(path, pickle.dumps(entries))
            print(path, flush=True)


if __name__ == "__main__":
    main()
