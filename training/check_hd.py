"""Compares hd.py with the reference's recorded results.

    python check_hd.py GOLDENS_FOLDER        (the folder with images/ and preprocess/)
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import hd


def main():
    goldens = Path(sys.argv[1])
    record = json.loads((goldens / "preprocess/preprocess.json").read_text())
    good = bad = skipped = 0
    for picture in record["images"]:
        image = Image.open(goldens / "images" / picture["file"]).convert("RGB")
        if hashlib.sha256(image.tobytes()).hexdigest() != picture["rgb_sha256"]:
            skipped += 1   # another decoder; nothing to compare
            continue
        for case in picture["cases"]:
            canvas, _ = hd.hd_picture(image, 336, case["num_crops"])
            same = hashlib.sha256(canvas.tobytes()).hexdigest() == case["hd_rgb_sha256"]
            crops = hd.crops(canvas, 336)
            same &= hashlib.sha256(crops[1:].tobytes()).hexdigest() == case["hd_crops_sha256"]
            good, bad = good + same, bad + (not same)
            if not same:
                print("differs:", picture["file"], case["num_crops"])
    for name in ("chart_c4", "photo_c16"):
        image = Image.open(goldens / "images" / (name.split("_")[0] + ".png")).convert("RGB")
        canvas, _ = hd.hd_picture(image, 336, int(name.split("_c")[1]))
        error = np.abs(hd.crops(canvas, 336)[0] - np.load(goldens / f"preprocess/{name}_global.npy"))
        print(f"overview of {name}: largest difference {error.max():.1e}")
    print(f"{good} cases equal, {bad} differ, {skipped} pictures skipped")


if __name__ == "__main__":
    main()
