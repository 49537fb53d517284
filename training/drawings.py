"""Lines that say nothing, for pictures that are to be declined: curves, trees, floor plans, rings. A line is an array
of points of the unit square."""

from math import pi

import numpy as np


def wound(rng):
    """A closed curve in the unit square."""
    turns, phase = rng.integers(1, 8, (2, 2)), rng.uniform(0, 2 * pi, (2, 2))
    t, size = np.linspace(0, 2 * pi, 400), rng.uniform(0.2, 1, (2, 2))
    xy = [np.sin(np.outer(t, turns[i]) + phase[i]) @ (size[i] / size[i].sum()) for i in range(2)]
    return np.stack(xy, 1) * 0.45 + 0.5


def branched(rng, start, angle, length):
    """The twigs of a tree as pairs of points, from one at `start` on."""
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    twigs = [np.stack([start, end])]
    for side in (-1, 1):
        if length > 0.04:
            twigs += branched(rng, end, angle + side * rng.uniform(0.2, 0.7), length * rng.uniform(0.6, 0.8))
    return twigs


def divided(rng, box, depth):
    """The walls of a floor plan inside of a box (left, top, right, bottom)."""
    left, top, right, bottom = box
    if depth == 0 or rng.random() < 0.15:
        return []
    at = rng.uniform(0.3, 0.7)
    if right - left > bottom - top:
        x = left + at * (right - left)
        return [np.array([(x, top), (x, bottom)]), *divided(rng, (left, top, x, bottom), depth - 1),
                *divided(rng, (x, top, right, bottom), depth - 1)]
    y = top + at * (bottom - top)
    return [np.array([(left, y), (right, y)]), *divided(rng, (left, top, right, y), depth - 1),
            *divided(rng, (left, y, right, bottom), depth - 1)]


def lines(rng):
    """The lines of one drawing."""
    form = rng.integers(4)
    if form == 0:
        return [wound(rng) for _ in range(rng.integers(1, 5))]
    if form == 1:
        return branched(rng, np.array([rng.uniform(0.35, 0.65), 0.98]), -pi / 2, rng.uniform(0.15, 0.25))
    if form == 2:
        walls = np.array([(.05, .05), (.95, .05), (.95, .95), (.05, .95), (.05, .05)])
        return [walls, *divided(rng, (.05, .05, .95, .95), int(rng.integers(2, 6)))]
    around = np.linspace(0, 2 * pi, int(rng.integers(3, 40)))
    middle = rng.uniform(0.35, 0.65, 2)
    return [middle + r * np.stack([np.cos(around), np.sin(around)], 1)
            for r in np.linspace(0.03, rng.uniform(0.2, 0.5), int(rng.integers(3, 14)))]
