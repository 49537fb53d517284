# SPDX-License-Identifier: MIT
"""What the comparison keeps on disk, all of it under one folder: Pythons, weights, each program's format of them. Needs
nothing beyond Python itself, since it also makes the Python that has more."""
import glob
import os
import shutil
import subprocess
import sys
import venv

import watcher

HERE = os.path.dirname(os.path.abspath(__file__))
DEFAULT = "~/.cache/phiscope-peers"


def work_dir(args):
    for i, word in enumerate(args):
        if word == "--work" and i + 1 < len(args):
            return args[i + 1]
        if word.startswith("--work="):
            return word.split("=", 1)[1]
    return os.path.expanduser(DEFAULT)


def requirements(name):
    return os.path.join(HERE, f"requirements-{name}.txt" if name else "requirements.txt")


def environment(work, name=""):
    """The Python of a peer, or without a name that of the comparison itself; made on the first call. A list of
    requirements that begins with "# complete" names all that is needed, and nothing else is installed."""
    path = os.path.join(work, f"venv-{name}" if name else "venv")
    python, stamp = os.path.join(path, "bin", "python"), os.path.join(path, "requirements.txt")
    with open(requirements(name)) as f:
        wanted = f.read()
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return python
    print(f"compare: installing {name or 'numpy'} into {path}", file=sys.stderr, flush=True)
    venv.create(path, with_pip=True)
    alone = ["--no-deps"] if wanted.startswith("# complete") else []
    done = subprocess.run([python, "-m", "pip", "install", "-q", *alone, "-r", requirements(name)], stderr=subprocess.PIPE,
                          text=True)
    if done.returncode:
        raise RuntimeError(f"{name or 'numpy'} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    with open(stamp, "w") as f:
        f.write(wanted)
    return python


def launch(script, doc):
    """What `compare` and `agree` do: runs a script of this folder, watched, in the comparison's Python."""
    args = sys.argv[1:]
    if "-h" in args or "--help" in args:
        print(doc)
        sys.exit(0)
    work = os.path.abspath(work_dir(args))
    os.makedirs(work, exist_ok=True)
    watcher.watched()
    try:
        python = environment(work)
    except RuntimeError as e:
        sys.exit(f"compare: {e}")
    os.execv(python, [python, os.path.join(HERE, script), *args, "--work", work])


def with_code(work, folder, code):
    """A model folder that also has the published Python files, which some programs want in it: links to the one and copies
    of the others. They are never part of this project."""
    if not code:
        return folder
    path = os.path.join(work, "with-code-" + os.path.basename(os.path.normpath(folder)))
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    for name in os.listdir(folder):
        os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(path, name))
    files = glob.glob(os.path.join(code, "*_phi3_v.py"))
    if not files:
        raise SystemExit(f"compare: {code} has none of the published files, such as modeling_phi3_v.py")
    for file in files:
        target = os.path.join(path, os.path.basename(file))
        if os.path.lexists(target):
            os.unlink(target)
        shutil.copyfile(file, target)
    return path


def warm(path):
    """Has the system hold a file, or a folder's files: other processes may have pushed them out of memory."""
    for at, _, names in os.walk(path) if os.path.isdir(path) else [(os.path.dirname(path), [], [os.path.basename(path)])]:
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                while f.read(1 << 24):
                    pass


def one_model(work, folder):
    """Refuses a folder whose formats of the weights are another model's."""
    stamp, path = os.path.join(work, "model.txt"), os.path.realpath(folder)
    if not os.path.exists(stamp):
        with open(stamp, "w") as f:
            f.write(path + "\n")
    with open(stamp) as f:
        known = f.read().strip()
    if known != path:
        raise SystemExit(f"compare: {work} has formats of {known}: another model needs another --work, or --clean all first")


# -- Disk use --


def kept(work, peers):
    """Paths by whom they serve."""
    patterns = {"ours": ["ours-*", "ours.log"],
                "weights": ["weights", "small", "small-*", "with-code-*", "*.png", "model.txt"], "python": ["venv"]}
    for name in peers:
        patterns[name] = [f"venv-{name}", f"venv-{name}-*", f"{name}-*", f"{name}.log", f"hf-{name}"]
    patterns["llama"] += ["decoder-*.gguf*", "tower-f16.gguf*", "stub.gguf*"]
    return {name: sorted(p for pattern in some for p in glob.glob(os.path.join(glob.escape(work), pattern)))
            for name, some in patterns.items()}


def size(paths):
    """Bytes on disk; a file with several names counts once."""
    seen, total = set(), 0
    for top in paths:
        files = [top] + [os.path.join(at, n) for at, folders, names in os.walk(top) for n in folders + names]
        for file in files:
            entry = os.lstat(file)
            if entry.st_ino not in seen:
                seen.add(entry.st_ino)
                total += entry.st_blocks * 512
    return total


def clean(work, peers, names):
    """Says what each part takes, and removes those named; "all" names all. Results stay."""
    parts = kept(work, peers)
    unknown = [n for n in names if n not in parts and n != "all"]
    if unknown:
        raise SystemExit(f"compare: --clean knows no {', '.join(unknown)}, but all, {', '.join(parts)}")
    for name, paths in parts.items():
        if not paths:
            continue
        gone = name in names or "all" in names
        print(f"{name:20} {size(paths) / 1e9:7.2f} GB  {'removed' if gone else 'kept'}: "
              f"{', '.join(os.path.basename(p) for p in paths)}")
        for path in paths if gone else []:
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    if not names:
        print("compare --clean all, or --clean with some of these names and commas between them, removes them")
