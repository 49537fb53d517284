# SPDX-License-Identifier: MIT
"""The weights that all engines get: a model folder as published, read tensor by tensor, and a writer of one of full
size with pseudo-random bf16 values."""
import json
import os

import numpy as np

HIDDEN, INTER, LAYERS, VOCAB, HEADS = 3072, 8192, 32, 32064, 32
VISION, VISION_INTER, VISION_LAYERS, PATCH, PATCHES = 1024, 4096, 24, 14, 24
TOWER = "model.vision_embed_tokens.img_processor.vision_model."


def shapes():
    """Every tensor of Phi-3-vision-128k-instruct."""
    t = {"model.embed_tokens.weight": (VOCAB, HIDDEN), "lm_head.weight": (VOCAB, HIDDEN), "model.norm.weight": (HIDDEN,)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        t |= {p + "input_layernorm.weight": (HIDDEN,), p + "post_attention_layernorm.weight": (HIDDEN,),
              p + "self_attn.qkv_proj.weight": (3 * HIDDEN, HIDDEN), p + "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
              p + "mlp.gate_up_proj.weight": (2 * INTER, HIDDEN), p + "mlp.down_proj.weight": (HIDDEN, INTER)}
    p = "model.vision_embed_tokens."
    t |= {p + "glb_GN": (1, 1, 4 * VISION), p + "sub_GN": (1, 1, 1, 4 * VISION),
          p + "img_projection.0.weight": (HIDDEN, 4 * VISION), p + "img_projection.0.bias": (HIDDEN,),
          p + "img_projection.2.weight": (HIDDEN, HIDDEN), p + "img_projection.2.bias": (HIDDEN,),
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
    """Matrices keep the size of what goes through them; norms are near one."""
    if "norm" in name and name.endswith(".weight"):
        return np.ones(shape, np.float32)
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 and "embed_tokens" not in name else 1024
    return rng.standard_normal(shape, np.float32) / np.float32(fan_in**0.5)


def write_tokenizer(path):
    """The smallest that the program takes: bytes. Weights that are random answer nothing worth reading."""
    special = ["<unk>", "<s>", "</s>"]
    tokens = special + [f"<0x{b:02X}>" for b in range(256)] + ["\u2581"]
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i, t in enumerate(special)]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    back = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "pre_tokenizer": None, "added_tokens": added,
                 "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, replace]},
                 "decoder": {"type": "Sequence", "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"},
                                                              {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
                 "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                           "vocab": {t: i for i, t in enumerate(tokens)}, "merges": []}}
    with open(os.path.join(path, "tokenizer.json"), "w") as f:
        json.dump(tokenizer, f)


def write_folder(path):
    """About three minutes and 8.3 GB."""
    os.makedirs(path, exist_ok=True)
    all_shapes, head, at = shapes(), {}, 0
    for name, shape in all_shapes.items():
        size = 2 * int(np.prod(shape))
        head[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(1)
    with open(os.path.join(path, "model.safetensors.part"), "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, shape in all_shapes.items():
            f.write(to_bf16(_values(name, shape, rng)).data)
    # Lists of factors that differ, as the published ones do: the program then has its two regimes.
    factors = {"short_factor": [1.0] * 48, "long_factor": [1.0 + i / 2 for i in range(48)], "type": "su"}
    config = {"architectures": ["Phi3VForCausalLM"], "model_type": "phi3_v", "hidden_size": HIDDEN, "hidden_act": "silu",
              "intermediate_size": INTER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
              "num_key_value_heads": HEADS, "vocab_size": VOCAB, "max_position_embeddings": 131072,
              "original_max_position_embeddings": 4096, "rope_theta": 10000.0, "rope_scaling": factors,
              "rms_norm_eps": 1e-05, "sliding_window": 131072, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
              "bos_token_id": 1, "eos_token_id": 2,
              "img_processor": {"image_dim_out": VISION, "name": "clip_vision_model", "num_img_tokens": 144},
              "embd_layer": {"embedding_cls": "image", "hd_transform_order": "sub_glb", "projection_cls": "mlp",
                             "use_hd_transform": True, "with_learnable_separator": True}}
    with open(os.path.join(path, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
    pictures = {"num_crops": 16, "num_img_tokens": 144, "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711]}
    with open(os.path.join(path, "preprocessor_config.json"), "w") as f:
        json.dump(pictures, f)
    write_tokenizer(path)
    os.rename(os.path.join(path, "model.safetensors.part"), os.path.join(path, "model.safetensors"))


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
            raise SystemExit(f"compare: {name} is {dtype}; the peers are given bf16 weights")
        return np.memmap(file, np.uint16, "r", offset, tuple(shape))

    def f32(self, name):
        return to_f32(np.asarray(self[name]))
