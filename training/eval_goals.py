"""The kinds of pictures and questions that the built-in model is to become good at, for eval_set.py: by the programs
that people use, and by renderers, faces and photographs that training never saw. Only facts are asked for, not
the words of an answer, so that any model can be scored.

Needs what the renderers need: see requirements.txt and README.md."""

import numpy as np

import draw
import eval_renderers
import render_cover
import render_html
import render_matplotlib
import tasks
from draw import pick

INVENTED = ["the title is", "the author is", "the values are", "the highest", "titled", "the table reads"]


def about(drawn, block, *fill):
    """A picture by `drawn` with one question of a block; `fill` names facts that stand in the question."""

    def make(rng):
        picture = drawn(rng)
        names = [f(picture.facts) for f in fill]
        return [picture], tasks.ask(rng, block, *names, test=True)

    return make


def highest(f):
    return {"last": [max(f["bars"], key=lambda bar: bar[1])[0].text]}


def some_bar(rng, f):
    return f["bars"][rng.integers(len(f["bars"]))]


def one_value(rng):
    """A default chart without printed values: one of them, to be read from the axis."""
    picture = render_matplotlib.default_bars(rng, printed=False, test=True)
    label, value, _ = some_bar(rng, picture.facts)
    picture.facts["asked"] = value
    return [picture], tasks.ask(rng, "CHART_VALUE", label.text, test=True)


def one_cell(rng):
    picture = eval_renderers.reportlab_table(rng)
    heads, *lines = picture.facts["lines"]
    line, column = pick(rng, lines), int(rng.integers(1, len(heads)))
    picture.facts["asked"] = line[column].text
    return [picture], tasks.ask(rng, "TABLE_CELL", line[0].text, heads[column].text, test=True)


def pair(rng):
    """Two to four shapes, one of them changed."""
    while True:
        before = draw.scene(rng, test=True, most=4)
        if len(before) > 1:
            break
    after, i = list(before), int(rng.integers(len(before)))
    after[i] = (before[i][0], *tasks.other_shape(rng, *before[i][1:]))
    pictures = [draw.shapes(rng, items=items) for items in (before, after)]
    shown = [{place: tasks.moved(span, n) for span, place, *_ in p.facts["items"]} for n, p in enumerate(pictures)]
    pictures[0].facts["answer"] = tasks.compare(*shown).text
    return pictures, tasks.ask(rng, "PAIR", test=True)


def other_drawing(rng):
    """A drawing of no known kind: a network, a cloud of points or waves, as matplotlib draws them."""
    import matplotlib.figure
    from PIL import Image

    fig = matplotlib.figure.Figure()
    render_matplotlib.Canvas(fig)
    ax, form = fig.add_subplot(), rng.integers(3)
    points = rng.random((int(rng.integers(8, 40)), 2))
    if form == 0:
        for a, b in rng.integers(0, len(points), (len(points), 2)):
            ax.plot(*points[[a, b]].T, color="gray")
        ax.scatter(*points.T, s=120)
    elif form == 1:
        ax.scatter(*points.T, s=rng.uniform(5, 400), c=rng.random(len(points)))
    else:
        x, y = np.meshgrid(*[np.linspace(0, rng.uniform(4, 15), 60)] * 2)
        ax.imshow(np.sin(x) + np.cos(y * rng.random()))
    ax.axis("off")
    fig.canvas.draw()
    return draw.plain(Image.fromarray(np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()))


def unknown(drawn):
    """A question that the picture cannot answer."""

    def make(rng):
        block = pick(rng, ["COVER_BOTH", "COVER_AUTHOR", "CHART_ABOUT", "CHART_HIGH"])
        return [drawn(rng)], tasks.ask(rng, block, test=True)

    return make


def default_bars(rng):
    return render_matplotlib.default_bars(rng, printed=True, test=True)


def gnuplot(form, printed=None):
    return lambda rng: eval_renderers.gnuplot_chart(rng, form, printed)


def seen_cover(rng):
    return render_cover.picture(rng, test=True)


# kind, maker (pictures and question), facts that an answer must hold, from the first picture's facts
GOALS = [
    ("matplotlib: title", about(default_bars, "CHART_TITLE"), lambda f: {"contains": [f["title"].text]}),
    (
        "matplotlib: all values",
        about(default_bars, "CHART_ABOUT"),
        lambda f: {
            "contains": [label.text for label, *_ in f["bars"]],
            "numbers": [value for _, value, _ in f["bars"]],
        },
    ),
    ("matplotlib: highest", about(default_bars, "CHART_HIGH"), highest),
    (
        "matplotlib: value from the axis",
        one_value,
        lambda f: {"numbers": [f["asked"]], "tolerance": round(f["top"] * 0.05, 3)},
    ),
    ("gnuplot bars: title", about(gnuplot("bar"), "CHART_TITLE"), lambda f: {"contains": [f["title"].text]}),
    ("gnuplot bars: highest", about(gnuplot("bar"), "CHART_HIGH"), highest),
    ("gnuplot line: title", about(gnuplot("line"), "CHART_TITLE"), lambda f: {"contains": [f["title"].text]}),
    ("gnuplot line: highest", about(gnuplot("line"), "CHART_HIGH"), highest),
    ("cover, unseen faces: title", about(seen_cover, "COVER_TITLE"), lambda f: {"contains": [f["title"].text]}),
    ("cover, unseen faces: author", about(seen_cover, "COVER_AUTHOR"), lambda f: {"contains": [f["author"].text]}),
    (
        "cover by cairo: title",
        about(eval_renderers.cairo_cover, "COVER_TITLE"),
        lambda f: {"contains": [f["title"].text]},
    ),
    (
        "cover by cairo: author",
        about(eval_renderers.cairo_cover, "COVER_AUTHOR"),
        lambda f: {"contains": [f["author"].text]},
    ),
    ("pair: 2 to 4 shapes", pair, lambda f: {"last": [f["answer"][:-1].split(". ")[-1]]}),
    ("ReportLab table: one cell", one_cell, lambda f: {"last": [f["asked"]]}),
    (
        "nothing to answer: photograph",
        unknown(
            lambda rng: draw.plain(
                render_cover.photo_ground(rng, int(rng.integers(400, 900)), int(rng.integers(300, 700)), test=True)
            )
        ),
        lambda f: {"absent": INVENTED},
    ),
    (
        "nothing to answer: screenshot",
        unknown(lambda rng: render_html.window(rng, test=True)),
        lambda f: {"absent": INVENTED},
    ),
    ("nothing to answer: other drawing", unknown(other_drawing), lambda f: {"absent": INVENTED}),
]
