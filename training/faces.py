"""The faces that text is drawn in, and which families are kept for tests.

Narrow domain: eight upright faces of two families; tests use the same. Full domain: every face of the
Debian packages PACKAGES that draws all letters and digits, all of them different and like letters; one
family in eight is for tests only."""

import json
import os
import re
import tempfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(os.environ.get("FACES", "/usr/share/fonts"))  # gpu.sh brings its own
NARROW = [  # Debian packages fonts-dejavu-core and fonts-liberation
    "truetype/dejavu/DejaVuSans.ttf", "truetype/dejavu/DejaVuSans-Bold.ttf",
    "truetype/dejavu/DejaVuSerif.ttf", "truetype/dejavu/DejaVuSerif-Bold.ttf",
    "truetype/liberation/LiberationSans-Regular.ttf", "truetype/liberation/LiberationSans-Bold.ttf",
    "truetype/liberation/LiberationSerif-Regular.ttf", "truetype/liberation/LiberationSerif-Bold.ttf",
]
PACKAGES = """fonts-adf-accanthis fonts-adf-baskervald fonts-adf-berenis fonts-adf-gillius fonts-adf-libris
fonts-adf-romande fonts-adf-switzera fonts-adf-tribun fonts-adf-universalis fonts-adf-verana fonts-anonymous-pro
fonts-arkpandora fonts-averia-sans-gwf fonts-averia-serif-gwf fonts-b612 fonts-bebas-neue fonts-cabin fonts-cantarell
fonts-cardo fonts-clear-sans fonts-comfortaa fonts-comic-neue fonts-courier-prime fonts-crosextra-caladea
fonts-crosextra-carlito fonts-croscore fonts-dejavu-core fonts-dosis fonts-dustin fonts-ebgaramond fonts-essays1743
fonts-fantasque-sans fonts-firacode fonts-freefont-ttf fonts-go fonts-goudybookletter fonts-hack fonts-inconsolata
fonts-inter fonts-jetbrains-mono fonts-junction fonts-junicode fonts-karla fonts-lato fonts-league-spartan
fonts-liberation fonts-linuxlibertine fonts-lobstertwo fonts-manrope fonts-mononoki fonts-national-park
fonts-noto-core fonts-ocr-a fonts-oldstandard fonts-open-sans fonts-opendin fonts-oxygen fonts-paratype fonts-play
fonts-prociono fonts-quattrocento fonts-quicksand fonts-roadgeek fonts-roboto-slab fonts-roboto-unhinted fonts-sora
fonts-stix fonts-urw-base35 fonts-vollkorn fonts-yanone-kaffeesatz""".split()
MIXED = {"adf", "arkpandora", "averia-gwf", "croscore", "crosextra", "dejavu", "dustin", "freefont", "liberation",
         "noto", "paratype", "urw-base35"}  # folders of several families, told apart by the name of the file
LEFT_OUT = re.compile(  # signs, initials, small capitals, keyboards, several kinds of digits at once
    r"Symbol|Dingbat|D050000L|Emoji|Math|Size|Initial|Swash|Keyboard|_K|Caps|SC|Ornament|Outline|Dotted|Shadow"
    r"|Fancy|[Ss]tay[Pp]uf|Styl|STIXNonUni|STIXInt|STIXVar|NotoSans[A-Z]|NotoSerif[A-Z]|NotoNaskh|NotoKufi|NotoNast|NotoRashi"
    r"|NotoTrad|NotoMusic|Variable|\[")
NOTO = re.compile(r"Noto(Sans|Serif|SansMono|SansDisplay|SerifDisplay)-")  # its other faces are for other scripts
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def family(name):
    """truetype/dejavu/DejaVuSans-Bold.ttf -> DejaVuSans, opentype/inter/Inter-Bold.otf -> inter"""
    path = Path(name)
    if path.parent.name not in MIXED:
        return path.parent.name
    return re.split("[-_]", re.sub("(Bd|Bold|It|Oblique|Italic|Medium|Demi|[0-9]+F)+$", "", path.stem))[0]


def is_unseen(name):
    return name not in NARROW and zlib.crc32(family(name).encode()) % 8 == 0


def glyph_image(face, sign):
    """The sign's ink, stretched over a square: what is left is its form."""
    image = Image.new("L", (96, 96))
    ImageDraw.Draw(image).text((24, 16), sign, font=face, fill=255)
    box = image.getbbox()
    return np.asarray(image.crop(box).resize((24, 24))).astype(float) if box else None


@lru_cache
def plain_forms():
    """Every sign's form in the narrow domain's faces."""
    plain = [ImageFont.truetype(str(FOLDER / name), 40) for name in NARROW]
    return {sign: [glyph_image(face, sign) for face in plain] for sign in SIGNS}


def draws_all(path):
    """Every letter and digit leaves ink, no two leave the same (but for l, I, O and 0), and most look like
    the plain ones."""
    face, seen, alike = ImageFont.truetype(str(path), 40), {}, []
    for sign in SIGNS:
        form = glyph_image(face, sign)
        if form is None:
            return False
        bits = form.tobytes() + bytes([len(sign)])
        if bits in seen and not {sign, seen[bits]} & set("lIO0"):
            return False
        seen[bits] = sign
        alike.append(max(np.corrcoef(form.ravel(), plain.ravel())[0, 1] for plain in plain_forms()[sign]))
    return float(np.nanmean(alike)) > 0.6


@lru_cache
def full(test):
    """Faces of the full domain for training or for tests, family by family. To try every face takes long, so what
    was found is kept for the next time, until a package or this file changes."""
    names = [str(path.relative_to(FOLDER)) for path in sorted(FOLDER.glob("*/**/*.[to]tf"))]
    key = zlib.crc32("\n".join([str(test), Path(__file__).read_text(), *names]).encode())
    kept = Path(tempfile.gettempdir()) / f"phiscope-faces-{key:08x}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    families = {}
    for name in names:
        stem = Path(name).stem
        left_out = LEFT_OUT.search(stem) and not NOTO.match(stem)
        if not left_out and is_unseen(name) == test and "X11" not in name:
            families.setdefault(family(name), []).append(name)
    checked = [[n for n in names if draws_all(FOLDER / n)] for names in families.values()]
    checked = [names for names in checked if names]
    kept.write_text(json.dumps(checked))
    return checked
