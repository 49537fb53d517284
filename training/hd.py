"""The reference's HD transform: a picture of any size becomes square crops plus an overview.

Resizing is Pillow's own bilinear filter (that is what the reference calls), the overview a bicubic
subsampling (a = -0.75, no antialiasing) of the padded, normalised picture. check_hd.py compares
this file with the reference's recorded results."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


@dataclass
class Placement:
    """Where the picture lies on the padded canvas: canvas = picture * scale + offset, after the picture's own warp."""
    scale_x: float
    scale_y: float
    offset_x: int
    offset_y: int
    rows: int
    cols: int
    warp: np.ndarray = None


AS_IS = Placement(1.0, 1.0, 0, 0, 1, 1)  # a picture that is a single crop


def plan(width, height, side, num_crops):
    """Size of the resized picture, padding before it, and the crop grid."""
    tall = width < height
    long_side, short_side = (height, width) if tall else (width, height)
    ratio = long_side / short_side
    scale = 1
    while (scale + 1) * math.ceil((scale + 1) / ratio) <= num_crops:
        scale += 1
    new_long = side * scale
    new_short = int(new_long / ratio)
    if new_short < 1:
        raise ValueError("picture is too elongated")
    padded = side * math.ceil(new_short / side)
    before = (padded - new_short) // 2
    if tall:
        return (new_short, new_long), (before, 0), (scale, padded // side)
    return (new_long, new_short), (0, before), (padded // side, scale)


def hd_picture(image, side, num_crops):
    """RGB image -> (padded uint8 array [rows*side, cols*side, 3], Placement)."""
    (w, h), (left, top), (rows, cols) = plan(*image.size, side, num_crops)
    # The reference transposes tall pictures before and after resizing. Its filter runs the
    # horizontal pass first, so the order of the passes, and with it the rounding, differs.
    if image.size[0] < image.size[1]:
        resized = image.transpose(Image.Transpose.TRANSPOSE)
        resized = resized.resize((h, w), Image.Resampling.BILINEAR)
        resized = resized.transpose(Image.Transpose.TRANSPOSE)
    else:
        resized = image.resize((w, h), Image.Resampling.BILINEAR)
    canvas = np.full((rows * side, cols * side, 3), 255, np.uint8)
    canvas[top:top + h, left:left + w] = np.asarray(resized)
    return canvas, Placement(w / image.size[0], h / image.size[1], left, top, rows, cols)


def normalise(canvas):
    """uint8 [h, w, 3] -> float32 [3, h, w]; every operation rounds to float32."""
    scaled = np.ascontiguousarray(canvas.transpose(2, 0, 1)).astype(np.float32)
    scaled /= np.float32(255)
    scaled -= MEAN[:, None, None]
    scaled /= STD[:, None, None]
    return scaled


def _shrink(x, k, axis):
    """Bicubic subsampling by the integer factor k along one axis."""
    n = x.shape[axis]
    centre = np.arange(n // k) * k + (k - 1) // 2
    if k % 2:
        return np.take(x, centre, axis)
    taps = zip((-1, 0, 1, 2), np.float32([-0.09375, 0.59375, 0.59375, -0.09375]))
    return sum(np.take(x, np.clip(centre + d, 0, n - 1), axis) * weight for d, weight in taps)


def crops(canvas, side):
    """Padded picture -> float32 [1 + rows*cols, 3, side, side], the overview first."""
    x = normalise(canvas)
    rows, cols = x.shape[1] // side, x.shape[2] // side
    overview = _shrink(_shrink(x, cols, 2), rows, 1)
    tiles = x.reshape(3, rows, side, cols, side).transpose(1, 3, 0, 2, 4)
    return np.concatenate([overview[None], tiles.reshape(-1, 3, side, side)])
