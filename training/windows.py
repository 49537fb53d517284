"""Single crops cut from pictures of any size, for the tower's own lessons: a window at a random zoom, so that one
picture gives many different crops."""

import numpy as np
from PIL import Image

import draw
import hd
import labels

SMALL, LARGE = 9.5, 40  # type of the letter a window is laid around, in pixels of the crop
CLOSEST, FARTHEST = 2.5, 0.3  # zoom


def cut(rng, picture, side):
    """A window of side x side pixels as a Picture-like crop, and where the picture lies on it."""
    width, height = picture.image.size
    if picture.glyphs and rng.random() < 0.9:
        x, y, _, size = picture.glyphs[rng.integers(len(picture.glyphs))]
        zoom = np.exp(rng.uniform(np.log(SMALL), np.log(LARGE) if rng.random() < 0.4 else np.log(20))) / size
    else:
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        zoom = side / max(width, height) * rng.uniform(1, 4)
    zoom = float(np.clip(zoom, FARTHEST, CLOSEST))
    reach = side / zoom
    left, top = (x - rng.uniform(0.08, 0.92) * reach, y - rng.uniform(0.08, 0.92) * reach)
    # inside the picture where it is large enough; else there is white beside it, as in the HD transform
    left = float(np.clip(left, 0, width - reach)) if width > reach else -float(rng.uniform(0, reach - width))
    top = float(np.clip(top, 0, height - reach)) if height > reach else -float(rng.uniform(0, reach - height))
    box = (max(left, 0), max(top, 0), min(left + reach, width), min(top + reach, height))
    size = [max(1, round((box[i + 2] - box[i]) * zoom)) for i in (0, 1)]
    part = picture.image.resize(size, Image.Resampling.BILINEAR, box=box)
    crop = Image.new("RGB", (side, side), (255, 255, 255))
    at = [int(round(max(0, -edge) * zoom)) for edge in (left, top)]
    crop.paste(part, at)
    place = hd.Placement(zoom, zoom, at[0] - box[0] * zoom, at[1] - box[1] * zoom, 1, 1)
    return crop, place


def crops(rng, picture, c, count):
    """`count` windows of one picture: normalised crops [count, 3, s, s], glyph and object labels."""
    out = []
    for _ in range(count):
        image, place = cut(rng, picture, c.side)
        image = draw.weather(rng, draw.plain(image)).image
        if rng.random() < 0.06:
            image = Image.fromarray(255 - np.asarray(image))  # light on dark
            things = np.zeros((c.grid**2, 2), np.int64)
            things[:] = labels.IGNORE
        else:
            things = labels.object_labels(picture.mask, place, c.grid, c.grid, c.patch).reshape(-1, 2)
        glyphs = labels.glyph_labels(picture.glyphs, place, c.grid, c.grid, c.patch).reshape(-1, labels.SLOTS)
        out.append((hd.normalise(np.asarray(image)), glyphs, things))
    return [np.stack(x) for x in zip(*out)]
