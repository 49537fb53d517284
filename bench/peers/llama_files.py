# SPDX-License-Identifier: MIT
"""Our weights as llama.cpp's files: the decoder (bf16, then its own quantiser's types) and the vision tower (f16)."""
import ctypes
import os

import gguf
import numpy as np

import weights as w


class Writer:
    """A GGUF file written tensor by tensor: all names first, then the data in the same order."""

    def __init__(self, path, arch):
        self.path, self.gguf, self.queue = path, gguf.GGUFWriter(path + ".part", arch), []

    def add(self, name, shape, kind, make):
        """kind: "bf16" (words), "f16" or "f32"; make() gives the values when their turn comes."""
        dtype = {"bf16": np.dtype(np.uint16), "f16": np.dtype(np.float16), "f32": np.dtype(np.float32)}[kind]
        raw = gguf.GGMLQuantizationType.BF16 if kind == "bf16" else None
        self.gguf.add_tensor_info(name, shape, dtype, int(np.prod(shape)) * dtype.itemsize, raw_dtype=raw)
        self.queue.append((make, dtype))

    def write(self):
        self.gguf.write_header_to_file()
        self.gguf.write_kv_data_to_file()
        self.gguf.write_ti_data_to_file()
        for make, dtype in self.queue:
            self.gguf.write_tensor_data(np.ascontiguousarray(make(), dtype))
        self.gguf.close()
        os.rename(self.path + ".part", self.path)


def decoder(folder, path):
    """All decoder matrices as they are: no value changes."""
    out = Writer(path, "phi3")
    g = out.gguf
    g.add_context_length(131072)
    g.add_embedding_length(w.HIDDEN)
    g.add_block_count(w.LAYERS)
    g.add_feed_forward_length(w.INTER)
    g.add_head_count(w.HEADS)
    g.add_head_count_kv(w.HEADS)
    g.add_layer_norm_rms_eps(1e-5)
    g.add_rope_dimension_count(w.HIDDEN // w.HEADS)
    g.add_rope_freq_base(1e4)
    g.add_rope_scaling_orig_ctx_len(4096)
    g.add_rope_scaling_attn_factors(1.1902380714238083)
    g.add_vocab_size(w.VOCAB)
    g.add_tokenizer_model("no_vocab")
    g.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)

    def matrix(name, ours):
        out.add(name, folder[ours].shape, "bf16", lambda: folder[ours])

    def vector(name, ours):
        out.add(name, folder[ours].shape, "f32", lambda: folder.f32(ours))

    matrix("token_embd.weight", "model.embed_tokens.weight")
    for i in range(w.LAYERS):
        ours, theirs = f"model.layers.{i}.", f"blk.{i}."
        vector(theirs + "attn_norm.weight", ours + "input_layernorm.weight")
        matrix(theirs + "attn_qkv.weight", ours + "self_attn.qkv_proj.weight")
        matrix(theirs + "attn_output.weight", ours + "self_attn.o_proj.weight")
        vector(theirs + "ffn_norm.weight", ours + "post_attention_layernorm.weight")
        matrix(theirs + "ffn_up.weight", ours + "mlp.gate_up_proj.weight")
        matrix(theirs + "ffn_down.weight", ours + "mlp.down_proj.weight")
    vector("output_norm.weight", "model.norm.weight")
    matrix("output.weight", "lm_head.weight")
    for name in ("rope_factors_long.weight", "rope_factors_short.weight"):
        out.add(name, (w.HIDDEN // w.HEADS // 2,), "f32", lambda: np.ones(w.HIDDEN // w.HEADS // 2))
    out.write()


def quantize(source, path, kind):
    """llama.cpp's own quantiser; kind such as Q4_0."""
    import llama_cpp as ll
    silent = ll.llama_log_callback(lambda level, text, user: None)
    ll.llama_log_set(silent, None)
    params = ll.llama_model_quantize_default_params()
    params.nthread = os.cpu_count()
    params.ftype = getattr(ll, "LLAMA_FTYPE_MOSTLY_" + kind)
    if ll.llama_model_quantize(source.encode(), (path + ".part").encode(), ctypes.byref(params)) != 0:
        raise RuntimeError(f"llama.cpp cannot quantise {source} to {kind}")
    os.rename(path + ".part", path)


def tower(folder, path):
    """Our tower in f16, with a two-layer projector of LLaVA's shape: it knows none of four patches to a row."""
    out = Writer(path, "clip")
    g = out.gguf
    g.add_clip_has_vision_encoder(True)
    g.add_bool("clip.has_llava_projector", True)
    g.add_clip_projector_type("mlp")
    g.add_vision_image_size(336)
    g.add_vision_patch_size(w.PATCH)
    g.add_vision_embedding_length(w.VISION)
    g.add_vision_feed_forward_length(w.VISION_INTER)
    g.add_vision_projection_dim(768)
    g.add_vision_block_count(w.VISION_LAYERS)
    g.add_vision_head_count(16)
    g.add_vision_attention_layernorm_eps(1e-5)
    g.add_vision_image_mean([0.48145466, 0.4578275, 0.40821073])
    g.add_vision_image_std([0.26862954, 0.26130258, 0.27577711])
    g.add_vision_use_gelu(False)
    g.add_file_type(gguf.LlamaFileType.MOSTLY_F16)

    def copy(name, ours, kind):
        out.add(name, folder[ours].shape, kind, lambda: folder.f32(ours))

    copy("v.class_embd", w.TOWER + "embeddings.class_embedding", "f32")
    copy("v.patch_embd.weight", w.TOWER + "embeddings.patch_embedding.weight", "f16")
    copy("v.position_embd.weight", w.TOWER + "embeddings.position_embedding.weight", "f16")
    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
             "attn_out": "self_attn.out_proj", "ln1": "layer_norm1", "ln2": "layer_norm2",
             "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"}
    for j in range(w.VISION_LAYERS):
        for theirs, ours in names.items():
            base = f"{w.TOWER}encoder.layers.{j}.{ours}."
            copy(f"v.blk.{j}.{theirs}.weight", base + "weight", "f32" if theirs.startswith("ln") else "f16")
            copy(f"v.blk.{j}.{theirs}.bias", base + "bias", "f32")
    for theirs, ours in (("v.pre_ln", "pre_layrnorm"), ("v.post_ln", "post_layernorm")):
        copy(theirs + ".weight", w.TOWER + ours + ".weight", "f32")
        copy(theirs + ".bias", w.TOWER + ours + ".bias", "f32")
    rng = np.random.default_rng(2)
    for name, shape in (("mm.0", (w.HIDDEN, w.VISION)), ("mm.2", (w.HIDDEN, w.HIDDEN))):
        out.add(name + ".weight", shape, "f16", lambda s=shape: rng.standard_normal(s) / s[1] ** 0.5)
        out.add(name + ".bias", shape[:1], "f32", lambda s=shape: np.zeros(s[0]))
    out.write()


def stub(path):
    """A text model of one thin layer: the tower's loader wants one of the projector's width, with a vocabulary."""
    out = Writer(path, "llama")
    g = out.gguf
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    inter = 256
    g.add_context_length(4096)
    g.add_embedding_length(w.HIDDEN)
    g.add_block_count(1)
    g.add_feed_forward_length(inter)
    g.add_head_count(w.HEADS)
    g.add_head_count_kv(w.HEADS)
    g.add_layer_norm_rms_eps(1e-5)
    g.add_rope_dimension_count(w.HIDDEN // w.HEADS)
    g.add_vocab_size(len(tokens))
    g.add_tokenizer_model("llama")
    g.add_token_list(tokens)
    g.add_token_scores([0.0] * len(tokens))
    g.add_token_types([2, 3, 3] + [6] * 256)
    g.add_bos_token_id(1)
    g.add_eos_token_id(2)
    for name, shape in [("token_embd.weight", (len(tokens), w.HIDDEN)), ("output_norm.weight", (w.HIDDEN,)),
                        ("output.weight", (len(tokens), w.HIDDEN)), ("blk.0.attn_norm.weight", (w.HIDDEN,)),
                        ("blk.0.ffn_norm.weight", (w.HIDDEN,)), ("blk.0.ffn_gate.weight", (inter, w.HIDDEN)),
                        ("blk.0.ffn_up.weight", (inter, w.HIDDEN)), ("blk.0.ffn_down.weight", (w.HIDDEN, inter))] + \
                       [(f"blk.0.attn_{x}.weight", (w.HIDDEN, w.HIDDEN)) for x in ("q", "k", "v", "output")]:
        out.add(name, shape, "f32" if len(shape) == 1 else "f16", lambda s=shape: np.full(s, 0.01))
    out.write()


def make_all(folder, work):
    """The files that are missing; returns their paths by kind."""
    path = lambda name: os.path.join(work, name)
    files = {kind: path(f"decoder-{kind}.gguf") for kind in ("bf16", "Q8_0", "Q4_0")}
    files |= {"tower": path("tower-f16.gguf"), "stub": path("stub.gguf")}
    if not os.path.exists(files["bf16"]):
        decoder(folder, files["bf16"])
    for kind in ("Q8_0", "Q4_0"):
        if not os.path.exists(files[kind]):
                quantize(files["bf16"], files[kind], kind)
    if not os.path.exists(files["tower"]):
        tower(folder, files["tower"])
    if not os.path.exists(files["stub"]):
        stub(files["stub"])
    return files
