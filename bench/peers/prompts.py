# SPDX-License-Identifier: MIT
"""Prompts for programs that take them as text only, and pictures that such a program's caches cannot know yet."""
import numpy as np
from PIL import Image

BOS = 1
FIRST_SPECIAL = 32000  # with the three below 3: the tokens that the chat format is written in
PATCH = 14


def about_picture(question):
    """The user's words, without the chat format around them."""
    return f"<|image_1|>\n{question}"


def _stretches(ids):
    """Special tokens one by one, and what stands between them."""
    run = []
    for i in ids:
        if i >= FIRST_SPECIAL or i < 3:
            if run:
                yield run
            yield [i]
            run = []
        else:
            run.append(i)
    if run:
        yield run


def text_of(ids, decode, encode):
    """The text that a program's own tokenizer turns into these ids, <s> in front. Each stretch is decoded on its own, as
    each is encoded on its own: the space in front of a stretch belongs to the encoding, not to the text."""
    text = "".join(decode(s) for s in _stretches(ids[1:]))
    if ids[0] != BOS or encode(text) != ids:
        raise ValueError("this program takes text, and its tokenizer makes these ids of none")
    return text


def picture(path, shown):
    """Its pixels. Programs keep what they know of a picture, so that from the second showing on a patch in its corner
    gets a shade that it did not have before."""
    pixels = np.array(Image.open(path).convert("RGB"))
    if shown:
        pixels[:PATCH, :PATCH] = shown * 37 % 256
    return pixels
