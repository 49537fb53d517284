# SPDX-License-Identifier: MIT
"""OpenVINO GenAI: the whole model, as optimum-intel exports and compresses it. int4, int8, bf16 and fp16 are types of
weights, computed in bf16; f32 is f32 throughout, to compare ids. Prompts beyond 4096 tokens are wrong: the export keeps
only the short factors of the rotary positions.

Ids are the published code's for text and for pictures of one crop. Other pictures differ in the view of the whole, which
create_bicubic_resize (src/cpp/src/visual_language/phi3_vision/classes.cpp) takes at pixels' corners with a = -0.5, where
the published code takes it at their centres with a = -0.75. With that view put right its exported parts give the same."""
import collections
import json
import os
import shutil
import sys
import time

import numpy as np
import openvino as ov
import openvino_genai as genai

import prompts
from process import peak, resident, run
from worker import serve

THREADS = int(sys.argv[1])
FORMATS = {"int4": "int4", "int8": "int8", "fp16": "fp16", "f32": "fp32"}
# For weights that stay as they are the exporter's command line has no word, but its library has.
UNCHANGED = """import sys
from optimum.exporters.openvino import main_export
from optimum.intel import OVConfig
main_export(sys.argv[1], "model", task="image-text-to-text", trust_remote_code=True, convert_tokenizer=True,
            ov_config=OVConfig(dtype="bf16"))"""
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
held = {}


def exporter(folder, type):
    if type == "bf16":
        return [sys.executable, "-c", UNCHANGED, folder]
    program = os.path.join(os.path.dirname(sys.executable), "optimum-cli")
    return [program, "export", "openvino", "--model", folder, "--task", "image-text-to-text", "--trust-remote-code",
            "--weight-format", FORMATS[type], "model"]


def prepare(folder, type, cache):
    """The exporter runs in a process of its own, whose memory is not counted here."""
    if os.path.exists(os.path.join(cache, "config.json")):
        return {}
    if not os.path.exists(os.path.join(folder, "modeling_phi3_v.py")):
        raise FileNotFoundError(f"{folder} lacks the published Python files, which the exporter runs")
    part = cache + ".part"
    shutil.rmtree(part, ignore_errors=True)
    # The exporter asks the hub for the tower's configuration; a folder of that name where it runs comes first.
    tower = os.path.join(part, "openai", "clip-vit-large-patch14-336")
    os.makedirs(tower)
    with open(os.path.join(tower, "config.json"), "w") as f:
        json.dump({"model_type": "clip", "vision_config": {"image_size": 336}}, f)
    run(exporter(os.path.abspath(folder), type), cwd=part,
        env=os.environ | {"HF_HOME": os.path.join(part, "hub"), "HF_HUB_OFFLINE": "1", "TMPDIR": part})
    if os.path.isdir(cache):
        os.rmdir(cache)
    os.rename(os.path.join(part, "model"), cache)
    shutil.rmtree(part)
    return {}


class Tokens(genai.StreamerBase):
    """Takes the ids as they come, and when."""

    def __init__(self):
        super().__init__()
        self.ids, self.times = [], []

    def write(self, token):
        new = token if isinstance(token, list) else [token]
        self.ids += new
        self.times += [time.perf_counter()] * len(new)
        return genai.StreamingStatus.RUNNING

    def end(self):
        pass


def open_model(folder, type, cache):
    held.clear()
    exact = EXACT if type == "f32" else {"INFERENCE_PRECISION_HINT": "bf16"}
    start = time.perf_counter()
    held["pipeline"] = genai.VLMPipeline(cache, "CPU", INFERENCE_NUM_THREADS=THREADS, **exact)
    held["shown"] = collections.Counter()
    return {"s": time.perf_counter() - start, "resident_bytes": resident()}


def generate(prompt, images, n, start, chat):
    config = genai.GenerationConfig(max_new_tokens=n, ignore_eos=True, do_sample=False, apply_chat_template=chat)
    tokens = Tokens()
    result = held["pipeline"].generate(prompt, images=images, generation_config=config, streamer=tokens)
    if len(tokens.ids) != n:
        raise RuntimeError(f"{len(tokens.ids)} tokens came, not {n}")
    metrics = result.perf_metrics
    return {"first_s": tokens.times[0] - start, "rest_s": tokens.times[-1] - tokens.times[0], "n": n, "ids": tokens.ids,
            "vision_s": sum(metrics.vlm_raw_metrics.vision_encoding_durations) / 1e6,
            "prompt_tokens": metrics.get_num_input_tokens()}


def ask(question, n, start):
    """The conversation before this one ends after this one has begun: what both show is known to both."""
    history = genai.ChatHistory([{"role": "user", "content": prompts.about_picture(question)}])
    answer = generate(history, [held["picture"]], n, start, chat=True)
    held["history"] = history
    return answer


def picture(path, question, n):
    start = time.perf_counter()
    held.pop("history", None)
    held["picture"] = ov.Tensor(np.ascontiguousarray(prompts.picture(path, held["shown"][path])[None]))
    held["shown"][path] += 1
    return ask(question, n, start)


def again(question, n):
    return ask(question, n, time.perf_counter()) | {"reuse": "the picture's features, keys and values"}


def text(ids, n):
    tokenizer = held["pipeline"].get_tokenizer()
    prompt = prompts.text_of(ids, lambda i: tokenizer.decode(i, skip_special_tokens=False),
                             lambda t: tokenizer.encode(t).input_ids.data[0].tolist())
    return generate(prompt, [], n, time.perf_counter(), chat=False)


if __name__ == "__main__":
    serve({"prepare": prepare, "open": open_model, "picture": picture, "again": again, "text": text, "peak": peak})
