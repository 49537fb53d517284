# SPDX-License-Identifier: MIT
"""mistral.rs: the whole model from the published layout, quantized while it is loaded. q4k and q8 quantize decoder and
tower and compute in f32; f16, bf16 and f32 are types of weights and arithmetic.

Its prefix cache is off, because with it a picture makes the next step fail ("image pixels without image placeholders");
it still keeps a picture's features. Ids are the published code's for text only. For pictures three things differ, and
with them put into other code that code gives the same ids as this program:
- Index -2 of its list of hidden states is the last layer's output, since the list lacks the input and ends with the
  pooled output: forward_get_hidden_states in mistralrs-core/src/vision_models/clip.rs.
- The prompt is encoded, decoded and encoded again, which doubles <s> and puts a space behind <|user|> and <|end|>:
  phi3_prompt_tokens in vision_models/phi3/phi3_inputs_processor.rs.
- Pictures are resized by nearest neighbours, the view of the whole, too; padding is all below; upright pictures are
  turned instead of transposed: hd_transform, pad_image and preprocess there."""
import collections
import os
import sys
import time

from PIL import Image

os.environ["RAYON_NUM_THREADS"] = sys.argv[1]

from mistralrs import ChatCompletionRequest, ModelDType, MultimodalArchitecture, Runner, Which  # noqa: E402

import prompts  # noqa: E402
from process import peak, resident  # noqa: E402
from worker import question_prompt, serve  # noqa: E402

# How it is loaded, and what the weights become while it is.
TYPES = {"q4k": (ModelDType.F32, "Q4K"), "q8": (ModelDType.F32, "Q8_0"), "f16": (ModelDType.F16, None),
         "bf16": (ModelDType.BF16, None), "f32": (ModelDType.F32, None)}
held = {}


def template(cache):
    return os.path.join(cache, "as-it-is.jinja")


def prepare(folder, type, cache):
    """A chat format that adds nothing, so that prompts are written here."""
    os.makedirs(cache, exist_ok=True)
    with open(template(cache), "w") as f:
        f.write("{{ messages[0]['content'] }}")
    return {}


def open_model(folder, type, cache):
    held.clear()
    dtype, quantized = TYPES[type]
    os.environ["MISTRALRS_CPU_KV_F32"] = str(int(type == "f32"))  # else keys and values are f16
    start = time.perf_counter()
    model = Which.MultimodalPlain(model_id=folder, arch=MultimodalArchitecture.Phi3V, dtype=dtype)
    held["runner"] = Runner(which=model, in_situ_quant=quantized, max_seqs=1, prefix_cache_n=0,
                            jinja_explicit=template(cache))
    held["shown"], held["painted"] = collections.Counter(), os.path.join(cache, "picture.png")
    return {"s": time.perf_counter() - start, "resident_bytes": resident()}


def generate(content, n):
    """Its stream leaves out tokens that are no text yet, so the whole answer is awaited; the time of all steps but the
    first is its own word, in whole milliseconds a step."""
    request = ChatCompletionRequest(messages=[{"role": "user", "content": content}], model="", max_tokens=n, temperature=0.0,
                                    logprobs=True, top_logprobs=1, ignore_eos=True)
    start = time.perf_counter()
    answer = held["runner"].send_chat_completion_request(request)
    seconds, rest = time.perf_counter() - start, answer.usage.total_completion_time_sec
    ids = [token.top_logprobs[0].token for token in answer.choices[0].logprobs.content]
    if len(ids) != n:
        raise RuntimeError(f"{len(ids)} tokens came, not {n}")
    return {"first_s": seconds - rest, "rest_s": rest, "n": n, "ids": ids, "vision_s": None,
            "prompt_tokens": answer.usage.prompt_tokens}


def ask(question, n):
    return generate([{"type": "image_url", "image_url": {"url": held["picture"]}},
                     {"type": "text", "text": question_prompt(question)}], n)


def picture(path, question, n):
    held["picture"] = path
    if held["shown"][path]:
        Image.fromarray(prompts.picture(path, held["shown"][path])).save(held["painted"])
        held["picture"] = held["painted"]
    held["shown"][path] += 1
    return ask(question, n)


def again(question, n):
    return ask(question, n) | {"reuse": "the picture's features"}


def text(ids, n):
    runner = held["runner"]
    return generate(prompts.text_of(ids, lambda i: runner.detokenize_text(i, False),
                                    lambda t: runner.tokenize_text(t, True, None)), n)


if __name__ == "__main__":
    serve({"prepare": prepare, "open": open_model, "picture": picture, "again": again, "text": text, "peak": peak})
