"""Renderers that are never trained on, one of each kind: the test of what was learned in general. Only facts are
known of their pictures, no places of letters."""

import subprocess
import tempfile
from pathlib import Path

import cairocffi
import numpy as np
from PIL import Image, ImageFont

import content
import draw
import faces
import render_cover
from draw import Picture, Span, pick


def known(text):
    return Span(text, [None] * len(text))


def gnuplot_chart(rng, form, printed=None):
    """A bar or line chart by gnuplot's pngcairo terminal."""
    c = content.chart(rng, form, test=True, most=7)
    while not c.title:
        c = content.chart(rng, form, test=True, most=7)
    printed = bool(rng.random() < 0.6) if printed is None else printed
    size = (640, 480) if rng.random() < 0.5 else (int(rng.integers(480, 900)), int(rng.integers(360, 640)))
    data = "\n".join(f'{i} "{label}" {value}' for i, (label, value) in enumerate(zip(c.labels, c.values[0])))
    style = (
        "boxes fill solid 0.6" if form == "bar" else pick(rng, ["linespoints pt 7 lw 2", "lines lw 2", "linespoints"])
    )
    texts = [f"$d using 1:3:xtic(2) with {style} notitle"]
    if printed:
        texts.append(
            f'$d using 1:3:(sprintf("%{c.number[c.number.index(".") : -1]}", $3)) with labels offset 0,0.7 notitle'
        )
    with tempfile.TemporaryDirectory() as folder:
        script = [
            f"set terminal pngcairo size {size[0]},{size[1]}"
            + (
                f' font "{pick(rng, ["Sans", "Liberation Sans", "DejaVu Serif"])},{rng.integers(10, 15)}"'
                if rng.random() < 0.5
                else ""
            ),
            f'set output "{folder}/chart.png"',
            f'set title "{c.title}"',
            "set boxwidth 0.7",
            "set yrange [0:*]",
            "set offsets 0.6,0.6,0,0",
            "set grid y" if rng.random() < 0.4 else "",
            "unset key",
            f'set xlabel "{c.captions[0]}"',
            f'set ylabel "{c.captions[1]}"',
            f"$d << EOD\n{data}\nEOD",
            "plot " + ", ".join(texts),
        ]
        subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True, stderr=subprocess.DEVNULL)
        image = Image.open(Path(folder) / "chart.png").convert("RGB")
    return Picture(image, None, [], "chart", chart_facts(c, printed))


def chart_facts(c, printed):
    names = [known(label) for label in c.labels]
    rows = [[(n, v, known(c.number.format(v))) for n, v in zip(names, row)] for row in c.values]
    return {
        "form": c.form,
        "title": known(c.title),
        "bars": rows[0],
        "rows": rows,
        "series": c.series,
        "printed": printed,
        "number": c.number,
    }


def reportlab_table(rng):
    """A table by ReportLab as a PDF, made a picture by Poppler's pdftoppm."""
    from reportlab.lib import colors
    from reportlab.platypus import SimpleDocTemplate, Table

    lines = content.table(rng, test=True, most_cols=4, most_rows=6)
    size = int(rng.integers(10, 15))
    style = [
        ("FONTNAME", (0, 0), (-1, -1), pick(rng, ["Helvetica", "Times-Roman", "Courier"])),
        ("FONTNAME", (0, 0), (-1, 0), pick(rng, ["Helvetica-Bold", "Times-Bold", "Helvetica"])),
        ("FONTSIZE", (0, 0), (-1, -1), size),
        ("BOTTOMPADDING", (0, 0), (-1, -1), size // 2),
        ("ALIGN", (1, 0), (-1, -1), pick(rng, ["LEFT", "CENTER", "RIGHT"])),
    ]
    if rng.random() < 0.6:
        style.append(("GRID", (0, 0), (-1, -1), 0.5, pick(rng, [colors.black, colors.grey])))
    if rng.random() < 0.5:
        style.append(("BACKGROUND", (0, 0), (-1, 0), pick(rng, [colors.lightgrey, colors.lightblue, colors.beige])))
    with tempfile.TemporaryDirectory() as folder:
        page = (80 + len(lines[0]) * size * 8, 60 + len(lines) * size * 2)
        document = SimpleDocTemplate(
            f"{folder}/t.pdf", pagesize=page, leftMargin=10, rightMargin=10, topMargin=10, bottomMargin=10
        )
        document.build([Table(lines, style=style)])
        subprocess.run(
            ["pdftoppm", "-r", str(rng.integers(90, 130)), "-png", "-singlefile", f"{folder}/t.pdf", f"{folder}/t"],
            check=True,
        )
        image = Image.open(f"{folder}/t.png").convert("RGB")
    return Picture(image, None, [], "table", {"lines": [[known(cell) for cell in line] for line in lines]})


def cairo_cover(rng):
    """A cover by cairo: unseen families, photographs that were kept for tests, a layout of its own."""
    height = int(rng.integers(420, 900))
    width = int(height * rng.uniform(0.62, 0.75))
    ground = (
        render_cover.photo_ground(rng, width, height, test=True)
        if rng.random() < 0.6
        else render_cover.gradient(rng, width, height)
    )
    while True:
        title, author = render_cover.title_text(rng, True), " ".join(render_cover.author_text(rng, True))
        if draw.held_out(" ".join(title), author):
            break
    light = np.asarray(ground.convert("L"))
    pixels = np.dstack([np.asarray(ground)[..., ::-1], np.full((height, width, 1), 255, np.uint8)]).copy()
    surface = cairocffi.ImageSurface(cairocffi.FORMAT_RGB24, width, height, memoryview(pixels).cast("B"), width * 4)
    pen = cairocffi.Context(surface)
    face = draw.a_face(rng, test=True)
    pen.select_font_face(
        ImageFont.truetype(str(faces.FOLDER / face), 12).getname()[0],
        cairocffi.FONT_SLANT_NORMAL,
        cairocffi.FONT_WEIGHT_BOLD if rng.random() < 0.6 else cairocffi.FONT_WEIGHT_NORMAL,
    )

    def panel(top, bottom):
        """A strip that makes letters readable on a lively ground; returns whether the ink is to be light."""
        part = light[max(0, int(top)) : int(bottom)]
        dark = part.mean() < 128
        if part.std() > 20:
            pen.set_source_rgba(*([0] * 3 if dark else [1] * 3), rng.uniform(0.6, 0.9))
            pen.rectangle(0, top, width, bottom - top)
            pen.fill()
        return dark

    def write(text, baseline, size, white):
        pen.set_font_size(size)
        reach = pen.text_extents(text)[4]
        if reach > width * 0.9:
            pen.set_font_size(size * width * 0.9 / reach)
            reach = width * 0.9
        pen.set_source_rgb(*([1, 1, 0.95] if white else [0.05, 0.05, 0.1]))
        pen.move_to((width - reach) / 2, baseline)
        pen.show_text(text)

    lines = render_cover.wrapped(rng, [w.upper() for w in title] if rng.random() < 0.3 else title, 12)
    size, top = height * rng.uniform(0.07, 0.12), height * rng.uniform(0.08, 0.3)
    white = panel(top - size, top + size * 1.25 * (len(lines) - 1) + 0.4 * size)
    for i, line in enumerate(lines):
        write(line, top + i * size * 1.25, size, white)
    base = height * rng.uniform(0.86, 0.94)
    white = panel(base - height * 0.06, base + height * 0.03)
    write(author, base, height * 0.05, white)
    surface.flush()
    image = Image.fromarray(pixels[..., 2::-1].copy())
    return Picture(image, None, [], "cover", {"title": known(" ".join(lines)), "author": known(author)})
