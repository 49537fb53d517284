"""What a model's card says: answers of `phiscope eval --guess on --json` judged with those below a certainty withheld.

    python card.py FOLDER ... [--certainty 0.6] [--keep answers.jsonl.gz] [--curve]

Each FOLDER holds questions.json (eval_set.py) and answers.jsonl (what eval printed about it). Prints a table of kinds, and
with --curve what each certainty would do to all that is asked there. Withheld answers, and those that say that nothing can
be made out, count as not right, except where nothing was to be invented. --keep: all answers beside what was expected, a
line each."""

import argparse
import gzip
import json
from collections import defaultdict
from pathlib import Path

import tasks

DECLINED = tasks.CANNOT, tasks.TOO_SMALL
FACTS = "contains", "last", "numbers", "tolerance", "absent", "answer"
CERTAINTIES = 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95


def answers(folder):
    """Dicts of all answers in the folder, with the facts that were expected."""
    questions = json.loads((folder / "questions.json").read_text())["questions"]
    with open(folder / "answers.jsonl") as lines:
        for answer in map(json.loads, lines):
            if "entry" in answer:
                turn = questions[answer["entry"] - 1]["turns"][answer["turn"] - 1]
                yield {**answer, "expected": {fact: turn[fact] for fact in FACTS if fact in turn}}


def nothing_there(answer):
    """Whether only inventing would have been wrong."""
    return set(answer["expected"]) <= {"absent"}


def judged(found, certainty):
    """Of these answers: number, share shown, share right, share of the shown ones right, letters wrong in the shown."""
    shown = [a for a in found if a["certainty"] >= certainty and (a["right"] or a["text"] not in DECLINED)]
    right = sum(a["right"] for a in shown)
    silent = sum(nothing_there(a) for a in found) - sum(nothing_there(a) for a in shown)
    letters = [a["letters_wrong"] for a in shown if a["letters_wrong"] is not None]
    return (len(found), len(shown) / len(found), (right + silent) / len(found), right / len(shown) if shown else 0,
            sum(letters) / len(letters) if letters else None)


def row(name, found, certainty):
    n, shown, right, of_shown, letters = judged(found, certainty)
    wrong = "" if letters is None or nothing_there(found[0]) else f"{100 * letters:.1f} %"
    return f"| {name} | {n} | {100 * shown:.0f} % | {100 * right:.1f} % | {100 * of_shown:.0f} % | {wrong} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--certainty", type=float, default=0.0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--curve", action="store_true")
    args = parser.parse_args()
    everything = [answer for folder in args.folders for answer in answers(folder)]
    kinds = defaultdict(list)
    for answer in everything:
        kinds[answer["kind"]].append(answer)
    print("| question | asked | answered | right | of those answered | letters wrong |\n|---|---|---|---|---|---|")
    for kind, found in kinds.items():
        print(row(kind, found, args.certainty))
    if args.curve:
        asked = [answer for answer in everything if not nothing_there(answer)]
        print("\n| certainty | answered | right | of those answered |\n|---|---|---|---|")
        for certainty in CERTAINTIES:
            _, shown, right, of_shown, _ = judged(asked, certainty)
            print(f"| {certainty} | {100 * shown:.0f} % | {100 * right:.1f} % | {100 * of_shown:.0f} % |")
    if args.keep:
        with gzip.open(args.keep, "wt") as file:
            for answer in everything:
                file.write(json.dumps({k: v for k, v in answer.items() if k not in ("seconds", "withheld")}) + "\n")


if __name__ == "__main__":
    main()
