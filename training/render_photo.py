"""Pieces of photographs, which are to be declined."""

import draw
import render_cover


def picture(rng, test=False):
    long, ratio = int(rng.integers(300, 900)), rng.uniform(0.5, 1)
    size = (long, int(long * ratio)) if rng.random() < 0.6 else (int(long * ratio), long)
    return draw.plain(render_cover.photo_ground(rng, *size, test))
