"""Single crops cut from pictures of any size, for the tower's own lessons: a window at a random zoom, so that one
picture gives many different crops."""

from dataclasses import replace

import numpy as np
from PIL import Image

import draw
import hd
import labels
from draw import pick

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


def turned(rng, crop):
    """The crop turned a little, as a photograph of a screen or a page is, and where its points lie then."""
    angle = float(rng.uniform(-2.5, 2.5))
    middle, sine, cosine = crop.width / 2, np.sin(np.radians(angle)), np.cos(np.radians(angle))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    warp = np.eye(3)
    warp[:2, :2], warp[:2, 2] = turn, middle - turn @ [middle, middle]
    crop = crop.rotate(angle, Image.Resampling.BICUBIC, fillcolor=crop.getpixel((0, 0)))
    return crop, replace(hd.AS_IS, warp=warp)


def coarse(rng, crop):
    """The crop as if it had been made smaller and larger again."""
    side = int(crop.width * rng.uniform(0.6, 0.95))
    small = crop.resize((side, side), Image.Resampling.BILINEAR)
    return small.resize(crop.size, pick(rng, [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]))


def crops(rng, picture, c, count):
    """`count` windows of one picture: normalised crops [count, 3, s, s], glyph and object labels."""
    out = []
    for _ in range(count):
        crop, place = cut(rng, picture, c.side)
        glyphs = [(*labels.to_canvas((x, y), place), ch, size * place.scale_y) for x, y, ch, size in picture.glyphs]
        things = labels.object_labels(picture.mask, place, c.grid, c.grid, c.patch).reshape(-1, 2)
        where = hd.AS_IS
        chance = rng.random()
        if chance < 0.1:
            crop, where = turned(rng, crop)
            things[:] = labels.IGNORE
        elif chance < 0.2:
            crop = coarse(rng, crop)
        crop = draw.weather(rng, draw.plain(crop)).image
        if rng.random() < 0.06:
            crop = Image.fromarray(255 - np.asarray(crop))  # light on dark
            things[:] = labels.IGNORE
        named = labels.glyph_labels(glyphs, where, c.grid, c.grid, c.patch).reshape(-1, labels.SLOTS)
        out.append((hd.normalise(np.asarray(crop)), named, things))
    return [np.stack(x) for x in zip(*out)]
