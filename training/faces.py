"""The faces that text is drawn in, and which families are kept for tests.

Narrow domain: eight upright faces of two families; tests use the same. Full domain: every face found
in the folders of PACKAGES that draws all letters and digits, all of them different; one family in
eight is for tests only."""

import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path("/usr/share/fonts/truetype")
NARROW = [  # Debian packages fonts-dejavu-core and fonts-liberation
    "dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf",
    "dejavu/DejaVuSerif.ttf", "dejavu/DejaVuSerif-Bold.ttf",
    "liberation/LiberationSans-Regular.ttf", "liberation/LiberationSans-Bold.ttf",
    "liberation/LiberationSerif-Regular.ttf", "liberation/LiberationSerif-Bold.ttf",
]
PACKAGES = {  # folder -> Debian package
    "dejavu": "fonts-dejavu-core, fonts-dejavu-extra", "liberation": "fonts-liberation",
    "freefont": "fonts-freefont-ttf", "lato": "fonts-lato", "open-sans": "fonts-open-sans",
    "crosextra": "fonts-crosextra-carlito, fonts-crosextra-caladea", "noto": "fonts-noto-core",
    "roboto": "fonts-roboto-unhinted", "ubuntu": "fonts-ubuntu", "quicksand": "fonts-quicksand",
    "ebgaramond": "fonts-ebgaramond", "comfortaa": "fonts-comfortaa", "croscore": "fonts-croscore",
}
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def family(name):
    """dejavu/DejaVuSans-Bold.ttf -> DejaVuSans"""
    return Path(name).stem.split("-")[0]


def is_unseen(name):
    return zlib.crc32(family(name).encode()) % 8 == 0


def draws_all(path):
    """Every letter and digit leaves ink, and no two leave the same (but for l, I, O and 0)."""
    face, seen = ImageFont.truetype(str(path), 32), {}
    for sign in SIGNS:
        image = Image.new("L", (64, 64))
        ImageDraw.Draw(image).text((16, 8), sign, font=face, fill=255)
        bits = np.asarray(image).tobytes()
        if not any(bits) or (bits in seen and not {sign, seen[bits]} & set("lIO0")):
            return False
        seen[bits] = sign
    return True


@lru_cache
def full(test):
    """Faces of the full domain for training or for tests, sorted by name."""
    found = [f"{folder}/{path.name}" for folder in PACKAGES
             for path in sorted((FOLDER / folder).glob("*.ttf"))]
    return [f for f in found if is_unseen(f) == test and draws_all(FOLDER / f)]
