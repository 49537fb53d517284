"""Greedy answers of a checkpoint or a model folder on held-out pictures, exact match for each kind:
a quick look during training. The scores that count come from `phiscope eval` (eval_set.py).

    python evaluate.py ../models/default [COUNT]
"""

import sys

import numpy as np

import ask
import eval_set


def distance(a, b):
    """Edit distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def main():
    model = ask.load(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    scores, wrong = {}, {}
    for i in range(count):
        for number, (name, make, _) in enumerate(eval_set.KINDS):
            pictures, turns = make(np.random.default_rng([eval_set.SEED, number, i]))
            history = [(q, a.text) for q, a in turns[:-1]]
            question, truth = turns[-1][0], turns[-1][1].text
            got = ask.ask(model, [p.image for p in pictures], question, history)
            scores.setdefault(name, []).append((got == truth, distance(got, truth) / len(truth)))
            if got != truth:
                wrong[name] = (question, truth, got)
    for name, results in scores.items():
        exact, error = np.mean(results, 0)
        print(f"{name:26s} exact {exact:5.2f}  letters wrong {error:5.3f}")
        if name in wrong:
            print("    {}\n    truth {!r}\n    got   {!r}".format(*wrong[name]))


if __name__ == "__main__":
    main()
