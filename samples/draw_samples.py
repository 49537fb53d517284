"""Draws the sample pictures. Needs Pillow, matplotlib, and the DejaVu and Liberation fonts.

    python draw_samples.py

This script shares no code with the generator of the training pictures."""

from pathlib import Path

import matplotlib
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

HERE = Path(__file__).parent
FONTS = "/usr/share/fonts/truetype/"
SANS = FONTS + "dejavu/DejaVuSans.ttf"
BOLD = FONTS + "dejavu/DejaVuSans-Bold.ttf"
SERIF_BOLD = FONTS + "liberation/LiberationSerif-Bold.ttf"
ARIAL_LIKE = FONTS + "liberation/LiberationSans-Regular.ttf"


def write(pen, at, text, face, size, ink, anchor="mm"):
    pen.text(at, text, fill=ink, anchor=anchor, font=ImageFont.truetype(face, size))


def chart(path, title, data):
    """data: (label, value) for each bar"""
    image = Image.new("RGB", (640, 480), "white")
    pen = ImageDraw.Draw(image)
    write(pen, (320, 34), title, BOLD, 40, "#202020")
    bottom, pitch = 428, 568 / len(data)
    unit = 300 / max(value for _, value in data)
    for n, (label, value) in enumerate(data):
        middle = 36 + pitch * (n + 0.5)
        top = bottom - value * unit
        pen.rectangle((middle - pitch / 3, top, middle + pitch / 3, bottom), fill="#2d5fd0")
        write(pen, (middle, top - 20), str(value), SANS, 32, "#202020")
        write(pen, (middle, bottom + 24), label, SANS, 30, "#202020")
    pen.line((36, bottom, 604, bottom), fill="#202020", width=2)
    image.save(HERE / path)


def book_cover():
    image = Image.new("RGB", (600, 900), "#16324f")
    pen = ImageDraw.Draw(image)
    for n, word in enumerate(("The", "Silent", "River")):
        write(pen, (300, 130 + 118 * n), word, SERIF_BOLD, 104, "#f4f1e4")
    pen.ellipse((190, 490, 410, 710), fill="#f2d22e")
    write(pen, (300, 820), "Nora Bennett", ARIAL_LIKE, 54, "#f4f1e4")
    image.save(HERE / "book-cover.jpg", quality=92)


def plot():
    """What matplotlib makes of four numbers when nothing else is asked of it."""
    matplotlib.use("agg")
    from matplotlib import pyplot
    bars = pyplot.bar(["May", "Jun", "Jul", "Aug"], [34, 52, 61, 47])
    pyplot.bar_label(bars)
    pyplot.title("Rides by Month")
    pyplot.savefig(HERE / "matplotlib-chart.png")


def photographed_cover():
    """A book on a wooden table, seen a little from the side, in the light of a window on the left."""
    book = Image.radial_gradient("L").resize((600, 880))
    book = Image.merge("RGB", [book.point(lambda v, s=s: s - v // 3) for s in (120, 165, 185)])
    pen = ImageDraw.Draw(book)
    for n in range(9):  # waves
        y = 520 + 26 * n
        pen.line([(x, y + (8 if x // 40 % 2 else -8)) for x in range(0, 601, 20)], fill="#3f6f86", width=5)
    for n, word in enumerate(("Letters", "from the", "Coast")):
        write(pen, (300, 130 + 105 * n), word, SERIF_BOLD, 88, "#fdfbf2")
    write(pen, (300, 810), "Daniel Moreau", ARIAL_LIKE, 46, "#fdfbf2")

    table = Image.effect_noise((40, 1060), 60).resize((800, 1060), Image.Resampling.BICUBIC)
    table = Image.merge("RGB", [table.point(lambda v, s=s: s + v // 4) for s in (110, 74, 44)])
    lean = (1.03, 0.035, -118.0, -0.03, 1.03, -62.0, 0.00003, 0.00002)  # from the photograph to the book
    shape = Image.new("L", book.size, 255).transform(table.size, Image.Transform.PERSPECTIVE, lean)
    edge = shape.filter(ImageFilter.GaussianBlur(1))
    shadow = ImageChops.offset(shape, 14, 18).filter(ImageFilter.GaussianBlur(12)).point(lambda v: v * 5 // 8)
    table.paste("#1c140c", mask=shadow)
    table.paste(book.transform(table.size, Image.Transform.PERSPECTIVE, lean, Image.Resampling.BICUBIC), mask=edge)
    light = Image.linear_gradient("L").rotate(90).resize(table.size).point(lambda v: 150 + v * 2 // 5)
    table = ImageChops.multiply(table, Image.merge("RGB", [light] * 3))
    grain = Image.merge("RGB", [Image.effect_noise(table.size, 9)] * 3)
    table = ImageChops.add(table, grain, 1, -128).filter(ImageFilter.GaussianBlur(0.8))
    table.save(HERE / "photographed-cover.jpg", quality=82)


def figures(path, items, **options):
    """items: (kind, colour, x, y) with x and y in the middle of the figure."""
    image = Image.new("RGB", (640, 480), "white")
    pen, r = ImageDraw.Draw(image), 60
    for kind, colour, x, y in items:
        if kind == "circle":
            pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
        elif kind == "square":
            pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
        else:
            pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    image.save(HERE / path, **options)


def page():
    image = Image.new("RGB", (800, 500), "white")
    pen = ImageDraw.Draw(image)
    for n, line in enumerate(("Winter Garden", "Open Sunday", "Ticket 25")):
        write(pen, (50, 100 + 120 * n), line, SANS, 64, "#141414", "lm")
    image.save(HERE / "page.png")


def table():
    """Three columns, two rows under a tinted header."""
    image = Image.new("RGB", (640, 400), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((20, 50, 620, 150), fill="#d8e2f0")
    for row, words in enumerate((("Item", "Price", "Stock"), ("Tea", "12", "40"), ("Juice", "35", "9"))):
        for col, word in enumerate(words):
            write(pen, (120 + 200 * col, 100 + 100 * row), word, SANS, 38, "#202020")
    for n in range(4):
        pen.line((20, 50 + 100 * n, 620, 50 + 100 * n), fill="#202020", width=2)
        pen.line((20 + 200 * n, 50, 20 + 200 * n, 350), fill="#202020", width=2)
    image.save(HERE / "table.png")


def hills():
    """A landscape: sky, sun, hills, haze. Nothing that the built-in model knows."""
    image = Image.linear_gradient("L").resize((720, 480))
    image = Image.merge("RGB", [image.point(lambda v, s=s: s + v // 4) for s in (110, 150, 190)])
    pen = ImageDraw.Draw(image)
    pen.ellipse((480, 60, 580, 160), fill="#fff0c0")
    for n, shade in enumerate(("#6f8f8a", "#4e7560", "#2f5a3c", "#1f3d27")):
        crest = [(x, 250 + 55 * n + ((x * (n + 3) * 7919 // 100) % (34 - 5 * n)) - abs(x % 240 - 120) // 3)
                 for x in range(0, 721, 30)]
        pen.polygon(crest + [(720, 480), (0, 480)], fill=shade)
    image.filter(ImageFilter.GaussianBlur(3)).save(HERE / "landscape.jpg", quality=90)


def main():
    chart("chart.png", "Solar Stock Price", [("Mon", 39), ("Tue", 64), ("Wed", 47)])
    plot()
    book_cover()
    photographed_cover()
    figures("shapes.png", [("circle", "#d72828", 108, 84), ("triangle", "#28a046", 532, 84),
                           ("square", "#f5d728", 532, 240)])
    figures("compare-1.jpg", [("triangle", "#28a046", 320, 84)], quality=92)
    figures("compare-2.jpg.webp", [("square", "#28a046", 320, 84)], format="WEBP", quality=90)
    page()
    table()
    hills()


if __name__ == "__main__":
    main()
