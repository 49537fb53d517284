"""Charts by pygal and by Vega-Lite, as the SVG they write, shown by a browser."""

import re

import numpy as np

import browser
import content
import render_html
from draw import Picture, Span, pick


def pygal_chart(rng, c):
    import pygal
    from pygal import style as styles

    look = pick(
        rng,
        [
            styles.DefaultStyle,
            styles.DefaultStyle,
            styles.CleanStyle,
            styles.LightStyle,
            styles.BlueStyle,
            styles.RedBlueStyle,
            styles.TurquoiseStyle,
            styles.LightColorizedStyle,
            styles.DarkStyle,
        ],
    )
    look = look(
        label_font_size=int(rng.integers(10, 18)),
        title_font_size=int(rng.integers(14, 28)),
        value_font_size=int(rng.integers(10, 18)),
        legend_font_size=int(rng.integers(10, 18)),
        value_colors=("#444",) * 20,
    )
    printed = rng.random() < 0.6
    maker = {
        "bar": pygal.Bar,
        "grouped": pygal.Bar,
        "horizontal": pygal.HorizontalBar,
        "line": pygal.Line,
        "lines": pygal.Line,
        "pie": pygal.Pie,
    }[c.form]
    chart = maker(
        style=look,
        title=c.title or None,
        print_values=printed,
        width=int(rng.integers(480, 900)),
        height=int(rng.integers(360, 620)),
        show_legend=c.form in ("grouped", "lines", "pie") or rng.random() < 0.2,
        formatter=lambda v: c.number.format(v),
        js=[],
        explicit_size=True,
        print_values_position="top",
        truncate_label=-1,
    )
    if c.form == "pie":
        for label, value in zip(c.labels, c.values[0]):
            chart.add(label, value)
    else:
        chart.x_labels = c.labels
        for name, row in zip(c.series, c.values):
            chart.add(name or "value", row)
    return chart.render(is_unicode=True), printed


def vega_chart(rng, c):
    import vl_convert

    rows = [
        {"label": label, "series": name, "value": value}
        for name, row in zip(c.series, c.values)
        for label, value in zip(c.labels, row)
    ]
    label = {"field": "label", "type": "nominal", "sort": None, "title": c.captions[0] or None}
    value = {"field": "value", "type": "quantitative", "title": c.captions[1] or None}
    if rng.random() < 0.5:
        label["axis"] = {"labelAngle": 0}
    encoding, printed = {}, False
    colour = pick(rng, ["steelblue", "teal", "orange", "firebrick", "#4c78a8", "purple", "seagreen"])
    if c.form == "pie":
        mark = {"type": "arc"}
        encoding = {"theta": {"field": "value", "type": "quantitative"}, "color": {"field": "label", "type": "nominal"}}
    elif c.form in ("line", "lines"):
        mark = {"type": "line", "point": rng.random() < 0.7, "color": colour}
        encoding = {"x": label, "y": value}
    else:
        mark = {"type": "bar", "color": colour}
        encoding = {"y": label, "x": value} if c.form == "horizontal" else {"x": label, "y": value}
        if c.form == "grouped":
            encoding["xOffset"] = {"field": "series"}
    if len(c.series) > 1:
        encoding["color"] = {"field": "series", "type": "nominal"}
    layers = [{"mark": mark}]
    if c.form in ("bar", "line", "horizontal") and rng.random() < 0.6:
        printed = True
        shift = {"dx": 14} if c.form == "horizontal" else {"dy": -9}
        number = ("," if "," in c.number else "") + "." + c.number[c.number.index(".") + 1] + "f"
        layers.append({"mark": {"type": "text", **shift}, "encoding": {"text": {"field": "value", "format": number}}})
    config = (
        {}
        if rng.random() < 0.4
        else {
            "axis": {"labelFontSize": int(rng.integers(10, 17)), "titleFontSize": int(rng.integers(10, 17))},
            "title": {"fontSize": int(rng.integers(13, 24)), "anchor": pick(rng, ["start", "middle"])},
            "text": {"fontSize": int(rng.integers(10, 16))},
        }
    )
    spec = {
        "data": {"values": rows},
        "title": c.title or None,
        "encoding": encoding,
        "layer": layers,
        "config": config,
        "width": int(rng.integers(260, 640)),
        "height": int(rng.integers(200, 420)),
        "background": "white",
        "padding": int(rng.integers(4, 24)),
    }
    return vl_convert.vegalite_to_svg({k: v for k, v in spec.items() if v is not None}), printed


def near(candidates, label, upright):
    """The text beside the label's bar: on one line with it, or above it."""

    def away(t):
        centre, own = np.mean(t.where, 0), np.mean([w for w in label.where if w], 0)
        return abs(centre[1] - own[1]) if not upright else abs(centre[0] - own[0])

    return min(candidates, key=away).span() if candidates else None


def picture(rng, test=False):
    form = pick(rng, ["bar"] * 4 + ["horizontal"] * 2 + ["line"] * 3 + ["grouped", "lines", "pie"])
    c = content.chart(rng, form, test)
    maker = vega_chart if rng.random() < 0.5 else pygal_chart
    svg, printed = maker(rng, c)
    svg = svg[svg.index("<svg") :]
    size = [round(float(re.search(rf'<svg[^>]* {side}="([0-9.]+)', svg).group(1))) for side in ("width", "height")]
    face = (
        f"<style>text{{font-family:{render_html.family(rng, test)} !important}}</style>" if rng.random() < 0.4 else ""
    )
    markup = f"<!doctype html><meta charset=utf-8>{face}<body style='margin:0;background:white'>{svg}"
    image, texts = browser.shot(markup, *size, whole=False)
    title = [t for t in texts if t.text.strip() == c.title] or [  # or in several lines
        t for t in texts if len(t.text.strip()) > 3 and t.text.strip() in c.title
    ]
    names = [
        next((t.span() for t in texts if t.text.strip() == label), Span(label, [None] * len(label)))
        for label in c.labels
    ]
    rows = []
    for row in c.values:
        written = [c.number.format(v) for v in row]
        seen = [
            near([t for t in texts if t.text.strip() == w and not t.turned], name, form != "horizontal")
            if printed and any(name.where)
            else None
            for w, name in zip(written, names)
        ]
        rows.append([(name, v, s or content.read_off(v, max(row))) for name, v, s in zip(names, row, seen)])
    return Picture(
        image,
        None,
        browser.all_glyphs(texts),
        "chart",
        {
            "form": form,
            "title": browser.joined(title) if title else None,
            "bars": rows[0],
            "rows": rows,
            "series": c.series,
            "printed": printed,
            "number": c.number,
        },
    )
