"""Charts by matplotlib, pandas and seaborn: default and other styles, sizes, forms, with and without values,
captions, grids and legends. Where each letter is drawn is learned from the renderer's own calls."""

import logging
import warnings
from functools import lru_cache

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from PIL import Image, ImageDraw

import content
import draw
import faces
from draw import Picture, Span, pick

FORMS = ["bar"] * 5 + ["horizontal"] * 2 + ["line"] * 3 + ["grouped"] * 2 + ["lines", "pie", "pie"]
STYLES = [s for s in plt.style.available if not s.startswith("_") and s not in ("Solarize_Light2", "classic")]


class Written:
    """A text that the renderer drew: its letters, each with its place, and the artist it belongs to."""

    def __init__(self, text, where, size, upright, artist):
        self.text, self.where, self.size, self.upright, self.artist = text, where, size, upright, artist

    def span(self):
        return Span(self.text, [None if ch == " " else w for ch, w in zip(self.text, self.where)])

    def glyphs(self):
        for ch, (x, y) in zip(self.text, self.where):
            if ch != " ":
                yield x, y, ch if self.upright and ch in draw.GLYPHS else "", self.size


class Recorder(RendererAgg):
    """The usual renderer, which also keeps a list of what it has written."""

    def __init__(self, *args):
        super().__init__(*args)
        self.written = []

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
        size = prop.get_size_in_points() * self.dpi / 72
        reach = [self.get_text_width_height_descent(s[:i], prop, ismath)[0] for i in range(len(s) + 1)]
        across, up = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        where = [
            (x + across * (a + b) / 2 - up * 0.33 * size, y - up * (a + b) / 2 - across * 0.33 * size)
            for a, b in zip(reach, reach[1:])
        ]
        upright = abs(angle) < 3 and not ismath
        self.written.append(Written(s, [(float(a), float(b)) for a, b in where], size, upright, mtext))


class Canvas(FigureCanvasAgg):
    def get_renderer(self):
        if getattr(self, "recorder", None) is None or (self.recorder.width, self.recorder.height) != tuple(
            self.figure.bbox.size
        ):
            self.recorder = self.renderer = Recorder(*self.figure.bbox.size, self.figure.dpi)
        return self.recorder


def nearest_colour(rgb):
    """Number of the named colour that is clearly nearest."""
    distance = [np.linalg.norm(np.array(rgb[:3]) * 255 - np.array(c)) for c in draw.COLOURS.values()]
    return int(np.argmin(distance)) + 1 if min(distance) < 90 else draw.OTHER_COLOUR


def value_of(kind, colour):
    return draw.OBJECTS.index(kind) * 16 + nearest_colour(colour)


def mark(pen, height, kind, points, colour):
    points = [(float(x), float(height - y)) for x, y in points]
    pen.polygon(points, fill=value_of(kind, colour))


def objects(fig, size):
    """A mask of bars, slices and the points of lines."""
    mask = Image.new("L", size, 0)
    pen, height = ImageDraw.Draw(mask), size[1]
    for ax in fig.axes:
        for patch in ax.patches:
            colour, path = patch.get_facecolor(), patch.get_transform().transform_path(patch.get_path())
            kind = "slice" if isinstance(patch, matplotlib.patches.Wedge) else "bar"
            for polygon in path.to_polygons():
                if len(polygon) > 2:
                    mark(pen, height, kind, polygon, colour)
        for line in ax.lines:
            if line.get_marker() in (None, "None", ""):
                continue
            r = line.get_markersize() * fig.dpi / 144
            for x, y in line.get_transform().transform(line.get_xydata()):
                mark(
                    pen,
                    height,
                    "marker",
                    [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
                    matplotlib.colors.to_rgba(line.get_color()),
                )
    return mask


@lru_cache
def families(test):
    """Names of the families, by which the program finds their faces. To add one later would make it search anew."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # a weight that a family lacks
    names = []
    for family in draw.Domain.faces(test):
        for face in family:
            font_manager.fontManager.addfont(str(faces.FOLDER / face))
        names.append(font_manager.FontProperties(fname=str(faces.FOLDER / family[0])).get_name())
    return names


def settings(rng, test):
    """Changes of the program's defaults; none in many cases."""
    rc = {}
    if rng.random() < 0.35:
        rc["font.family"] = pick(rng, families(test))
        rc["font.weight"] = pick(rng, ["normal", "normal", "bold"])
    if rng.random() < 0.35:
        rc["font.size"] = float(rng.uniform(8, 16))
    if rng.random() < 0.2:
        rc["axes.titlesize"] = float(rng.uniform(10, 24))
    if rng.random() < 0.1:
        rc["axes.titleweight"] = "bold"
    if rng.random() < 0.12:
        rc["axes.titlelocation"] = "left"
    if rng.random() < 0.2:
        rc["axes.grid"] = True
    if rng.random() < 0.3:
        rc["axes.spines.top"] = rc["axes.spines.right"] = False
    return rc


def colours(rng, count):
    """None: the program's own choice."""
    chance = rng.random()
    if chance < 0.5:
        return None
    if chance < 0.75:
        name = pick(rng, list(matplotlib.colors.CSS4_COLORS))
        return [matplotlib.colors.to_rgba(name)] * count
    return [tuple(rng.random(3)) for _ in range(count)]


def plot(rng, ax, c):
    """Draws the data; returns the artists of the printed values, by series and category."""
    at, shown = np.arange(len(c.labels)), []
    form, wanted = c.form, rng.random() < 0.6
    tint = colours(rng, max(len(c.labels), len(c.series)))
    if form in ("bar", "horizontal"):
        many = (
            {"color": tint}
            if tint
            else {"color": plt.rcParams["axes.prop_cycle"].by_key()["color"]}
            if rng.random() < 0.1
            else {}
        )
        draw_bars = ax.bar if form == "bar" else ax.barh
        bars = draw_bars(c.labels, c.values[0], rng.uniform(0.4, 0.9) if rng.random() < 0.4 else 0.8, **many)
        if form == "horizontal" and rng.random() < 0.5:
            ax.invert_yaxis()
        if wanted:
            shown.append(ax.bar_label(bars, [c.number.format(v) for v in c.values[0]], padding=rng.uniform(0, 4)))
            if rng.random() < 0.5:
                ax.margins(**{"y" if form == "bar" else "x": 0.1})
    elif form == "grouped":
        width = 0.8 / len(c.series)
        for i, (name, row) in enumerate(zip(c.series, c.values)):
            color = {"color": tint[i]} if tint and len(set(tint)) > 1 else {}
            bars = ax.bar(at + (i - (len(c.series) - 1) / 2) * width, row, width, label=name, **color)
            if wanted:
                shown.append(ax.bar_label(bars, [c.number.format(v) for v in row], fontsize="small", padding=1))
        ax.set_xticks(at, c.labels)
        ax.legend()
    elif form in ("line", "lines"):
        marker = pick(rng, ["o", "o", "s", "^", "D", "", "."])
        for i, (name, row) in enumerate(zip(c.series, c.values)):
            color = {"color": tint[i]} if tint and len(set(tint)) > 1 else {}
            ax.plot(
                c.labels, row, marker=marker, linestyle=pick(rng, ["-", "-", "-", "--"]), label=name or None, **color
            )
            if wanted and form == "line":
                shown.append(
                    [
                        ax.annotate(c.number.format(v), (x, v), (0, 5), textcoords="offset points", ha="center")
                        for x, v in zip(at, row)
                    ]
                )
        if form == "lines":
            ax.legend()
    elif form == "pie":
        digits = int(rng.integers(2))
        extra = {"startangle": 90} if rng.random() < 0.5 else {}
        parts = ax.pie(c.values[0], labels=c.labels, **({"autopct": f"%.{digits}f%%"} if wanted else {}), **extra)
        c.values, c.number = [(100 * np.array(c.values[0]) / sum(c.values[0])).tolist()], f"{{:.{digits}f}}%"
        shown += parts[2:]
    return shown


def frame_plot(rng, ax, c):
    """The same by pandas or seaborn."""
    import pandas
    import seaborn

    frame = pandas.DataFrame(dict(zip([n or "value" for n in c.series], c.values)), index=c.labels)
    wanted = rng.random() < 0.5
    if rng.random() < 0.5:
        kind = {"bar": "bar", "horizontal": "barh", "grouped": "bar", "line": "line", "lines": "line"}[c.form]
        frame.plot(
            kind=kind, ax=ax, legend=len(c.series) > 1, **({"rot": 0} if kind == "bar" and rng.random() < 0.7 else {})
        )
    else:
        long = frame.reset_index(names="name").melt("name", var_name="series", value_name="amount")
        hue = {"hue": "series"} if len(c.series) > 1 else {}
        if c.form in ("line", "lines"):
            seaborn.lineplot(long, x="name", y="amount", marker="o", ax=ax, **hue)
        elif c.form == "horizontal":
            seaborn.barplot(long, y="name", x="amount", ax=ax, **hue)
        else:
            seaborn.barplot(long, x="name", y="amount", ax=ax, **hue)
        ax.set(xlabel="", ylabel="")
    if wanted and c.form in ("bar", "horizontal"):
        return [
            [t for bars in ax.containers for t in ax.bar_label(bars, [c.number.format(v) for v in bars.datavalues])]
        ]
    return []


def drawn(fig):
    """Draws the figure and returns what was written."""
    fig.canvas.get_renderer().written.clear()
    fig.canvas.draw()
    return fig.canvas.get_renderer().written


def inside(fig, written):
    width, height = fig.bbox.size
    return all(0 < x < width and 0 < y < height for w in written for x, y in w.where)


def picture(rng, test=False):
    """One chart: image, glyphs, objects and facts."""
    c = content.chart(rng, pick(rng, FORMS), test, most=8 if rng.random() < 0.3 else 7)
    style = [] if rng.random() < 0.6 else [pick(rng, STYLES)]
    size, dpi = (6.4, 4.8), 100.0
    if rng.random() < 0.5:
        size = (float(rng.uniform(4.5, 9)), float(rng.uniform(3.2, 6.5)))
    if rng.random() < 0.2:
        dpi = float(rng.integers(72, 160))
    with warnings.catch_warnings(), plt.style.context(style), plt.rc_context(settings(rng, test)):
        warnings.simplefilter("ignore")
        fig = matplotlib.figure.Figure(size, dpi)
        Canvas(fig)
        ax = fig.add_subplot()
        by_frame = c.form != "pie" and rng.random() < 0.25
        shown = (frame_plot if by_frame else plot)(rng, ax, c)
        title = ax.set_title(c.title) if c.title and rng.random() < 0.92 else fig.suptitle(c.title) if c.title else None
        if c.form != "pie":
            ax.set(xlabel=c.captions[0], ylabel=c.captions[1])
            if rng.random() < 0.15:
                ax.tick_params(axis="x", rotation=pick(rng, [30, 45, 90]))
            if rng.random() < 0.1:
                ax.yaxis.set_visible(False)
        if rng.random() < 0.4:
            fig.tight_layout()
        written = drawn(fig)
        if not inside(fig, written):
            fig.tight_layout()
            written = drawn(fig)
            assert inside(fig, written), "some of the text does not fit"
        pixels = np.asarray(fig.canvas.buffer_rgba())[..., :3]
        image = Image.fromarray(pixels.copy())
        mask = objects(fig, image.size)
    glyphs = [g for w in written for g in w.glyphs()]
    return Picture(image, mask, glyphs, "chart", facts(c, written, title, shown, fig))


def found(written, artist=None, text=None):
    """The Span of what an artist wrote, or of the first text like this."""
    for w in written:
        if (artist is not None and w.artist is artist) or (artist is None and w.text == text):
            return w.span()
    return None


def read_off(c, fig, i, value):
    """A value that is not printed, as exactly as an axis tells it, with the place of the bar's end or the point."""
    ax = fig.axes[0]
    if c.form == "pie":
        return Span(c.number.format(value), [None] * len(c.number.format(value)))
    low, high = ax.get_xlim() if c.form == "horizontal" else ax.get_ylim()
    x, y = ax.transData.transform((value, i) if c.form == "horizontal" else (i, value))
    return content.read_off(value, abs(high - low), (float(x), float(fig.bbox.height - y)))


def facts(c, written, title, shown, fig):
    """What the chart says: the facts that tasks.py asks for, with the places of its letters."""
    names = [found(written, text=label) or Span(label, [None] * len(label)) for label in c.labels]
    printed = [[found(written, artist) for artist in row] for row in shown]
    rows = [
        [
            (name, value, printed[j][i] if printed else read_off(c, fig, i, value))
            for i, (name, value) in enumerate(zip(names, row))
        ]
        for j, row in enumerate(c.values)
    ]
    return {
        "form": c.form,
        "title": found(written, title) if title else None,
        "bars": rows[0],
        "rows": rows,
        "series": c.series,
        "printed": bool(printed),
        "number": c.number,
    }


def default_bars(rng, printed, test=False):
    """The chart of the program's own first example: nothing is set but a title and, if `printed`, the values."""
    c = content.chart(rng, "bar", test)
    while not c.title:
        c = content.chart(rng, "bar", test)
    with plt.style.context("default"):
        fig = matplotlib.figure.Figure()
        Canvas(fig)
        ax = fig.add_subplot()
        bars = ax.bar(c.labels, c.values[0])
        shown = [ax.bar_label(bars, [c.number.format(v) for v in c.values[0]])] if printed else []
        title = ax.set_title(c.title)
        written = drawn(fig)
        image = Image.fromarray(np.asarray(fig.canvas.buffer_rgba())[..., :3].copy())
        mask = objects(fig, image.size)
    return Picture(
        image,
        mask,
        [g for w in written for g in w.glyphs()],
        "chart",
        {**facts(c, written, title, shown, fig), "top": ax.get_ylim()[1]},
    )
