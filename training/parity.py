"""Writes what this package's own forward pass answers about the samples, as a file for `phiscope eval`:
the C program must give every one of these answers, letter by letter (tests/cli/eval_cli.c sees to it).

    python parity.py ../models/default ../samples/own_answers.json
    phiscope eval -m ../models/default --dtype f32 ../samples/own_answers.json
"""

import json
import sys
from pathlib import Path

from PIL import Image

import ask

CASES = [
    (["chart.png"], "Could you please introduce this stock to me?"),
    (["chart.png"], "Which bar is the highest?"),
    (["chart.png"], "What is the value of Tue?"),
    (["book-cover.jpg"], "Help me get the title and author information of this book?"),
    (["book-cover.jpg"], "Who wrote this book?"),
    (["compare-1.jpg", "compare-2.jpg.webp"], " What is difference in this two images?"),
    (["shapes.png"], "Describe this picture."),
    (["page.png"], "Read the text."),
    (["table.png"], "Read the table."),
    (["landscape.jpg"], "What is in this picture?"),
    ([], "Hello"),
]


def main():
    folder, path = sys.argv[1], Path(sys.argv[2])
    model, questions = ask.load(folder), []
    for names, question in CASES:
        images = [Image.open(path.parent / n).convert("RGB") for n in names]
        answer = ask.ask(model, images, question)
        print(", ".join(names), "|", question, "\n   ", answer)
        questions.append({"kind": "as trained", "images": names,
                          "turns": [{"question": question, "answer": answer}]})
    path.write_text(json.dumps({"questions": questions}, indent=1) + "\n")


if __name__ == "__main__":
    main()
