"""Do the C program and this package give the same greedy answers?

    python parity.py PHISCOPE_PROGRAM ../models/default ../samples
"""

import subprocess
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
    (["landscape.jpg"], "What is in this picture?"),
    ([], "Hello"),
]


def main():
    program, folder, samples = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    model, same = ask.load(folder), 0
    for names, question in CASES:
        images = [Image.open(samples / n).convert("RGB") for n in names]
        ours = ask.ask(model, images, question)
        command = [program, "ask", "-m", folder]
        for name in names:
            command += ["-i", str(samples / name)]
        theirs = subprocess.run([*command, question], capture_output=True, text=True).stdout
        equal = theirs.rstrip("\n") == ours.rstrip("\n")
        same += equal
        print("same  " if equal else "DIFFER", ", ".join(names), "|", question, "\n   ", ours)
        if not equal:
            print("    C:", theirs)
    print(f"{same} of {len(CASES)} answers are the same")
    sys.exit(same != len(CASES))


if __name__ == "__main__":
    main()
