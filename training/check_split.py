"""Sees that nothing kept for tests can get into training: faces, words, photographs, titles, renderers.

    python check_split.py
"""

import ast
from pathlib import Path

import numpy as np

import content
import draw
import faces
import questions
import render
import render_cover

HERE = Path(__file__).parent
TESTS_ONLY = {"eval_renderers", "eval_goals", "eval_set"}


def imported(module, seen):
    """The package's own modules that a module needs, itself among them."""
    path = HERE / f"{module}.py"
    if module in seen or not path.exists():
        return seen
    seen.add(module)
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            imported(name, seen)
    return seen


def apart(what, train, test):
    train, test = set(train), set(test)
    assert train and test and not train & test, f"{what}: {len(train & test)} of {len(test)} are in both"
    print(f"{what}: {len(train)} to train on, {len(test)} for tests")


def main():
    draw.Domain.full = True
    apart("families of faces", *(map(faces.family, sum(faces.full(test), [])) for test in (False, True)))
    apart("words", *(content.dictionary(test) for test in (False, True)))
    apart("photographs", *(render_cover.photographs(test) for test in (False, True)))
    for block in questions.BLOCKS:
        trained, kept = (set(sum(questions.SPLITS[test][block], [])) for test in (False, True))
        assert not trained & kept, f"{block}: a phrasing is in both"
    rng = np.random.default_rng(1)
    apart("titles of 2000 charts", *([content.chart_title(rng, test) for _ in range(2000)] for test in (False, True)))
    used = set()
    for module in ["train", "features", "render", *(f"render_{kind}" for kind in render.KINDS)]:
        imported(module, used)
    assert not used & TESTS_ONLY, f"training imports {used & TESTS_ONLY}"
    print(f"modules: {len(used)}, none of those for tests only")


if __name__ == "__main__":
    main()
