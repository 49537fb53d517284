# SPDX-License-Identifier: MIT
"""transformers with the published code, which has to lie in the model folder: eager attention, since the code has no other
on a processor, in the type of the weights ("bf16") or in "f32"."""
import json
import os
import sys
import time

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPVisionConfig, DynamicCache
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from process import peak, resident
from worker import question_prompt, serve

torch.set_num_threads(int(sys.argv[1]))
held = {}  # model, processor, type; of the picture: how its prompts are made, the last one's ids, keys and values


class Clock:
    """When each token came; generate() hands over the prompt first."""

    def __init__(self):
        self.times = []

    def put(self, value):
        self.times.append(time.perf_counter())

    def end(self):
        pass


def other_tower(folder):
    """The published code builds CLIP ViT-L/14-336 whatever the folder says. A folder with a tower of other sizes names them
    in its "vision_config"; they take the place of that configuration in the module. Its assertions about 1024 and 336
    must be off, so this wants python -O."""
    with open(os.path.join(folder, "config.json")) as f:
        sizes = json.load(f).get("vision_config")
    if not sizes:
        return
    if __debug__:
        raise ValueError("a tower of other sizes needs python -O")
    for module in list(sys.modules.values()):
        if hasattr(module, "CLIP_VIT_LARGE_PATCH14_336_CONFIG"):
            module.CLIP_VIT_LARGE_PATCH14_336_CONFIG = CLIPVisionConfig(**sizes)


def vision_begins(*unused):
    held["vision_from"] = time.perf_counter()


def vision_ends(*unused):
    """Of the first pass only: behind it the same module gives a token's row."""
    held.setdefault("vision_s", time.perf_counter() - held["vision_from"])


def open_model(folder, type, cache):
    if not os.path.exists(os.path.join(folder, "modeling_phi3_v.py")):
        raise FileNotFoundError(f"{folder} lacks the published Python files, which are what runs: see --published-code")
    start = time.perf_counter()
    held.clear()
    classes = {"configuration": "Phi3VConfig", "modeling": "Phi3VForCausalLM", "image_processing": "Phi3VImageProcessor",
               "processing": "Phi3VProcessor"}
    published = {name: get_class_from_dynamic_module(f"{file}_phi3_v.{name}", folder) for file, name in classes.items()}
    other_tower(folder)
    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[type]
    config = published["Phi3VConfig"].from_pretrained(folder)
    model = published["Phi3VForCausalLM"].from_pretrained(folder, config=config, torch_dtype=dtype, low_cpu_mem_usage=True,
                                                          attn_implementation="eager").eval()
    model.generation_config.eos_token_id = None
    processor = published["Phi3VProcessor"](published["Phi3VImageProcessor"].from_pretrained(folder),
                                            AutoTokenizer.from_pretrained(folder))
    held.update(model=model, processor=processor, dtype=dtype)
    model.model.vision_embed_tokens.register_forward_pre_hook(vision_begins)
    model.model.vision_embed_tokens.register_forward_hook(vision_ends)
    return {"s": time.perf_counter() - start, "resident_bytes": resident()}


def generate(inputs, n, start, cache):
    """The n most probable tokens, one after the other; the prompt's ids are kept, since the model overwrites them."""
    clock, n_prompt = Clock(), inputs["input_ids"].shape[1]
    held.pop("vision_s", None)
    held["prompt"] = inputs["input_ids"][0].tolist()
    with torch.inference_mode():
        ids = held["model"].generate(**inputs, max_new_tokens=n, do_sample=False, streamer=clock, past_key_values=cache,
                                     pad_token_id=0)
    first, last = clock.times[1], clock.times[-1]
    return {"first_s": first - start, "rest_s": last - first, "n": n, "ids": ids[0, n_prompt:].tolist(),
            "vision_s": held.get("vision_s"), "prompt_tokens": n_prompt}


def ask_about(prepare, question, n, start):
    """prepare(question) gives what the model wants of a question about the picture."""
    held["prepare"], held["cache"] = prepare, DynamicCache()
    return generate(prepare(question), n, start, held["cache"])


def in_our_type(inputs):
    return {**inputs, "pixel_values": inputs["pixel_values"].to(held["dtype"])}


def picture(path, question, n):
    start = time.perf_counter()
    image = Image.open(path).convert("RGB")
    return ask_about(lambda q: in_our_type(held["processor"](question_prompt(q), [image], return_tensors="pt")),
                     question, n, start)


def crops(path, size, tokens, question, n):
    """The same for crops from a file, of a side that the published code does not make itself. What it does behind the tower
    counts in crops of 336, so the picture's size is given to it in these."""
    start = time.perf_counter()
    pixels = torch.from_numpy(np.load(path))[None]
    size = [side * 336 // pixels.shape[-1] for side in size]
    images = {"pixel_values": pixels, "image_sizes": torch.tensor([size]), "num_img_tokens": [tokens]}
    convert = held["processor"]._convert_images_texts_to_inputs
    return ask_about(lambda q: in_our_type(convert(images, question_prompt(q), return_tensors="pt")), question, n, start)


def again(question, n):
    """generate() takes keys and values of what both prompts begin with, so the tower does not run; the processor is asked
    for the picture once more, because it makes ids of a prompt only together with it."""
    start, before = time.perf_counter(), held["prompt"]
    inputs = held["prepare"](question)
    ids = inputs["input_ids"][0].tolist()
    common = next((i for i, (a, b) in enumerate(zip(before, ids)) if a != b), min(len(before), len(ids)))
    held["cache"].crop(min(common, len(ids) - 1))
    return generate(inputs, n, start, held["cache"]) | {"vision_s": None, "reuse": "keys and values"}


def text(ids, n):
    start = time.perf_counter()
    ids = torch.tensor([ids])
    return generate({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, n, start, DynamicCache())


if __name__ == "__main__":
    serve({"prepare": lambda folder, type, cache: {}, "open": open_model, "picture": picture, "crops": crops,
           "again": again, "text": text, "peak": peak})
