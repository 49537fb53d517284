"""Writes a checkpoint as a model folder in the published layout.

    python export.py RUN_FOLDER/stage3.pt ../models/default [--heads heads.safetensors] [--tower]

The patch heads are no part of the model, but training goes on better with them than with new ones. --tower: the tower
alone, which is no model yet, to go on from after stage 1.
"""

import argparse
import json
import struct
from pathlib import Path

import torch

import hd
import tokenizer
from model import Config, Phi3V


HEADS = "head.", "token_head.", "place_head."


def load(path, averaged=True):
    """The model of a checkpoint, in bf16: the averaged weights, or the last ones."""
    state = torch.load(path, map_location="cpu", weights_only=False)
    model = Phi3V(state.get("config", Config()))
    model.load_state_dict(state.get("weights", {}), strict=False)
    weights = state["average"] if averaged else {
        n: i["master"] for n, i in state["optimiser"]["items"].items()}
    weights = {n: w for n, w in weights.items() if not n.startswith(HEADS)}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    unused = (f"encoder.layers.{model.c.vision_layers - 1}.", "post_layernorm")
    assert not unexpected and ("weights" in state or all(any(u in n for u in unused) for n in missing))
    return model.bfloat16().eval()


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, t in tensors.items():
        size = t.numel() * 2
        header[name] = {"dtype": "BF16", "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    header["__metadata__"] = {"format": "pt"}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.contiguous().view(torch.int16).numpy().tobytes())


def read_safetensors(path):
    """Every tensor of a file written by write_safetensors."""
    data = bytearray(path.read_bytes())
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, t in header.items():
        if name != "__metadata__":
            start, end = (8 + size + o for o in t["data_offsets"])
            tensors[name] = torch.frombuffer(data[start:end], dtype=torch.bfloat16).view(t["shape"])
    return tensors


def write_configs(folder, c):
    def save(name, data):
        (folder / name).write_text(json.dumps(data, indent=2) + "\n")

    description = (
        "The built-in model is tiny (16 MB) and was trained on drawn pictures only: large-letter bar charts, "
        "book covers, small tables, simple shapes and what changed between two pictures of them, like those in samples/, "
        "and even there it is sometimes wrong. "
        "For anything else open a Phi-3-Vision checkpoint: phiscope -m FOLDER.")
    stop = [tokenizer.END, tokenizer.ASSISTANT, tokenizer.ENDOFTEXT]
    save("config.json", {
        "architectures": ["Phi3VForCausalLM"], "model_type": "phi3_v", "torch_dtype": "bfloat16",
        "phiscope_description": description,
        "vocab_size": c.vocab, "hidden_size": c.hidden, "intermediate_size": c.mlp,
        "num_hidden_layers": c.layers, "num_attention_heads": c.heads,
        "num_key_value_heads": c.heads, "hidden_act": "silu", "rms_norm_eps": 1e-05,
        "max_position_embeddings": 4096, "original_max_position_embeddings": 4096,
        "rope_theta": 10000.0, "rope_scaling": None, "sliding_window": 131072,
        "attention_dropout": 0.0, "tie_word_embeddings": False, "use_cache": True,
        "bos_token_id": tokenizer.BOS, "eos_token_id": stop, "pad_token_id": tokenizer.ENDOFTEXT,
        "embd_layer": {"embedding_cls": "image", "hd_transform_order": "sub_glb",
                       "projection_cls": "mlp", "use_hd_transform": True,
                       "with_learnable_separator": True},
        "img_processor": {"name": "clip_vision_model", "image_dim_out": c.vision_hidden,
                          "num_img_tokens": (c.grid // 2) ** 2},
        "vision_config": {"hidden_size": c.vision_hidden, "intermediate_size": c.vision_mlp,
                          "num_hidden_layers": c.vision_layers,
                          "num_attention_heads": c.vision_heads, "image_size": c.side,
                          "patch_size": c.patch, "layer_norm_eps": 1e-05,
                          "hidden_act": "quick_gelu"}})
    save("generation_config.json", {"bos_token_id": tokenizer.BOS, "eos_token_id": stop,
                                    "pad_token_id": tokenizer.ENDOFTEXT})
    save("preprocessor_config.json", {
        "image_processor_type": "Phi3VImageProcessor", "processor_class": "Phi3VProcessor",
        "num_crops": c.num_crops, "num_img_tokens": (c.grid // 2) ** 2,
        "image_mean": [float(f"{v:.8f}") for v in hd.MEAN],
        "image_std": [float(f"{v:.8f}") for v in hd.STD]})


def parameters(checkpoint, tower=False):
    """The averaged weights of a checkpoint and its configuration."""
    model = load(checkpoint)
    return {n: p.detach() for n, p in model.named_parameters() if not tower or "vision_model" in n}, model.c


def write_heads(path, checkpoint):
    average = torch.load(checkpoint, map_location="cpu", weights_only=False)["average"]
    write_safetensors(path, {n.removeprefix("head."): w.bfloat16() for n, w in average.items() if n.startswith("head.")})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--heads", type=Path, help="file for the patch heads")
    parser.add_argument("--tower", action="store_true", help="without the decoder")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    named, c = parameters(args.checkpoint, args.tower)
    write_safetensors(args.folder / "model.safetensors", named)
    write_configs(args.folder, c)
    if not args.tower:
        tokenizer.write_files(args.folder)
    if args.heads:
        write_heads(args.heads, args.checkpoint)


if __name__ == "__main__":
    main()
