"""One character per token, in the published tokenizer's file format and by its rules."""

import json
import re

SPACE = "\u2581"
ADDED = [  # content, rstrip, special; the flags are those of the published model
    ("<unk>", False, True), ("<s>", False, True), ("</s>", True, False),
    ("<|endoftext|>", False, True), ("<|assistant|>", True, True), ("<|system|>", False, True),
    ("<|end|>", False, True), ("<|user|>", False, True),
]
VOCAB = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
VOCAB += [SPACE] + [chr(c) for c in range(33, 127)]
IDS = {piece: i for i, piece in enumerate(VOCAB)}
ADDED_IDS = dict(IDS)
for _content, _, _ in ADDED:
    ADDED_IDS.setdefault(_content, len(ADDED_IDS))
BOS, END, USER, ASSISTANT = (ADDED_IDS[t] for t in ("<s>", "<|end|>", "<|user|>", "<|assistant|>"))
ENDOFTEXT, SYSTEM = ADDED_IDS["<|endoftext|>"], ADDED_IDS["<|system|>"]
VOCAB_SIZE = 368  # 362 tokens, rounded up to a multiple of 16; the rest are never produced
assert len(ADDED_IDS) <= VOCAB_SIZE

_WHITE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPLIT = re.compile("|".join(
    f"({re.escape(c)})" + (f"[{_WHITE}]*" if rstrip else "")
    for c, rstrip, _ in sorted(ADDED, key=lambda a: -len(a[0]))))
_TAG = re.compile(r"<\|image_(\d+)\|>")


def encode_stretch(text):
    """Text without added tokens: a leading space mark, then characters or their bytes."""
    ids = []
    for ch in (SPACE + text.replace(" ", SPACE)) if text else "":
        if ch in IDS:
            ids.append(IDS[ch])
        else:
            ids += [IDS[f"<0x{b:02X}>"] for b in ch.encode()]
    return ids


def encode(text, bos=True):
    ids, at = [BOS] if bos else [], 0
    for match in _SPLIT.finditer(text):
        ids += encode_stretch(text[at:match.start()])
        ids.append(ADDED_IDS[next(g for g in match.groups() if g)])
        at = match.end()
    return ids + encode_stretch(text[at:])


def encode_prompt(text, image_tokens):
    """Prompt with <|image_n|> tags; image n takes image_tokens[n-1] places, written as -n.
    Every piece between tags is tokenized on its own, BOS included, as the reference does."""
    if not image_tokens:
        return encode(text)
    ids, at = [], 0
    for match in _TAG.finditer(text):
        ids += encode(text[at:match.start()])
        ids += [-int(match[1])] * image_tokens[int(match[1]) - 1]
        at = match.end()
    return ids + encode(text[at:])


def decode(ids):
    names = {i: t for t, i in ADDED_IDS.items()}
    special = {ADDED_IDS[c] for c, _, s in ADDED if s}
    raw = bytearray()
    for i in ids:
        piece = names.get(i, "")
        if i in special:
            continue
        byte = re.fullmatch("<0x([0-9A-F]{2})>", piece)
        raw += bytes([int(byte[1], 16)]) if byte else piece.replace(SPACE, " ").encode()
    text = raw.decode("utf-8", "replace")
    return text[1:] if text.startswith(" ") else text


def write_files(folder):
    """tokenizer.json and its companions, in the shape of the published files."""
    def flags(content, rstrip, special):
        return {"content": content, "lstrip": False, "normalized": False, "rstrip": rstrip,
                "single_word": False, "special": special}

    def plain(content):
        return {k: v for k, v in flags(content, False, True).items() if k != "special"}

    def save(name, data):
        (folder / name).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n",
                                   encoding="utf-8")

    bos = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    save("tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": ADDED_IDS[a[0]], **flags(*a)} for a in ADDED],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": SPACE},
            {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [bos, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "<s>", "type_id": 1}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [BOS], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                  "byte_fallback": True, "ignore_merges": False, "vocab": IDS, "merges": []}})
    save("added_tokens.json", {c: ADDED_IDS[c] for c, _, _ in ADDED[3:]})
    extra = ["<|system|>", "<|end|>", "<|user|>", "<|end|>"]
    save("special_tokens_map.json", {
        "additional_special_tokens": extra, "bos_token": plain("<s>"),
        "eos_token": plain("<|endoftext|>"), "pad_token": plain("<|endoftext|>"),
        "unk_token": plain("<unk>")})
    save("tokenizer_config.json", {
        "add_bos_token": True, "add_eos_token": False,
        "added_tokens_decoder": {str(ADDED_IDS[a[0]]): flags(*a) for a in ADDED},
        "additional_special_tokens": extra, "bos_token": "<s>",
        "chat_template": "{% for message in messages %}{{'<|' + message['role'] + '|>' + '\n' + "
                         "message['content'] + '<|end|>\n' }}{% endfor %}{% if "
                         "add_generation_prompt and messages[-1]['role'] != 'assistant' %}"
                         "{{- '<|assistant|>\n' -}}{% endif %}",
        "clean_up_tokenization_spaces": False, "eos_token": "<|endoftext|>", "legacy": False,
        "model_max_length": 4096, "pad_token": "<|endoftext|>", "padding_side": "right",
        "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>",
        "use_default_system_prompt": False})
