# SPDX-License-Identifier: MIT
"""The rows of the comparison: what is measured on each side, and the goals of docs/speed.md."""
import dataclasses
import statistics
import typing

TURN_TOKENS = 2529  # of a 17-crop picture and the question around it, as `phiscope bench --case turn:17` has them
STEPS = 16
HIGH_GBS = 67  # between the two modes of bandwidth that two-core machines of this kind flip between, 52 and 87 GB/s


@dataclasses.dataclass
class Row:
    title: str
    goal: tuple  # at least, aim
    goal_high: tuple = None  # the same where the machine reads faster than HIGH_GBS
    less: bool = False  # less is better
    # against a peer
    ours: typing.Callable = None  # ours -> JSON of a case
    peer: dict = dataclasses.field(default_factory=dict)  # setting -> (peers -> {"s": seconds})
    against: str = None  # one setting; else the peer's better one
    per_token: bool = False  # compare seconds a token: the answers' lengths may differ
    # of ours alone
    alone: typing.Callable = None  # ours, pairs -> value, cases
    name: str = ""

    @property
    def work_ratio(self):
        return 1 / STEPS if self.per_token else 1

    def seconds(self, case):
        if not self.per_token and "tok_s" in case:
            return case["n"] / case["tok_s"]
        return 1 / case["tok_s"] if self.per_token else case["s"]


def tg(ctx, dtype, kind, goal, title, against=None):
    return Row(title, goal, ours=lambda o: o.case(f"tg:{ctx}", dtype), per_token=True, against=against,
               peer={"default": lambda p: p.llama(kind)("tg", fa=-1, depth=ctx, n=STEPS),
                     "flash attention off": lambda p: p.llama(kind)("tg", fa=0, depth=ctx, n=STEPS)})


def pp(n, dtype, kind, goal, title):
    return Row(title, goal, ours=lambda o: o.case(f"pp:{n}", dtype),
               peer={"default": lambda p: p.llama(kind)("pp", fa=-1, n=n),
                     "flash attention off": lambda p: p.llama(kind)("pp", fa=0, n=n)})


def llama_parts(peers):
    """What llama.cpp would need for the picture and its rows, if it knew this model."""
    seconds = [peers.llama_tower()("vision", crops=17)["s"], peers.llama("Q4_0")("pp", fa=-1, n=TURN_TOKENS)["s"]]
    return {"s": sum(seconds), "vision_s": seconds[0], "prefill_s": seconds[1]}


def openvino_parts(peers):
    seconds = [peers.openvino_tower(1)("vision", crops=17)["s"], peers.openvino_products(TURN_TOKENS)("products")["s"]]
    return {"s": sum(seconds), "vision_s": seconds[0], "products_s": seconds[1]}


def share(case, dtype):
    """Median share of the limit, of samples whose probes agree where there are any."""
    def alone(ours, pairs):
        c = ours.bench(case, dtype, pairs)["cases"]
        if not c:
            raise RuntimeError(f"{case} needs more memory")
        return c[0]["share"] or 0, c
    return alone


def edit_over_turn(ours, pairs):
    cases = []
    for _ in range(pairs):
        cases += ours.bench("turn:17,edit:17", "q4")["cases"]
    times = {n: statistics.median(c["s"] for c in cases if c["case"] == n) for n in ("turn", "edit")}
    return times["edit"] / times["turn"], cases


def again_over_plain(ours, pairs):
    values, cases = [], []
    for _ in range(pairs):
        plain, again = ours.bench("tg:0,again:0", "q4")["cases"]
        values.append(again["tok_s"] / plain["tok_s"])
        cases += [plain, again]
    return statistics.median(values), cases


def deep(ctx):
    """Extra time of a token behind ctx others over the time the extra keys and values take to read."""
    def alone(ours, pairs):
        values, cases = [], []
        for _ in range(pairs):
            near, far = ours.bench(f"tg:0,tg:{ctx}", "q4")["cases"]
            gbs = (far["read_gbs_before"] + far["read_gbs_after"]) / 2
            extra_bytes = far["bytes"] / far["n"] - near["bytes"] / near["n"]
            values.append((1 / far["tok_s"] - 1 / near["tok_s"]) / (extra_bytes / gbs / 1e9))
            cases += [near, far]
        return statistics.median(values), cases
    return alone


def memory(ours, pairs):
    cases = [ours.apart("memory:5", "q4") for _ in range(pairs)]
    return statistics.median(c["share"] for c in cases), cases


ROWS = {
    "tg0-share": Row("decode, 4-bit, context 0: share of the read probe", (0.85, 0.92), goal_high=(0.65, 0.80),
                     alone=share("tg:0", "q4")),
    "tg0": tg(0, "q4", "Q4_0", (1.0, 1.2), "the same against llama.cpp Q4_0"),
    "tg0-q8": tg(0, "q8", "Q8_0", (1.05, 1.2), "decode, 8-bit, against llama.cpp Q8_0"),
    "tg2048-share": Row("decode, 4-bit, context 2048, f16 keys and values: share of the read probe", (0.75, 0.85),
                        goal_high=(0.60, 0.75), alone=share("tg:2048", "q4")),
    "tg2048": tg(2048, "q4", "Q4_0", (1.3, 1.7), "the same against llama.cpp's better setting"),
    "tg2048-kv8": tg(2048, "q4/q8", "Q4_0", (1.3, 1.7), "the same, our keys and values of 8 bits"),
    "pp512": pp(512, "q4", "Q4_0", (1.8, 2.5), "prefill 512, 4-bit, against llama.cpp Q4_0"),
    "pp512-q8": pp(512, "q8", "Q8_0", (3.0, 4.5), "prefill 512, 8-bit, against llama.cpp Q8_0"),
    "pp2048": pp(2048, "q4", "Q4_0", (1.8, 2.5), "prefill 2048, 4-bit, against llama.cpp Q4_0"),
    "pp512-share": Row("whole prefill 512, 4-bit: share of the peak of its arithmetic", (0.45, 0.60),
                       alone=share("pp:512", "q4")),
    "vision17-share": Row("vision, 17 crops: share of the peak of its arithmetic", (0.60, 0.75),
                          alone=share("vision:17", "q4")),
    "vision17": Row("vision, 17 crops, against llama.cpp f16", (2.2, 4.0), ours=lambda o: o.case("vision:17", "q4"),
                    peer={"default": lambda p: p.llama_tower()("vision", crops=17)}),
    "vision17-openvino": Row("vision, 17 crops, against OpenVINO bf16", (0.9, 1.5),
                             ours=lambda o: o.case("vision:17", "q4"),
                             peer={"one by one": lambda p: p.openvino_tower(1)("vision", crops=17),
                                   "all at once": lambda p: p.openvino_tower(17)("vision", crops=17)}),
    "turn17": Row("first token, 17 crops, over llama.cpp's parts", (0.45, 0.33), less=True,
                  ours=lambda o: o.case("turn:17", "q4"), peer={"default": llama_parts}),
    "turn17-openvino": Row("first token, 17 crops, over OpenVINO's tower and int8 products", (1.05, 0.8), less=True,
                           ours=lambda o: o.case("turn:17", "q4"), peer={"default": openvino_parts}),
    "edit17": Row("first token of an edited question behind that picture, over the first time", (0.03, 0.02), less=True,
                  alone=edit_over_turn),
    "start": Row("warm start to first token, over llama.cpp Q4_0", (0.35, 0.2), less=True,
                 ours=lambda o: o.start("q4"), peer={"default": lambda p: p.llama_start("Q4_0")}),
    "memory": Row("resident memory over (file + keys and values)", (1.1, 1.05), less=True, alone=memory),
    "again": Row("an answer once more, with its earlier version as a draft, 4-bit, over plain decode", (2, 3),
                 alone=again_over_plain),
    "tg8192": Row("context 8192: extra time a token over (extra bytes / probe)", (1.3, 1.1), less=True, alone=deep(8192)),
    "tg32768": Row("context 32768: the same", (1.3, 1.1), less=True, alone=deep(32768)),
    # Peers whose prompts are products only: a whole prefill of ours is held against a part of theirs.
    "pp512-onnx": Row("prefill 512, 4-bit, against ONNX Runtime's int4 products alone", (1.0, 1.3),
                      ours=lambda o: o.case("pp:512", "q4"), peer={"default": lambda p: p.onnx_products(512)("products")}),
    "pp512-openvino": Row("prefill 512, 8-bit, against OpenVINO's int8 products alone", (1.0, 1.3),
                          ours=lambda o: o.case("pp:512", "q8"),
                          peer={"default": lambda p: p.openvino_products(512)("products")}),
    # Exact arithmetic on 16-bit weights, which has no goal of its own.
    "tg0-f32": tg(0, "f32", "bf16", (1.0, 1.0), "decode, f32 arithmetic on bf16 weights, against llama.cpp bf16"),
    "pp512-f32": pp(512, "f32", "bf16", (0.5, 1.0), "prefill 512, f32 arithmetic on bf16 weights, against llama.cpp bf16"),
}
for _name, _row in ROWS.items():
    _row.name = _name

# -- Whole programs, which run this very model --

# Bits of the weights by type, of each program and of Phiscope.
PROGRAMS = {"transformers": {"bf16": 16}, "vllm": {"bf16": 16}, "openvino_genai": {"int4": 4, "int8": 8, "bf16": 16},
            "onnxruntime_genai": {"int4": 4}, "mistralrs": {"q4k": 4, "q8": 8, "bf16": 16}}
OURS = {"q4": 4, "q8": 8, "bf16": 16}
PARTS = ("llama", "openvino", "onnx")  # programs of which only parts run this model

# What a visit to a program measures: of which of its parts, and how that part's answer tells it.
FIGURES = {"first": ("picture", lambda answer: answer["first_s"]),
           "decode": ("picture", lambda answer: answer["rest_s"] / (answer["n"] - 1)),
           "second": ("again", lambda answer: answer["first_s"]), "prompt": ("prompt", lambda answer: answer["first_s"]),
           "start": ("start", lambda answer: answer["s"]), "peak": ("peak", lambda answer: answer["peak_bytes"])}


@dataclasses.dataclass
class Whole:
    """A figure of ours against the best program's."""
    title: str
    figure: str
    goal: tuple  # at least, aim; empty: none was set
    ours: tuple  # types, of which the best counts
    bits: tuple = (4, 8, 16)  # of the programs' types
    less: bool = False

    def wants(self, program, type):
        if program == "ours":
            return type in self.ours
        return PROGRAMS[program][type] in self.bits


def at_each_type(name, title, figure, goal=(), less=False):
    return {f"{name}-{type}": Whole(f"{title}, {type}", figure, goal, (type,), (bits,), less)
            for type, bits in OURS.items()}


WHOLE = {
    "first17": Whole("first word of a picture of 16 crops, each at its best type", "first", (1.5, 3), ("q4", "q8")),
    **at_each_type("first17", "first word of a picture of 16 crops", "first"),
    **at_each_type("decode17", "decode behind that picture", "decode", (1.8, 2.2)),
    **at_each_type("second17", "first word of another question about it, ours over theirs", "second", (0.3, 0.1), less=True),
    **at_each_type("whole512", "prompt of 512 tokens", "prompt"),
    **at_each_type("whole-start", "from a new process to the first word, ours over theirs", "start", less=True),
    **at_each_type("whole-peak", "peak memory, ours over theirs", "peak", less=True),
}
WHOLE["first17-bf16"].goal = (1.2, 2.5)


def print_titles():
    for name, row in {**ROWS, **WHOLE}.items():
        print(f"{name:18} {row.title}")
