# SPDX-License-Identifier: MIT
"""ONNX Runtime GenAI: text only, since its builder makes no tower of this model. Under the model's own name it fails for
the decoder, too (KeyError: 'multi_cache'): it wants the rotary positions to be called "longrope", and the published
configuration takes no name but "su" and "yarn". So the decoder is built as that of Phi-3, which it is. int4 is a type of
weights, f32 is f32 throughout, to compare ids, which are the published code's."""
import json
import os
import shutil
import sys
import time

import onnxruntime_genai as genai

from process import peak, resident, run
from worker import serve

HERE = os.path.dirname(os.path.abspath(__file__))
THREADS = int(sys.argv[1])
WEIGHTS = {"int4": "int4", "f32": "fp32"}
VISION = ("img_processor", "embd_layer", "auto_map")
held = {}


def write_source(folder, source):
    """The same weights as a folder of a model of text."""
    os.makedirs(source)
    with open(os.path.join(folder, "config.json")) as f:
        config = {key: value for key, value in json.load(f).items() if key not in VISION}
    config |= {"architectures": ["Phi3ForCausalLM"], "model_type": "phi3"}
    config["rope_scaling"]["type"] = "longrope"  # what "su" is called there
    with open(os.path.join(source, "config.json"), "w") as f:
        json.dump(config, f)
    for name in os.listdir(folder):
        if name.startswith(("model.", "model-", "tokenizer")):
            os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(source, name))


def forget_end_tokens(path):
    """It stops at them, and has no option not to."""
    with open(path) as f:
        config = json.load(f)
    config["model"]["eos_token_id"] = []
    with open(path, "w") as f:
        json.dump(config, f)


def prepare(folder, type, cache):
    """The builder runs in a process of its own, whose memory is not counted here."""
    if os.path.exists(os.path.join(cache, "genai_config.json")):
        return {}
    part = cache + ".part"
    shutil.rmtree(part, ignore_errors=True)
    source, made = os.path.join(part, "source"), os.path.join(part, "model")
    write_source(folder, source)
    run([sys.executable, os.path.join(HERE, "onnxruntime_genai_build.py"), "-i", source, "-o", made, "-p", WEIGHTS[type],
         "-e", "cpu", "-c", os.path.join(part, "cache")], env=os.environ | {"HF_HUB_OFFLINE": "1"})
    forget_end_tokens(os.path.join(made, "genai_config.json"))
    if os.path.isdir(cache):
        os.rmdir(cache)
    os.rename(made, cache)
    shutil.rmtree(part)
    return {}


def open_model(folder, type, cache):
    held.clear()
    start = time.perf_counter()
    config = genai.Config(cache)
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": THREADS}}}}))
    held["model"] = genai.Model(config)
    return {"s": time.perf_counter() - start, "resident_bytes": resident()}


def no_picture(**unused):
    raise NotImplementedError("text only: its builder makes no tower of Phi3VForCausalLM, and of the decoder only under the "
                              "name Phi3ForCausalLM")


def text(ids, n):
    params = genai.GeneratorParams(held["model"])
    params.set_search_options(max_length=len(ids) + n, do_sample=False)
    start, answer, times = time.perf_counter(), [], []
    generator = genai.Generator(held["model"], params)
    generator.append_tokens(ids)
    while len(answer) < n:
        generator.generate_next_token()
        answer.append(int(generator.get_next_tokens()[0]))
        times.append(time.perf_counter())
    return {"first_s": times[0] - start, "rest_s": times[-1] - times[0], "ids": answer}


if __name__ == "__main__":
    serve({"prepare": prepare, "open": open_model, "picture": no_picture, "again": no_picture, "text": text, "peak": peak})
