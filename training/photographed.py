"""A picture as if it had been photographed: lying on something, seen a little from the side, in uneven light."""

import io

import numpy as np
from PIL import Image, ImageFilter

import render_cover

SLANT = 0.035  # how far a corner is moved, of the picture's size
TURN = 3.0     # degrees either way
MARGIN = 0.16  # of what it lies on, at most, on each side
SHARE = {"cover": 0.25}  # of pictures that are photographed; of other kinds:
OTHER_SHARE = 0.06


def warp_to(before, after):
    """The 3 x 3 matrix that takes four points to four others."""
    rows = []
    for (x, y), (u, v) in zip(before, after):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), np.ravel(after)), 1).reshape(3, 3)


def light(rng, pixels):
    """Brighter on one side than on the other, and a little too dark, too bright or too yellow as a whole."""
    height, width = pixels.shape[:2]
    direction = rng.normal(0, 1, 2)
    across = np.linspace(-0.5, 0.5, width)[None, :, None] * direction[0]
    down = np.linspace(-0.5, 0.5, height)[:, None, None] * direction[1]
    slope = (across + down) * rng.uniform(0, 0.35)
    return pixels * (rng.uniform(0.75, 1.1) + slope) * rng.uniform(0.93, 1.03, 3)


def photographed(rng, picture, test=False):
    """The picture with a new image, and with `warp`: where a point of the drawing lies on it. What covers a pixel is
    no longer known."""
    w, h = picture.image.size
    left, top, right, bottom = rng.uniform(0.01, MARGIN, 4) * [w, h, w, h]
    size = int(w + left + right), int(h + top + bottom)
    angle = np.radians(rng.uniform(-TURN, TURN))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([(0, 0), (w, 0), (w, h), (0, h)], float)
    middle = np.array([w, h]) / 2
    moved = (corners - middle) @ turn.T + middle + [left, top] + rng.uniform(-SLANT, SLANT, (4, 2)) * min(w, h)
    picture.warp = warp_to(corners, moved)
    back = np.linalg.inv(picture.warp)
    coefficients = (back / back[2, 2]).ravel()[:8]
    seen = picture.image.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    shape = Image.new("L", (w, h), 255).transform(size, Image.Transform.PERSPECTIVE, coefficients)
    ground = render_cover.ground(rng, *size, test)
    ground.paste(seen, mask=shape.filter(ImageFilter.GaussianBlur(0.7)))
    pixels = light(rng, np.asarray(ground).astype(np.float32))
    pixels = pixels + rng.normal(0, rng.uniform(0, 5), (*pixels.shape[:2], 1))
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 0.8)) * max(size) / 700))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(60, 96)))
    picture.image, picture.mask = Image.open(file).convert("RGB"), None
    return picture


def some(rng, picture):
    """The picture, photographed now and then."""
    return photographed(rng, picture) if rng.random() < SHARE.get(picture.kind, OTHER_SHARE) else picture
