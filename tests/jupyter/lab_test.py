# SPDX-License-Identifier: GPL-3.0-or-later
"""JupyterLab in headless Chromium with the kernel: the chart sample with its picture and an answer that grows, one that is
interrupted, an earlier cell edited and run again. lab_test.py [SCREENSHOT.png]; tests/jupyter/run calls it."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import nbformat
from playwright.sync_api import sync_playwright

SAMPLES = os.environ["PHISCOPE_SAMPLES"]
CELLS = [
    ":load chart.png\nCould you please introduce this stock to me?",
    ":foreach " + " ".join(["page.png"] * 200) + ' "What does the page say?"',
    ":info",
]


def start_lab(folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    lab = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=",
         "--allow-root", f"--ServerApp.root_dir={folder}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/lab/tree/sample.ipynb?reset"
    for _ in range(240):
        try:
            urllib.request.urlopen(url)
            return lab, url
        except OSError:
            time.sleep(0.5)
    raise SystemExit("JupyterLab does not start")


class Page:
    def __init__(self, page):
        self.page = page

    def cell(self, k):
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(k)

    def output(self, k):
        return self.cell(k).locator(".jp-OutputArea").first

    def run(self, k):
        self.cell(k).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def says(self, k, text, seconds=90):
        end = time.monotonic() + seconds
        while text not in self.output(k).inner_text():
            assert time.monotonic() < end, (text, self.output(k).inner_text())
            time.sleep(0.05)


def scenario(page, screenshot):
    lab = Page(page)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120000)
    page.wait_for_selector("text=phiscope | Idle", timeout=120000)
    lab.run(0)
    grown, end = set(), time.monotonic() + 90
    while time.monotonic() < end:
        markdown = lab.output(0).locator(".jp-RenderedMarkdown")
        if markdown.count():
            grown.add(markdown.last.inner_text())
        if any("39 for Mon" in t and t.rstrip().endswith("Mon.") for t in grown):
            break
        time.sleep(0.02)
    assert len(grown) > 2, grown
    assert lab.output(0).locator("img").count() >= 1, "no picture"
    print(f"ok 1 - the chart with its picture; the answer was seen in {len(grown)} states")
    lab.run(1)
    lab.says(1, "(2 of 200)")
    begun = time.monotonic()
    lab.cell(1).locator(".cm-content").click()
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("i")
    lab.says(1, "KeyboardInterrupt", 20)
    print(f"ok 2 - interrupted within {time.monotonic() - begun:.1f} s, and the part is kept")
    lab.cell(0).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(":load chart.png\nWhich day is the lowest?")
    page.keyboard.press("Shift+Enter")
    lab.says(0, "lowest is 39")
    assert lab.output(0).locator("img").count() == 1
    lab.run(2)
    lab.says(2, "model    default")
    print("ok 3 - an earlier cell, edited, has another answer in its place; the kernel goes on")
    lab.cell(0).scroll_into_view_if_needed()
    page.screenshot(path=screenshot)
    print(f"# {screenshot}\n1..3")


def main():
    screenshot = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "lab.png")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("chart.png", "page.png"):
            shutil.copy(f"{SAMPLES}/{name}", folder)
        cells = [nbformat.v4.new_code_cell(c) for c in CELLS]
        kernel = {"kernelspec": {"name": "phiscope", "display_name": "phiscope"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), f"{folder}/sample.ipynb")
        lab, url = start_lab(folder)
        try:
            with sync_playwright() as p:
                browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1100, "height": 1000})
                page.goto(url)
                scenario(page, screenshot)
                browser.close()
        finally:
            lab.terminate()
            lab.wait()


if __name__ == "__main__":
    sys.exit(main())
