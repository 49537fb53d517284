"""Patch labels: which glyphs have their centre in each patch of a crop, and which object covers it."""

from dataclasses import replace

import numpy as np

from draw import COLOUR_NAMES, GLYPHS, OBJECTS, OTHER_COLOUR

SLOTS = 3                       # glyphs in one patch, left to right
SMALLEST = 8                    # type that is read, in pixels of the crop (digits of 6 pixels)
LARGEST = 40                    # larger type is read on the overview, where a letter has few patches
BLANK = 0
GLYPH_CLASS = {ch: i + 1 for i, ch in enumerate(GLYPHS)}
GLYPH_CLASSES = len(GLYPHS) + 1
OBJECT_CLASSES = len(OBJECTS)
COLOUR_CLASSES = len(COLOUR_NAMES) + 1
IGNORE = -100


def to_canvas(point, place):
    if place.warp is not None:
        x, y, z = place.warp @ (*point[:2], 1)
        point = x / z, y / z
    return point[0] * place.scale_x + place.offset_x, point[1] * place.scale_y + place.offset_y


def on_overview(place):
    """Where the picture lies on the overview, which is the canvas made as small as one crop."""
    return replace(place, scale_x=place.scale_x / place.cols, scale_y=place.scale_y / place.rows,
                   offset_x=place.offset_x / place.cols, offset_y=place.offset_y / place.rows)


def type_size(size, place):
    """Of a letter that may be narrower than the picture has it."""
    return size * min(place.scale_x, place.scale_y)


def is_large(size, place):
    """Type to be read on the overview."""
    return type_size(size, place) > LARGEST and type_size(size, on_overview(place)) >= SMALLEST


def glyph_labels(glyphs, place, rows, cols, patch):
    """[rows, cols, SLOTS] for a canvas of rows x cols patches. What is too small, too large or lies too close to be
    read is not asked for."""
    cells, ignored = {}, set()
    for x, y, ch, size in glyphs:
        x, y = to_canvas((x, y), place)
        row, col = int(y // patch), int(x // patch)
        if 0 <= row < rows and 0 <= col < cols:
            if not ch or not SMALLEST <= type_size(size, place) <= LARGEST:
                ignored.add((row, col))
            cells.setdefault((row, col), []).append((x, ch))
    out = np.full((rows, cols, SLOTS), BLANK, np.int64)
    for (row, col), found in cells.items():
        for slot, (_, ch) in enumerate(sorted(found)[:SLOTS]):
            out[row, col, slot] = GLYPH_CLASS.get(ch, IGNORE)
        if len(found) > SLOTS:
            ignored.add((row, col))
    for row, col in ignored:
        out[row, col] = IGNORE
    return out


def object_labels(mask, place, rows, cols, patch):
    """[rows, cols, 2]: object kind and colour at the middle of each patch of the canvas."""
    if mask is None:
        return np.full((rows, cols, 2), IGNORE)
    xs = ((np.arange(cols) + 0.5) * patch - place.offset_x) / place.scale_x
    ys = ((np.arange(rows) + 0.5) * patch - place.offset_y) / place.scale_y
    inside = ((ys >= 0) & (ys < mask.height))[:, None] & ((xs >= 0) & (xs < mask.width))[None]
    pixels = np.asarray(mask)[np.clip(ys, 0, mask.height - 1).astype(int)][
        :, np.clip(xs, 0, mask.width - 1).astype(int)]
    value = np.where(inside, pixels, 0).astype(np.int64)
    colour = value % 16
    return np.stack([value // 16, np.where(colour == OTHER_COLOUR, IGNORE, colour)], -1)


def crop_labels(picture, place, grid, patch):
    """Labels of all crops, overview first: [n, grid*grid, SLOTS] and [n, grid*grid, 2]."""
    rows, cols = place.rows * grid, place.cols * grid
    glyphs = glyph_labels(picture.glyphs, place, rows, cols, patch)
    things = object_labels(picture.mask, place, rows, cols, patch)

    def tiles(x):
        x = x.reshape(place.rows, grid, place.cols, grid, -1).transpose(0, 2, 1, 3, 4)
        return x.reshape(place.rows * place.cols, grid * grid, -1)

    ys = ((np.arange(grid) + 0.5) * place.rows).astype(int)
    xs = ((np.arange(grid) + 0.5) * place.cols).astype(int)
    overview = things[ys][:, xs].reshape(1, grid * grid, 2)
    small = glyph_labels(picture.glyphs, on_overview(place), grid, grid, patch).reshape(1, grid * grid, SLOTS)
    return np.concatenate([small, tiles(glyphs)]), np.concatenate([overview, tiles(things)])
