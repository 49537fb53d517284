"""Puts two more layers into a checkpoint's decoder, which begin by passing on what they are given:

    python grow.py RUN_FOLDER/stage3.pt --pictures FOLDER --out OTHER_FOLDER/start.pt

A first one, whose heads count. Positions count along the text, and the tower sees one crop, so that nothing tells the decoder
in which column of the picture a token lies; it did not find out in thousands of steps. Here one head weighs the separator at the
end of the row above against the beginning of the text, by its distance (how far from the left the token lies); another weighs
all separators against it (how many rows there are above); another the one before an overview (which picture). What they say, and
what a short training makes of it, goes into directions of the decoder's width that hold least and that nothing reads then; their
use is learned afterwards (PlaceHead in train.py).

And one in the middle, before the layers that look at what is copied next: the layers before those find the way there, which
takes several steps (which label came last, where it was read, which stands next to it)."""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import batches
import draw
import export
import tokenizer
from model import Phi3V, rotary_table
from sources import Live
from store import Store
from train import PlaceHead, save

MIDDLE = 3          # layer of the decoder before which the one in the middle comes
STILL = 15          # the pair of a head's width that turns least, for what no distance changes
FAR = -14.0         # score of what is not counted
# pair that turns, its angle at no distance, score per cosine, and the distance where separator and beginning weigh the same
COLUMNS = (6, 0.9, 9.0, 6), (6, 0.8, 9.0, 14), (6, 0.6, 9.0, 24), (8, 0.5, 12.0, 48)
NEAR = {9: 15.0, 12: 15.0}  # pairs that turn slowly, with their scores: of separators as far as a turn of the above or of each other
ROWS = 3, 10, 30    # numbers of separators that weigh as much as the beginning
PICTURES = 1.5      # the same of overviews
EXAMPLES, SEEN = 160, 30      # conversations to learn from, and to see what the layers pass on
TAUGHT = 1200                 # steps
ROOM = 32                     # directions of the decoder's width that are emptied for places
SHARE = 0.1         # of the length of what comes in, that each head writes


def examples(model, pictures, number):
    """What comes into the first layer [t, hidden] beside its ids, positions, sights and places: one dict a sample."""
    source, rng, found = Live(Store(pictures), model.c), np.random.default_rng(5), []
    for _ in range(number):
        sample, looks = source.sample(rng)
        sample.others = ()
        batch = batches.collate([sample], [looks], model.c)
        with torch.no_grad():
            rows = model.image_rows(model.tower(batch["crops"]), batch["grids"])
            found.append({"x": model.embed(batch["ids"], rows)} | batch)
    return found


def kinds_of(found, side):
    """What comes in, by kind: names -> [n, hidden]."""
    kinds = {"picture": [], "separator": [], "between": [], "text": [], "beginning": []}
    for batch in found:
        x, ids, on_picture = batch["x"][0].float(), batch["ids"][0], batch["places"][0, :, 0] >= 0
        separators, user = x[(ids < 0) & ~on_picture], ids == tokenizer.USER
        # of the separators of a picture the one before its overview stands alone
        order = torch.cat([F.one_hot(torch.tensor(r * side), r * side + 1 + side) for r, _ in batch["grids"]]).bool()
        kinds["picture"].append(x[on_picture])
        kinds["separator"].append(separators[~order])
        kinds["between"].append(separators[order])
        kinds["text"].append(x[(ids > 0) & ~user])
        kinds["beginning"].append(x[user])
    return {name: torch.cat(rows) for name, rows in kinds.items()}


def fitted(inputs, wanted):
    """The row of weights that gives each kind the wanted number, every kind counting the same."""
    x = torch.cat([F.rms_norm(v, v.shape[-1:], eps=1e-5) / len(v) ** 0.5 for v in inputs.values()]).double()
    y = torch.cat([torch.full((len(v),), wanted[name] / len(v) ** 0.5) for name, v in inputs.items()]).double()
    return torch.linalg.solve(x.T @ x + 1e-4 * torch.eye(x.shape[1]), x.T @ y).float()


def norms(model):
    """The decoder's norms, each with what reads behind it."""
    for layer in model.model.layers:
        yield layer.input_layernorm, layer.self_attn.qkv_proj
        yield layer.post_attention_layernorm, layer.mlp.gate_up_proj
    yield model.model.norm, model.lm_head


@torch.no_grad()
def emptied(model, found):
    """[ROOM, hidden]: the directions that hold least of what the layers pass on; nothing reads them any more."""
    held = torch.zeros(model.c.hidden, model.c.hidden)

    def see(_, inputs):
        x = F.rms_norm(inputs[0].float(), inputs[0].shape[-1:])[0]
        for some in (x[on_picture], x[~on_picture]):
            if len(some):
                held.add_(some.T @ some / len(some))

    hooks = [norm.register_forward_pre_hook(see) for norm, _ in norms(model)]
    for batch in found[:SEEN]:
        on_picture = batch["ids"][0] < 0
        model.decode(batch["x"], batch["positions"], batch["sights"])
    for hook in hooks:
        hook.remove()
    strength, directions = torch.linalg.eigh(held)
    print(f"the emptied directions held {float(strength[:ROOM].sum() / strength.sum()):.5f} of all")
    room = directions[:, :ROOM].T
    for norm, reader in norms(model):
        seen, weight = reader.weight.float() * norm.weight.float(), norm.weight.float()
        reader.weight.copy_((seen - seen @ room.T @ room) / weight)
    return room


@torch.no_grad()
def counting_layer(layer, c, inputs, room):
    """Sets the layer's values; what it counts goes into the first directions of `room`."""
    width = c.hidden // c.heads
    scale = width ** 0.25  # of queries and of keys
    q, k, v = (torch.zeros(c.heads, width, c.hidden) for _ in range(3))
    o = torch.zeros(c.hidden, c.hidden)
    on_pictures = fitted(inputs, {name: float(name not in ("text", "beginning")) for name in inputs})
    begins = {name: float(name == "beginning") for name in inputs}
    length = inputs["picture"].norm(dim=1).mean()
    for head, out in enumerate(room[:c.heads]):
        counted = ("between",) if head == c.heads - 1 else ("separator", "between")
        is_counted = {name: float(name in counted) for name in inputs}
        if head < len(COLUMNS):
            pair, angle, height, middle = COLUMNS[head]
            turn = 10000 ** (-2 * pair / width)
            start = height * math.cos(turn * middle + angle) + sum(NEAR.values())
            q[head, pair] = on_pictures * scale
            # a key turned back by the angle: the score is the cosine of the distance's angle and this one
            towards = fitted(inputs, is_counted) * scale * height
            k[head, pair], k[head, pair + width // 2] = towards * math.cos(angle), -towards * math.sin(angle)
            for slow, score in NEAR.items():
                q[head, slow], k[head, slow] = on_pictures * scale, fitted(inputs, is_counted) * scale * score
        else:
            middle = [*ROWS, PICTURES][head - len(COLUMNS)]
            start = math.log(middle)
        q[head, STILL] = on_pictures * scale
        still = {name: 0.0 if name in counted else start if name == "beginning" else FAR for name in inputs}
        k[head, STILL] = fitted(inputs, still) * scale
        v[head, 0] = fitted(inputs, {name: is_counted[name] - begins[name] for name in inputs})
        o[:, head * width] = out * SHARE * length
    layer.self_attn.qkv_proj.weight.copy_(torch.cat([q, k, v]).flatten(0, 1))
    layer.self_attn.o_proj.weight.copy_(o)
    layer.mlp.down_proj.weight.zero_()


def teach(layer, head, found, room):
    """The layer's second half learns to write places into `room`, and nothing for words, and the head to read them there; a
    few minutes of one core."""
    x, places, words = [], [], []
    with torch.no_grad():
        for batch in found:
            rotary = rotary_table(batch["positions"], layer.self_attn.qkv_proj.weight.shape[1] // layer.self_attn.heads, batch["x"])
            y = batch["x"] + layer.self_attn(layer.input_layernorm(batch["x"]), rotary, batch["sights"])[0]
            here = batch["places"][..., 0] >= 0
            x.append(y[here])
            places.append(batch["places"][here])
            words.append(y[batch["ids"] >= 0])
    x, places, words = torch.cat(x).float(), torch.cat(places), torch.cat(words).float()
    layer.float()
    write, read = torch.zeros(layer.mlp.down_proj.weight.shape[1], ROOM), torch.randn(head.weight.shape[0], ROOM) * ROOM ** -0.5
    learned = [layer.mlp.gate_up_proj.weight, head.bias, write.requires_grad_(), read.requires_grad_()]
    optimiser = torch.optim.Adam(learned)

    def written(x):
        gate, up = layer.mlp.gate_up_proj(layer.post_attention_layernorm(x)).chunk(2, -1)
        return (F.silu(gate) * up) @ write @ room

    for step in range(TAUGHT):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, 2 * (1 - step / TAUGHT))
        some, others = torch.randint(len(x), (2048,)), torch.randint(len(words), (512,))
        more, none = written(x[some]), written(words[others])
        seen = F.rms_norm(x[some] + more, room.shape[1:])
        loss, share = head.named(F.linear(seen, read @ room, head.bias), places[some])
        length = (more.norm(dim=1) / x[some].norm(dim=1)).square().mean()
        stray = (none.norm(dim=1) / words[others].norm(dim=1)).square().mean()
        optimiser.zero_grad()
        (loss + length + 10 * stray).backward()
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step}: loss {float(loss):.2f}, columns {float(share):.3f}, written {float(length) ** 0.5:.2f}, "
                  f"for words {float(stray) ** 0.5:.3f}", flush=True)
    with torch.no_grad():
        layer.mlp.down_proj.weight.copy_((write @ room).T)
        head.weight.copy_(read @ room)


def moved(name):
    """The name of a layer's values in the grown decoder."""
    before, found, behind = name.partition("model.layers.")
    if not found or "vision" in before:
        return name
    number, _, rest = behind.partition(".")
    return f"model.layers.{int(number) + 1 + (int(number) >= MIDDLE)}.{rest}"


@torch.no_grad()
def middle_layer(layer, following):
    """Looks where the following one looks, since it gets the same, and adds nothing yet."""
    layer.load_state_dict(following.state_dict())
    layer.self_attn.o_proj.weight.zero_()
    layer.mlp.down_proj.weight.zero_()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(1)
    draw.Domain.full = True
    before = export.load(args.checkpoint)
    found = examples(before, args.pictures, EXAMPLES)
    room = emptied(before, found)
    grown, head = Phi3V(replace(before.c, layers=before.c.layers + 2)), PlaceHead(before.c)
    layers, own = grown.model.layers, dict(grown.named_parameters())
    grown.load_state_dict(own | {moved(n): w for n, w in before.state_dict().items()}, strict=False)
    counting_layer(layers[0], grown.c, kinds_of(found, grown.c.grid // 2), room)
    teach(layers[0].bfloat16(), head, found, room)
    middle_layer(layers[MIDDLE + 1], layers[MIDDLE + 2])
    # with the heads that are thrown away after training
    average = torch.load(args.checkpoint, map_location="cpu", weights_only=False)["average"]
    average = {n: w for n, w in average.items() if n.startswith(export.HEADS)}
    average |= {n: p.detach().float() for n, p in own.items()}
    average |= {"place_head." + n: p.detach() for n, p in head.named_parameters()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save(args.out, config=grown.c, weights=grown.bfloat16().state_dict(), average=average)


if __name__ == "__main__":
    main()
