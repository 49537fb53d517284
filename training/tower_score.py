"""How many letters the tower of a checkpoint names rightly, by size and by the program that drew them: the learning
curve of stage 1. Faces, words and photographs are those kept for tests; the pictures are always the same.

    python tower_score.py RUN_FOLDER/stage1.pt [COUNT]
"""

import sys

import numpy as np
import torch

import batches
import draw
import export
import hd
import labels
import render_cover
import render_html
import render_matplotlib
from train import PatchHead


def packed(sizes, test=True, line=draw.free_line):
    def make(rng, c):
        picture = draw.packed_crop(rng, c.side, test, sizes, line=line)
        glyphs, _ = labels.crop_labels(picture, hd.AS_IS, c.grid, c.patch)
        return hd.normalise(np.asarray(picture.image))[None], glyphs[1:]

    return make


def whole(drawn):
    """All crops of a picture through the HD transform, as the model sees it in use."""

    def make(rng, c):
        crops, glyphs, *_ = batches.look(drawn(rng), c)
        return crops[1:], glyphs[1:]

    return make


SETS = {
    "packed, type of 10 to 14 px": packed((10, 14)),
    "packed, 14 to 20 px": packed((14, 20)),
    "packed, 20 to 40 px": packed((20, 40)),
    "packed, plain and seen faces, 10 to 14 px": packed((10, 14), False),
    "numbers, 10 to 14 px": packed((10, 14), line=draw.number_line),
    "numbers, 14 to 20 px": packed((14, 20), line=draw.number_line),
    "matplotlib's default chart": whole(lambda rng: render_matplotlib.default_bars(rng, True, True)),
    "cover": whole(lambda rng: render_cover.picture(rng, True)),
    "table in a browser": whole(lambda rng: render_html.table(rng, True)),
}


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    state = torch.load(sys.argv[1], map_location="cpu", weights_only=False)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    draw.Domain.full = True
    c = state["config"]
    model, head = export.load(sys.argv[1]), PatchHead(c.vision_hidden)
    head.load_state_dict({n[5:]: w for n, w in state["average"].items() if n.startswith("head.")})
    head.bfloat16().eval()
    print(f"step {state['step']}, {state['elapsed']:.0f} s")
    for name, make in SETS.items():
        right = drawn = 0
        for i in range(count):
            for again in range(20):
                try:
                    crops, glyphs = make(np.random.default_rng([4711, i, again]), c)
                    break
                except AssertionError:  # more text than fits
                    continue
            said = head.glyph(model.tower(torch.from_numpy(crops).bfloat16())).float()
            said = said.view(*glyphs.shape, labels.GLYPH_CLASSES).argmax(-1).numpy()
            right += int(((said == glyphs) & (glyphs > 0)).sum())
            drawn += int((glyphs > 0).sum())
        print(f"{name:34s} {right / drawn:.3f} of {drawn}", flush=True)


if __name__ == "__main__":
    main()
