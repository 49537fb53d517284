"""Greedy answers on held-out pictures, exact match for each kind of question.

    python evaluate.py ../models/default [COUNT]

Pictures come from the training generator, with seeds of their own and with titles, title-author
combinations and arrangements of shapes that training never draws; faces and word lists are those of
training. Some titles are invented words."""

import sys

import numpy as np

import ask
import tasks

SEED = 977


def cases(rng):
    """(name, pictures, question, truth)"""
    def one(name, kind, maker):
        picture = tasks.DRAWN[kind](rng, test=True)
        question, answer = maker(rng, picture.facts)
        return name, [picture], question, answer.text

    yield one("chart: describe", "chart", tasks.chart_about)
    yield one("chart: highest", "chart", tasks.chart_high)
    yield one("chart: lowest", "chart", tasks.chart_low)
    yield one("chart: value", "chart", tasks.chart_value)
    yield one("cover: title and author", "cover", tasks.cover_both)
    yield one("cover: title", "cover", tasks.cover_title)
    yield one("cover: author", "cover", tasks.cover_author)
    yield one("shapes: describe", "shapes", tasks.shapes_about)
    yield one("shapes: count", "shapes", tasks.shapes_count)
    yield one("shapes: colour", "shapes", tasks.shapes_colour)
    yield one("page: read", "page", tasks.page_read)
    for name, maker in (("pair: difference", tasks.shape_pair), ("pair: two kinds", tasks.mixed_pair),
                        ("nothing known", tasks.unknown), ("no picture", tasks.no_picture)):
        sample = maker(rng, test=True) if "pair" in name else maker(rng)
        question, answer = sample.turns[0]
        yield name, sample.pictures, question, answer.text


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
        for name, pictures, question, truth in cases(np.random.default_rng([SEED, i])):
            got = ask.ask(model, [p.image for p in pictures], question)
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
