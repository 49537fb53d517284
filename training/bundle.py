"""Packs what gpu.sh needs on a machine that has nothing: weights, faces with the letters of ASCII alone, and some
of the rendered pictures.

    python bundle.py RUN_FOLDER/stage1.pt FOLDER --pictures FOLDER [--mib 24] [--tower]

FOLDER is the PIECES of gpu.sh; --tower leaves the decoder out, which stage 1 does not need."""

import argparse
import io
import tarfile
from pathlib import Path

from fontTools import subset

import draw
import export
import faces
import store

ASCII = [*range(32, 127)]
LOSSY = {"cover": 90, "photo": 80}  # quality in WebP of what photographs are part of


def weights(checkpoint, folder, tower):
    named, c = export.parameters(checkpoint, tower)
    export.write_safetensors(folder / "weights.aa", named)
    export.write_heads(folder / "heads.safetensors", checkpoint)
    configs = folder / "configs"
    configs.mkdir(exist_ok=True)
    export.write_configs(configs, c)
    with tarfile.open(folder / "configs.tar", "w") as tar:
        for path in sorted(configs.iterdir()):
            tar.add(path, path.name)
            path.unlink()
    configs.rmdir()


def fonts(path):
    """All faces of the full domain for training, without the letters that are never drawn."""
    options = subset.Options(hinting=True, layout_features=["kern"], notdef_outline=True, name_IDs=["*"])
    with tarfile.open(path, "w:xz") as tar:
        for name in sorted(sum(faces.full(False), [])):
            font = subset.load_font(str(faces.FOLDER / name), options)
            subsetter = subset.Subsetter(options)
            subsetter.populate(unicodes=ASCII)
            subsetter.subset(font)
            data = io.BytesIO()
            subset.save_font(font, data, options)
            entry = tarfile.TarInfo(name)
            entry.size = len(data.getvalue())
            tar.addfile(entry, io.BytesIO(data.getvalue()))


def pictures(source, folder, room):
    """Shards of every kind by turns, packed more tightly, until `room` bytes are full."""
    shards = {d.name: sorted(d.glob("*.pickle")) for d in sorted(source.iterdir())}
    for number in range(max(map(len, shards.values()))):
        for kind, paths in shards.items():
            if number >= len(paths):
                continue
            found = [store.unpacked(entry) for entry in store.shard(paths[number])]
            path = folder / kind / paths[number].name
            path.parent.mkdir(parents=True, exist_ok=True)
            store.write(path, found, quality=LOSSY.get(kind))
            room -= path.stat().st_size
            if room < 0:
                path.unlink()
                return


def size(folder):
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--mib", type=float, default=24)
    parser.add_argument("--tower", action="store_true")
    args = parser.parse_args()
    draw.Domain.full = True
    args.folder.mkdir(parents=True, exist_ok=True)
    weights(args.checkpoint, args.folder, args.tower)
    fonts(args.folder / "fonts.tar.xz")
    pictures(args.pictures, args.folder / "pictures", args.mib * 2**20 - size(args.folder))
    print(f"{size(args.folder) / 2**20:.1f} MiB in {args.folder}")


if __name__ == "__main__":
    main()
