# SPDX-License-Identifier: GPL-3.0-or-later
"""nbclient executes the samples as a notebook, and the same lines give the same token ids in the notebook at a terminal, in a
script and in the kernel, and the same words from a server; tests/jupyter/run calls it."""
import json
import os
import subprocess
import sys
import tempfile

import nbformat
import pexpect
from nbclient import NotebookClient

PROGRAM, SAMPLES = os.environ["PHISCOPE"], os.environ["PHISCOPE_SAMPLES"]
CELLS = [
    ":load chart.png\nCould you please introduce this stock to me?",
    ":unstage\n:load book-cover.jpg\nHelp me get the title and author information of this book?",
    ":unstage\n:load compare-1.jpg compare-2.jpg.webp\nWhat is difference in this two images?",
    ":unstage\n:load table.png\nWhat does the table say?",
]


def ids_of_notebook(path):
    cells = json.load(open(path))["cells"]
    return [c["metadata"]["phiscope"]["output_ids"] for c in cells if c["cell_type"] == "code"]


def by_script(*options):
    lines = "\n".join(CELLS) + "\n"
    done = subprocess.run([PROGRAM, "script", "--json", *options, "-"], input=lines, text=True, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_terminal(folder):
    path = f"{folder}/terminal.ipynb"
    p = pexpect.spawn(PROGRAM, ["--plain"], encoding="utf-8", timeout=60, dimensions=(40, 120), env={**os.environ, "TERM": "dumb"})
    p.expect(r"In \[1\]")
    for line in "\n".join(CELLS).split("\n"):
        p.send(line + "\r")
        if not line.startswith(":"):
            p.expect(r"Out\[\d+\]")
        p.expect(r"In \[\d+\]")
    p.send(f":save {path}\r")
    p.expect("terminal.ipynb")
    p.send(":quit\r")
    p.expect(pexpect.EOF)
    return ids_of_notebook(path)


def by_kernel(folder):
    """The notebook as nbclient leaves it, and the ids as the kernel itself saves them."""
    path = f"{folder}/kernel.ipynb"
    cells = [nbformat.v4.new_code_cell(c) for c in CELLS + [f":save {path}"]]
    nb = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "phiscope", "display_name": "phiscope"}})
    NotebookClient(nb, timeout=120, kernel_name="phiscope", resources={"metadata": {"path": os.getcwd()}}).execute()
    nbformat.validate(nb)
    for cell in nb.cells[:-1]:
        kinds = [set(o.get("data", {})) for o in cell.outputs]
        assert any("image/png" in k for k in kinds), "a cell without its picture"
        assert any("text/markdown" in k for k in kinds), "a cell without an answer"
    return nb, ids_of_notebook(path)


def by_server():
    with subprocess.Popen([PROGRAM, "serve", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as s:
        try:
            return by_script("--connect", s.stdout.readline().strip())
        finally:
            s.terminate()


def main():
    os.chdir(SAMPLES)
    with tempfile.TemporaryDirectory() as folder:
        scripted = by_script()
        ids = [line["output_ids"] for line in scripted]
        without_end = [[i for i in answer if i not in (32000, 32001, 32007)] for answer in ids]
        nb, kernel_ids = by_kernel(folder)
        terminal_ids = by_terminal(folder)
    served = by_server()
    for k, name in enumerate(("chart", "book", "comparison", "table")):
        same = [x[: len(kernel_ids[k])] == kernel_ids[k] for x in (ids[k], without_end[k])]
        assert any(same) and len(kernel_ids[k]) >= len(ids[k]) - 1, (name, ids[k], kernel_ids[k])
        assert terminal_ids[k] == kernel_ids[k], (name, terminal_ids[k], kernel_ids[k])
        assert served[k]["text"] == scripted[k]["text"], (name, served[k]["text"], scripted[k]["text"])
        assert served[k]["timing"]["decode_tokens"] == len(ids[k]), (name, served[k]["timing"], len(ids[k]))
        print(f"ok {k + 1} - {name}: {len(ids[k])} ids alike at the terminal, in a script, in the kernel; the same words served")
    print("1..4")


if __name__ == "__main__":
    sys.exit(main())
