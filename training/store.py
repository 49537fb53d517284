"""Pictures drawn by other programs, kept on disk: rendering is slow, so it goes on beside the training.

A shard is a file of some dozen packed pictures; it is written under another name first, so that a reader never sees
half of one."""

import io
import os
import pickle

from PIL import Image

import draw

SHARD = 48
USES = 12  # pictures taken from a shard in a row: to read one takes longer than to cut crops from a picture


def _packed(image):
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _small(image, quality):
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=quality is None, quality=quality or 80)
    return file.getvalue()


def write(path, pictures, quality=0):
    """quality: of WebP, which takes longer; None: lossless WebP; 0: PNG."""
    packed = _packed if quality == 0 else lambda image: _small(image, quality)
    data = [(packed(p.image), p.mask and _packed(p.mask), p.glyphs, p.kind, p.facts) for p in pictures]
    replace(path, pickle.dumps(data))


def replace(path, data):
    """Writes a file as a whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, path)


def shard(path):
    """The entries of a file, still packed."""
    return pickle.loads(path.read_bytes())


def unpacked(entry):
    image, mask, glyphs, kind, facts = entry
    return draw.Picture(
        Image.open(io.BytesIO(image)).convert("RGB"), mask and Image.open(io.BytesIO(mask)), glyphs, kind, facts
    )


class Store:
    """All shards of a folder, by the program that drew them; new ones are found as they come."""

    def __init__(self, folder):
        self.folder, self.shards, self.seen, self.held = folder, {}, 0, {}

    def look_again(self):
        self.shards = {d.name: sorted(d.glob("*.pickle")) for d in sorted(self.folder.iterdir()) if d.is_dir()}
        self.shards = {name: paths for name, paths in self.shards.items() if paths}

    def kinds(self):
        if self.seen % 200 == 0:
            self.look_again()
        self.seen += 1
        return sorted(self.shards)

    def picture(self, rng, name):
        entries, uses = self.held.get(name, (None, 0))
        if uses == 0:
            entries, uses = shard(draw.pick(rng, self.shards[name])), USES
        self.held[name] = entries, uses - 1
        return unpacked(draw.pick(rng, entries))
