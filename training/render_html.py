"""Tables, pages, covers, receipts, slides, signs and windows as a browser shows them."""

from html import escape

import numpy as np
from PIL import Image, ImageFont

import browser
import content
import draw
import faces
import words
from draw import Picture, pick

GENERIC = [
    "sans-serif",
    "serif",
    "monospace",
    "system-ui",
    "Arial",
    "Helvetica",
    "Times New Roman",
    "Georgia",
    "Verdana",
]


def family(rng, test=False):
    if rng.random() < 0.35:
        return pick(rng, GENERIC)
    face = draw.a_face(rng, test)
    return "'" + ImageFont.truetype(str(faces.FOLDER / face), 12).getname()[0] + "'"


def css(colour):
    return "rgb({},{},{})".format(*colour)


def page(style, body):
    return f"<!doctype html><meta charset=utf-8><style>*{{box-sizing:border-box}} body{{margin:0}} {style}</style><body>{body}"


def part(role, text, tag="span"):
    return f'<{tag} data-role="{role}">{escape(text)}</{tag}>'


def done(image, texts, kind, **facts):
    return Picture(image, Image.new("L", image.size, 0), browser.all_glyphs(texts), kind, facts)


def by_role(texts, role):
    return [t for t in texts if t.role == role]


def zoom(rng):
    return 2 if rng.random() < 0.15 else 1


def table(rng, test=False):
    lines = content.table(rng, test)
    ink, paper = ("#222", "#fff") if rng.random() < 0.6 else map(css, draw.ink_and_paper(rng, 0.15))
    head_ink, head_paper = map(css, draw.ink_and_paper(rng, 0.5))
    size, pad = rng.integers(11, 22), rng.integers(2, 14)
    border = pick(rng, ["1px solid #999", "1px solid #ddd", "2px solid #444", "none"])
    rules = [
        f"body{{background:{paper};color:{ink};font:{size}px {family(rng, test)};padding:{rng.integers(4, 40)}px;"
        "display:inline-block}",
        f"table{{border-collapse:{pick(rng, ['collapse', 'collapse', 'separate'])}}}",
        f"td,th{{padding:{pad // 2}px {pad}px;text-align:{pick(rng, ['left', 'left', 'center', 'right'])}}}",
        pick(rng, [f"td,th{{border:{border}}}", f"tr{{border-bottom:{border}}}", f"th{{border-bottom:{border}}}"]),
    ]
    if rng.random() < 0.4:
        rules.append(f"th{{background:{head_paper};color:{head_ink}}}")
    if rng.random() < 0.4 and paper == "#fff":
        rules.append("tr:nth-child(even) td{background:#f0f2f5}")
    if rng.random() < 0.4:
        rules.append("td:not(:first-child){text-align:right}")
    if rng.random() < 0.15:
        rules.append("th{font-weight:normal}")
    caption = part("caption", content.chart_title(rng, test), "h3") if rng.random() < 0.25 else ""
    body = (
        caption
        + "<table>"
        + "".join(
            "<tr>" + "".join(part(f"c{i}.{j}", cell, "td" if i else "th") for j, cell in enumerate(line)) + "</tr>"
            for i, line in enumerate(lines)
        )
        + "</table>"
    )
    image, texts = browser.shot(page("".join(rules), body), int(rng.integers(280, 900)), 80, zoom(rng))
    cells = [[by_role(texts, f"c{i}.{j}")[0].span() for j in range(len(line))] for i, line in enumerate(lines)]
    return done(image, texts, "table", lines=cells)


def running_text(rng, test=False):
    """An article, a note or a list."""
    ink, paper = ("#222", "#fff") if rng.random() < 0.5 else map(css, draw.ink_and_paper(rng, 0.3))
    size = rng.integers(11, 30)
    blocks = []
    if rng.random() < 0.6:
        blocks.append(part("line", content.sentence(rng, 30, test), "h" + str(rng.integers(1, 4))))
    for _ in range(rng.integers(1, 5)):
        if rng.random() < 0.25:
            blocks.append(
                "<ul>"
                + "".join(part("line", content.sentence(rng, 26, test), "li") for _ in range(rng.integers(2, 6)))
                + "</ul>"
            )
        else:
            blocks.append(part("line", content.sentence(rng, int(rng.integers(20, 260)), test), "p"))
    style = (
        f"body{{background:{paper};color:{ink};font:{size}px/{rng.uniform(1.15, 1.7):.2f} {family(rng, test)};"
        f"padding:{rng.integers(6, 40)}px}} h1,h2,h3{{font-family:{family(rng, test)}}}"
    )
    image, texts = browser.shot(page(style, "".join(blocks)), int(rng.integers(260, 900)), 100, zoom(rng))
    return done(image, texts, "page", text=browser.joined(by_role(texts, "line"), "\n"))


def receipt(rng, test=False):
    """A till's slip: shop, items with prices, a sum."""
    prices = [round(float(np.exp(rng.uniform(0, 4))), 2) for _ in range(rng.integers(2, 8))]
    items = [
        (content.word(rng, test) + (" " + content.word(rng, test) if rng.random() < 0.4 else ""), p) for p in prices
    ]
    shop = " ".join(content.word(rng, test) for _ in range(rng.integers(1, 3))).upper()
    total = sum(prices)
    rows = [(name, f"{p:.2f}") for name, p in items] + [
        (pick(rng, ["TOTAL", "Total", "Sum", "Amount due"]), f"{total:.2f}")
    ]
    body = part("shop", shop, "h2") + part(
        "line", f"{rng.integers(1, 200)} {pick(rng, words.LAST_NAMES)} Street", "div"
    )
    body += (
        "<table>" + "".join(f"<tr>{part('name', n, 'td')}{part('price', p, 'td')}</tr>" for n, p in rows) + "</table>"
    )
    body += part("line", pick(rng, ["Thank you!", "THANK YOU", "Please come again", "Have a nice day"]), "p")
    size = rng.integers(12, 20)
    style = (
        f"body{{background:{pick(rng, ['#fff', '#fbf8f0', '#eee'])};color:#222;padding:{rng.integers(8, 24)}px;"
        f"font:{size}px {pick(rng, ['monospace', 'monospace', family(rng, test)])};text-align:center}}"
        "table{width:100%;text-align:left} td:last-child{text-align:right}"
        "tr:last-child td{font-weight:bold;border-top:1px dashed #444}"
    )
    image, texts = browser.shot(page(style, body), int(rng.integers(240, 420)), 100, zoom(rng))
    names, sums = by_role(texts, "name"), by_role(texts, "price")
    lines = [[n.span(), p.span()] for n, p in zip(names, sums)]
    return done(image, texts, "receipt", shop=by_role(texts, "shop")[0].span(), lines=lines, total=lines[-1][1])


def slide(rng, test=False):
    """A slide or a sign: few words, large."""
    ink, paper = map(css, draw.ink_and_paper(rng, 0.5))
    sign = rng.random() < 0.4
    if sign:
        text = [content.sentence(rng, int(rng.integers(6, 22)), test) for _ in range(rng.integers(1, 4))]
        text = [t.upper() for t in text] if rng.random() < 0.5 else text
        body = "".join(part("line", t, "div") for t in text)
        rules = "body{text-align:center;display:grid;align-content:center;border:%dpx solid %s}" % (
            rng.integers(0, 14),
            ink,
        )
    else:
        body = (
            part("line", content.sentence(rng, 28, test), "h1")
            + "<ul>"
            + "".join(part("line", content.sentence(rng, 34, test), "li") for _ in range(rng.integers(2, 6)))
            + "</ul>"
        )
        rules = "body{padding:4%}"
    size = rng.integers(22, 60)
    style = (
        f"body{{height:100vh;background:{paper};color:{ink};font:{size}px {family(rng, test)};overflow:hidden}}" + rules
    )
    width = int(rng.integers(500, 1100))
    image, texts = browser.shot(page(style, body), width, int(width * rng.uniform(0.5, 0.8)), 1, whole=False)
    return done(image, texts, "page", text=browser.joined(by_role(texts, "line"), "\n"))


def window(rng, test=False):
    """A screenshot: a dialog or a terminal."""
    face = pick(rng, ["monospace", "'DejaVu Sans Mono'", "'Liberation Mono'"])
    if rng.random() < 0.5:
        lines = []
        for _ in range(rng.integers(3, 16)):
            chance = rng.random()
            lines.append(
                f"{pick(rng, words.FIRST_NAMES).lower()}@{content.word(rng, test).lower()}:~$ {content.word(rng, test).lower()} "
                f"-{pick(rng, list('alvnxq'))} {content.word(rng, test).lower()}.{pick(rng, ['txt', 'c', 'py', 'log'])}"
                if chance < 0.4
                else f"-rw-r--r-- {rng.integers(1, 9)} root root {rng.integers(1, 99999)} {content.word(rng, test).lower()}"
                if chance < 0.6
                else content.sentence(rng, 60, test)
            )
        paper, ink = pick(
            rng, [("#111", "#ddd"), ("#000", "#3f3"), ("#fff", "#222"), ("#300a24", "#eee"), ("#002b36", "#839496")]
        )
        style = (
            f"body{{background:{paper};color:{ink};font:{rng.integers(12, 20)}px {face};padding:8px;white-space:pre}}"
        )
        image, texts = browser.shot(
            page(style, "".join(part("line", t, "div") for t in lines)), int(rng.integers(480, 900)), 120
        )
    else:
        body = (
            f"<div class=w>{part('line', content.sentence(rng, 24, test), 'header')}"
            f"{part('line', content.sentence(rng, 90, test), 'p')}<footer>"
            + "".join(
                part("line", t, "button") for t in pick(rng, [("OK",), ("Cancel", "OK"), ("No", "Yes"), ("Close",)])
            )
            + "</footer></div>"
        )
        style = (
            f"body{{background:{css(rng.integers(60, 220, 3))};padding:{rng.integers(10, 60)}px;font:{rng.integers(12, 20)}px {family(rng, test)}}}"
            ".w{background:#f4f4f4;border:1px solid #888;border-radius:6px} header{background:#dde;padding:6px 10px;font-weight:bold}"
            "p{padding:8px 14px} footer{text-align:right;padding:8px} button{font:inherit;margin-left:8px;padding:4px 14px}"
        )
        image, texts = browser.shot(page(style, body), int(rng.integers(320, 620)), 100, zoom(rng))
    return done(image, texts, "page", text=browser.joined(by_role(texts, "line"), "\n"))


MAKERS = [table] * 4 + [running_text] * 2 + [receipt, slide, slide, window]


def picture(rng, test=False):
    return pick(rng, MAKERS)(rng, test)
