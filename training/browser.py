"""A headless Chromium that turns HTML or SVG into a picture and says where each letter stands on it.

Debian package chromium, driven by Playwright's Python package."""

import io
from functools import lru_cache
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import draw
from draw import Span

PATIENCE = 600_000  # milliseconds; at the lowest priority a page may have to wait for the processor

LETTERS = """() => {
  const out = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let node;
  while (node = walker.nextNode()) {
    const parent = node.parentElement, style = getComputedStyle(parent);
    if (!node.data.trim() || style.visibility === 'hidden' || +style.opacity < 0.3 || ['STYLE', 'SCRIPT', 'TITLE', 'DESC'].includes(
        parent.tagName.toUpperCase())) continue;
    const matrix = parent.getScreenCTM ? parent.getScreenCTM() : null;
    const scale = matrix ? Math.hypot(matrix.a, matrix.b) : 1;
    const turned = matrix ? Math.abs(matrix.b) > 0.05 * scale : !!parent.closest('[data-turned]');
    const letters = [];
    for (let i = 0; i < node.length; i++) {
      range.setStart(node, i); range.setEnd(node, i + 1);
      const r = range.getBoundingClientRect();
      if (/\\s/.test(node.data[i])) {  // also the blank that a line ends with
        if (letters.length && letters.at(-1)[0] !== ' ') letters.push([' ', r.x, r.y]);
      } else if (r.width > 0) letters.push([style.textTransform === 'uppercase' ? node.data[i].toUpperCase() : node.data[i],
                                     r.x + r.width / 2, r.y + r.height / 2]);
    }
    const owner = parent.closest('[data-role]');
    out.push([owner ? owner.dataset.role : '', parseFloat(style.fontSize) * scale, turned, letters]);
  }
  return out;
}"""


@lru_cache(maxsize=1)
def page():
    chromium = (
        sync_playwright()
        .start()
        .chromium.launch(
            executable_path=str(Path(__file__).with_name("chromium.sh")),
            args=["--no-sandbox", "--disable-lcd-text", "--force-color-profile=srgb"],
        )
    )
    tabs = {scale: chromium.new_page(device_scale_factor=scale) for scale in (1, 2)}
    for tab in tabs.values():
        tab.set_default_timeout(PATIENCE)
    return tabs


class Text:
    """A run of letters: its role in the page, the size of its type, each letter's place."""

    def __init__(self, role, size, turned, letters, scale):
        self.role, self.size, self.turned = role, size * scale, turned
        self.text = "".join(ch for ch, *_ in letters)
        self.where = [(x * scale, (y + 0.03 * size) * scale) for _, x, y in letters]

    def span(self):
        start = len(self.text) - len(self.text.lstrip())
        text = self.text.strip()
        where = self.where[start : start + len(text)]
        return Span(" " if not text else text, [None if ch == " " else w for ch, w in zip(text, where)])

    def glyphs(self):
        for ch, (x, y) in zip(self.text, self.where):
            if not ch.isspace():
                yield x, y, "" if self.turned or ch not in draw.GLYPHS else ch, self.size


def shot(markup, width, height, scale=1, whole=True):
    """The picture of a page, cut to its content if `whole`, and the texts on it."""
    tab = page()[scale]
    tab.set_viewport_size({"width": width, "height": height})
    tab.set_content(markup)
    wider = tab.evaluate("document.documentElement.scrollWidth")
    if whole and wider > width:
        tab.set_viewport_size({"width": wider, "height": height})
    texts = [Text(*t, scale) for t in tab.evaluate(LETTERS)]
    data = tab.screenshot(full_page=whole, type="png")
    image = Image.open(io.BytesIO(data)).convert("RGB")
    inside = [
        t
        for t in texts
        if all(0 <= x < image.width and 0 <= y < image.height for ch, (x, y) in zip(t.text, t.where) if ch != " ")
    ]
    return image, inside


def all_glyphs(texts):
    return [g for t in texts for g in t.glyphs()]


def joined(texts, by=" "):
    """One Span of several texts."""
    out = texts[0].span()
    for t in texts[1:]:
        out = out + by + t.span()
    return out
