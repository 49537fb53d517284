# SPDX-License-Identifier: MIT
"""The weights that all engines get: a model folder as published, read tensor by tensor, and a writer of folders with
pseudo-random bf16 values, whose tower is CLIP ViT-L/14-336 and whose decoder has the published size or a small one."""
import dataclasses
import json
import os
import shutil

import numpy as np

HIDDEN, INTER, LAYERS, VOCAB, HEADS = 3072, 8192, 32, 32064, 32
VISION, VISION_INTER, VISION_LAYERS, PATCH, PATCHES = 1024, 4096, 24, 14, 24
TOWER = "model.vision_embed_tokens.img_processor.vision_model."
HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(HERE, "..", "..", "tests", "golden", "data", "models", "tiny-gqa-bf16")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of the decoder, and into how many crops a picture is cut at most."""
    hidden: int
    inter: int
    layers: int
    heads: int
    crops: int


FULL = Sizes(HIDDEN, INTER, LAYERS, HEADS, 16)
# Small enough that every program computes it in f32; most of its 0.66 GB is the tower, which other programs fix.
SMALL = Sizes(256, 512, 3, 4, 4)


def shapes(sizes):
    """Every tensor of Phi-3-vision-128k-instruct, with a decoder of these sizes."""
    hidden, inter = sizes.hidden, sizes.inter
    t = {"model.embed_tokens.weight": (VOCAB, hidden), "lm_head.weight": (VOCAB, hidden), "model.norm.weight": (hidden,)}
    for i in range(sizes.layers):
        p = f"model.layers.{i}."
        t |= {p + "input_layernorm.weight": (hidden,), p + "post_attention_layernorm.weight": (hidden,),
              p + "self_attn.qkv_proj.weight": (3 * hidden, hidden), p + "self_attn.o_proj.weight": (hidden, hidden),
              p + "mlp.gate_up_proj.weight": (2 * inter, hidden), p + "mlp.down_proj.weight": (hidden, inter)}
    p = "model.vision_embed_tokens."
    t |= {p + "glb_GN": (1, 1, 4 * VISION), p + "sub_GN": (1, 1, 1, 4 * VISION),
          p + "img_projection.0.weight": (hidden, 4 * VISION), p + "img_projection.0.bias": (hidden,),
          p + "img_projection.2.weight": (hidden, hidden), p + "img_projection.2.bias": (hidden,),
          TOWER + "embeddings.class_embedding": (VISION,),
          TOWER + "embeddings.patch_embedding.weight": (VISION, 3, PATCH, PATCH),
          TOWER + "embeddings.position_embedding.weight": (PATCHES * PATCHES + 1, VISION)}
    for norm in ("pre_layrnorm", "post_layernorm"):
        t |= {TOWER + norm + ".weight": (VISION,), TOWER + norm + ".bias": (VISION,)}
    for j in range(VISION_LAYERS):
        parts = {f"self_attn.{x}_proj": (VISION, VISION) for x in ("q", "k", "v", "out")}
        parts |= {"layer_norm1": (VISION,), "layer_norm2": (VISION,),
                  "mlp.fc1": (VISION_INTER, VISION), "mlp.fc2": (VISION, VISION_INTER)}
        for name, shape in parts.items():
            t |= {f"{TOWER}encoder.layers.{j}.{name}.weight": shape, f"{TOWER}encoder.layers.{j}.{name}.bias": shape[:1]}
    return t


def to_bf16(values):
    """float32 -> bf16 words, to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def to_f32(words):
    return (words.astype(np.uint32) << 16).view(np.float32)


def _values(name, shape, rng):
    """Matrices keep the size of what goes through them; norms are near one. Queries and keys are larger, so that a
    token looks at few others instead of at the mean of all, and what stands in a picture shows in the answer."""
    if "norm" in name and name.endswith(".weight"):
        return 1 + rng.standard_normal(shape, np.float32) / 16
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 and "embed_tokens" not in name else 1024
    if "qkv_proj" in name:
        fan_in /= 8
    return rng.standard_normal(shape, np.float32) / np.float32(fan_in**0.5)


def _write_tensors(path, sizes):
    all_shapes, head, at = shapes(sizes), {}, 0
    for name, shape in all_shapes.items():
        size = 2 * int(np.prod(shape))
        head[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    # Some programs refuse a file that does not say whose tensors it has.
    text = json.dumps({"__metadata__": {"format": "pt"}, **head}).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(1)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, shape in all_shapes.items():
            f.write(to_bf16(_values(name, shape, rng)).data)


def _config(sizes):
    # Lists of factors that differ, as the published ones do: the program then has its two regimes.
    n_factors = sizes.hidden // sizes.heads // 2
    factors = {"short_factor": [1 + i / 32 for i in range(n_factors)],
               "long_factor": [1 + i / 2 for i in range(n_factors)], "type": "su"}
    return {"architectures": ["Phi3VForCausalLM"], "model_type": "phi3_v", "hidden_size": sizes.hidden,
            "auto_map": {"AutoConfig": "configuration_phi3_v.Phi3VConfig",
                         "AutoModelForCausalLM": "modeling_phi3_v.Phi3VForCausalLM"},
            "intermediate_size": sizes.inter, "num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads,
            "num_key_value_heads": sizes.heads, "vocab_size": VOCAB, "max_position_embeddings": 131072,
            "original_max_position_embeddings": 4096, "rope_theta": 10000.0, "rope_scaling": factors,
            "rms_norm_eps": 1e-05, "sliding_window": 131072, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
            "hidden_act": "silu", "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": True,
            "bos_token_id": 1, "eos_token_id": 2,
            "img_processor": {"image_dim_out": VISION, "model_name": "openai/clip-vit-large-patch14-336",
                              "name": "clip_vision_model", "num_img_tokens": 144},
            "embd_layer": {"embedding_cls": "image", "hd_transform_order": "sub_glb", "projection_cls": "mlp",
                           "use_hd_transform": True, "with_learnable_separator": True}}


def write_folder(path, sizes):
    """With the published tokenizer; of the full size about three minutes and 8.3 GB."""
    os.makedirs(path, exist_ok=True)
    tensors = os.path.join(path, "model.safetensors")
    _write_tensors(tensors + ".part", sizes)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        shutil.copyfile(os.path.join(TOKENIZER, name), os.path.join(path, name))
    with open(os.path.join(TOKENIZER, "preprocessor_config.json")) as f:
        pictures = json.load(f) | {"num_crops": sizes.crops}
    files = {"config.json": _config(sizes), "preprocessor_config.json": pictures,
             "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 32000}}
    for name, value in files.items():
        with open(os.path.join(path, name), "w") as f:
            json.dump(value, f, indent=1)
    os.rename(tensors + ".part", tensors)


class Folder:
    """Tensors of a model folder, by name, as words of bf16."""

    def __init__(self, path):
        self.where = {}
        for name in sorted(os.listdir(path)):
            if not name.endswith(".safetensors"):
                continue
            file = os.path.join(path, name)
            with open(file, "rb") as f:
                n = int.from_bytes(f.read(8), "little")
                head = json.loads(f.read(n))
            for tensor, entry in head.items():
                if tensor != "__metadata__":
                    self.where[tensor] = (file, 8 + n + entry["data_offsets"][0], entry["shape"], entry["dtype"])

    def __getitem__(self, name):
        file, offset, shape, dtype = self.where[name]
        if dtype != "BF16":
            raise ValueError(f"{name} is {dtype}; the peers are given bf16 weights")
        return np.memmap(file, np.uint16, "r", offset, tuple(shape))

    def f32(self, name):
        return to_f32(np.asarray(self[name]))
