"""Draws a folder of held-out pictures with questions and what is known, for `phiscope eval`.

    python eval_set.py FOLDER [--count 200] [--seed 977] [--goals] [--photos FOLDER_OF_PHOTOGRAPHS]

Without --goals these are the kinds of the model's card, drawn here; with it those of eval_goals.py.
Titles, title-author combinations, arrangements of shapes and phrasings are those that training never
draws; faces and word lists are those of training. The pictures are written as lossless WebP, so that every
program sees the same. With a fixed count and seed the folder is the same each time. What is asked in a second
turn is also asked at once, about the same pictures."""

import argparse
import json
from pathlib import Path

import numpy as np

import draw
import tasks


def no_other_shapes(f):
    """Kinds of shape that the picture does not have."""
    return [s for s in draw.SHAPES if s not in [kind for _, _, kind, _ in f["items"]]]


def bars(f, which):
    label, value, _ = tasks.extreme(f, which)
    return {"last": [label.text, str(value)]}


def one(kind, maker):
    """A picture of `kind` with one question; the facts that its answer must hold."""
    def make(rng):
        picture = tasks.DRAWN[kind](rng, test=True)
        question, answer = maker(rng, picture.facts, test=True)
        return [picture], [(question, answer)]
    return make


def several(kind, *makers):
    def make(rng):
        picture = tasks.DRAWN[kind](rng, test=True)
        return [picture], [maker(rng, picture.facts, test=True) for maker in makers]
    return make


def sampled(maker):
    def make(rng):
        sample = maker(rng, test=True)
        return sample.pictures, sample.turns
    return make


def wrong_question(kind):
    def make(rng):
        picture = tasks.DRAWN[kind](rng, test=True)
        return [picture], [tasks.wrong_kind(rng, picture, test=True)]
    return make


def chart_facts(f):
    return {"contains": [label.text for label, *_ in f["bars"]],
            "numbers": [value for _, value, _ in f["bars"]]}


def conclusion(f, answer):
    """The last sentence must be this one."""
    return {"last": [answer[:-1].split(". ")[-1]]}


# kind, (pictures and turns), facts of the last turn (facts of the picture, answer)
KINDS = [
    ("cover: title and author", one("cover", tasks.cover_both),
     lambda f, a: {"contains": [f["title"].text, f["author"].text]}),
    ("cover: title", one("cover", tasks.cover_title), lambda f, a: {"contains": [f["title"].text]}),
    ("cover: author", one("cover", tasks.cover_author), lambda f, a: {"contains": [f["author"].text]}),
    ("chart: title", one("chart", tasks.chart_title), lambda f, a: {"contains": [f["title"].text]}),
    ("chart: all values", one("chart", tasks.chart_about), lambda f, a: chart_facts(f)),
    ("chart: highest", one("chart", tasks.chart_high), lambda f, a: bars(f, max)),
    ("chart: lowest", one("chart", tasks.chart_low), lambda f, a: bars(f, min)),
    ("chart: one value", one("chart", tasks.chart_value), conclusion),
    ("shapes: description", one("shapes", tasks.shapes_about),
     lambda f, a: {"contains": [f"the {tasks.PLACES[place]} is {tasks.article(s.text)}{s.text}" for s, place, *_ in f["items"]],
                   "absent": no_other_shapes(f)}),
    ("shapes: count", one("shapes", tasks.shapes_count), lambda f, a: {"numbers": [len(f["items"])]}),
    ("shapes: color", one("shapes", tasks.shapes_colour), conclusion),
    ("table: whole", one("table", tasks.table_about), lambda f, a: {}),
    ("table: one cell", one("table", tasks.table_cell), conclusion),
    ("pair: difference", sampled(tasks.shape_pair), conclusion),
    ("pair: what both show", sampled(tasks.mixed_pair), lambda f, a: {}),
    ("declined: nothing known", sampled(tasks.unknown), lambda f, a: {"contains": ["can't make out"]}),
    ("declined: wrong question, chart", wrong_question("chart"), lambda f, a: {"contains": [a[9:-1]]}),
    ("declined: wrong question, cover", wrong_question("cover"), lambda f, a: {"contains": [a[9:-1]]}),
    ("declined: no such label", one("chart", tasks.missing), conclusion),
    ("second turn: cover author", several("cover", tasks.cover_title, tasks.cover_author),
     lambda f, a: {"contains": [f["author"].text]}),
    ("second turn: chart lowest", several("chart", tasks.chart_high, tasks.chart_low),
     lambda f, a: bars(f, min)),
]


def saved(pictures, folder, name):
    """Writes the pictures; returns the names of their files."""
    names = [f"{name}-{i + 1}.webp" for i in range(len(pictures))]
    for picture, file in zip(pictures, names):
        picture.image.save(folder / file, lossless=True)
    return names


def entry(kind, make, facts, rng, folder, name):
    pictures, turns = make(rng)
    names = saved(pictures, folder, name)
    talk = [{"question": q, "answer": a.text} for q, a in turns]
    talk[-1].update(facts(pictures[0].facts, turns[-1][1].text))
    for turn in talk[:-1]:
        turn["kind"] = "first turns"
    return {"kind": kind, "images": names, "turns": talk}


def photographs(folder):
    """Real photographs, of the packages kept for tests, are to be declined: nothing on them is known."""
    import render_cover  # needs those packages
    entries = []
    for i, path in enumerate(render_cover.photographs(test=True)):
        name = f"photograph-{i}.webp"
        render_cover.photograph(path).save(folder / name, lossless=True)
        entries += [{"kind": "declined: photograph", "images": [name], "turns": [
            {"question": q, "contains": ["can't make out"]}]} for q in (
                "What is in this picture?", "Describe this image.",
                "What is the title and author of this book?", "What does this chart show?")]
    return entries


def card(args):
    """The kinds of the model's card."""
    entries = []
    for number, (kind, make, facts) in enumerate(KINDS):
        for i in range(args.count):
            rng = np.random.default_rng([args.seed, number, i])
            entries.append(entry(kind, make, facts, rng, args.folder, f"{number:02d}-{i:03d}"))
            if len(entries[-1]["turns"]) > 1:
                entries.append({**entries[-1], "kind": kind.replace("second turn", "asked at once"),
                                "turns": entries[-1]["turns"][-1:]})
    return entries


def goals(args):
    """The kinds of eval_goals.py; faces, words and names are unseen ones."""
    import eval_goals  # needs other programs
    draw.Domain.full = True
    entries = []
    for number, (kind, make, facts) in enumerate(eval_goals.GOALS):
        for i in range(args.count):
            pictures, question = attempt(make, [args.seed, 100 + number, i])
            names = saved(pictures, args.folder, f"goal-{number:02d}-{i:03d}")
            entries.append({"kind": kind, "images": names, "turns": [{"question": question, **facts(pictures[0].facts)}]})
    return entries


def attempt(make, seed):
    """The first picture of the seed that its program does not refuse (too much text for it)."""
    for again in range(20):
        try:
            return make(np.random.default_rng([*seed, again]))
        except AssertionError:
            continue
    raise RuntimeError(f"nothing could be drawn for {seed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200, help="entries of each kind")
    parser.add_argument("--seed", type=int, default=977)
    parser.add_argument("--full", action="store_true", help="unseen faces, words and names as well")
    parser.add_argument("--goals", action="store_true", help="the kinds of eval_goals.py")
    parser.add_argument("--photos", action="store_true", help="photographs of the packages kept for tests as well")
    args = parser.parse_args()
    draw.Domain.full = args.full
    args.folder.mkdir(parents=True, exist_ok=True)
    entries = (goals if args.goals else card)(args)
    if args.photos:
        entries += photographs(args.folder)
    text = json.dumps({"questions": entries}, indent=1, ensure_ascii=False)
    (args.folder / "questions.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
