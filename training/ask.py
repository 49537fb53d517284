"""Asks a checkpoint or an exported folder about pictures, with this package's own forward pass.

    python ask.py ../models/default ../samples/chart.png "Which bar is the highest?"
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import batches
import export
import hd
import tokenizer
from model import Config, Phi3V

STOP = {tokenizer.END, tokenizer.ASSISTANT, tokenizer.ENDOFTEXT}


def load(path):
    """A checkpoint (.pt) or an exported folder, with float32 arithmetic on the bf16 weights."""
    path = Path(path)
    if path.suffix == ".pt":
        return export.load(path).float()
    data = (path / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    model = Phi3V(Config.read(path))
    weights = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = torch.from_numpy(np.frombuffer(data[8 + size + begin:8 + size + end], np.int16).copy())
        weights[name] = raw.view(torch.bfloat16).view(entry["shape"]).float()
    model.load_state_dict(weights)
    return model.eval()


def ask(model, images, question, history=()):
    """The greedy answer; history: earlier (question, answer) turns about the same pictures."""
    c = model.c
    canvases = [hd.hd_picture(image, c.side, c.num_crops) for image in images]
    tags = "".join(f"<|image_{i + 1}|>\n" for i in range(len(images)))
    text = ""
    for old_question, old_answer in history:
        text += f"<|user|>\n{tags}{old_question}<|end|>\n<|assistant|>\n{old_answer}<|end|>\n"
        tags = ""
    text += batches.prompt(tags + question)
    counts = [batches.image_tokens(place, c.grid // 2) for _, place in canvases]
    ids = tokenizer.encode_prompt(text, counts)
    crops = [hd.crops(canvas, c.side) for canvas, _ in canvases]
    crops = torch.from_numpy(np.concatenate(crops)) if crops else None
    out = model.answer(ids, crops, [(p.rows, p.cols) for _, p in canvases], STOP)
    return tokenizer.decode(out)


def main():
    model = load(sys.argv[1])
    print(ask(model, [Image.open(p).convert("RGB") for p in sys.argv[2:-1]], sys.argv[-1]))


if __name__ == "__main__":
    main()
