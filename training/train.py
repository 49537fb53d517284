"""Training in stages; every stage has a time budget and resumes from its checkpoint.

    python train.py --stage 1 --minutes 12 --run RUN_FOLDER
    python train.py --stage 2 --minutes 15 --run RUN_FOLDER
    python train.py --stage 3 --minutes 90 --run RUN_FOLDER

Each stage starts from the weights of the last one found in the run folder, or continues its own
checkpoint. Two processes with one thread each share a step: on a machine with other work this
wastes far less than one process with two threads."""

import argparse
import itertools
import multiprocessing
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

import batches
import draw
import export
import labels
from model import SIZES, Config, Phi3V, unseen
from optim import Optimiser
from sources import Cached, Live
from store import Store

STAGES = {  # crops or pictures per process and step, Muon rate, rate of the tower, patch loss
    1: dict(batch=28, rate=0.02, tower=1.0, patch=1.0),
    2: dict(batch=32, rate=0.02, tower=0.5, patch=0.6),
    3: dict(batch=6, rate=0.008, tower=0.3, patch=1.0),
}
GUIDE_WEIGHT = 0.4
TOKEN_WEIGHT = 0.4
PLACE_WEIGHT = 0.1
WARM_UP = 20
MIXES = [  # stage 3: from this share of the budget on, kind -> share
    (0.0, {"page": 15, "chart": 30, "cover": 30, "shapes": 15, "pair": 5, "mixed": 1, "unknown": 4, "text": 1}),
    (0.25, {"page": 10, "chart": 20, "cover": 22, "shapes": 7, "table": 12, "pair": 22, "mixed": 5,
            "sitting": 2, "unknown": 3, "text": 1}),
    (0.7, {"page": 9, "chart": 28, "cover": 26, "shapes": 8, "table": 9, "pair": 8, "mixed": 6,
           "sitting": 2, "unknown": 3, "text": 1}),
]


def named_glyphs(logits, truth):
    """Loss of logits [..., slots * classes] for glyphs [..., slots], and the share of drawn ones named rightly."""
    logits, truth = logits.float().view(-1, labels.GLYPH_CLASSES), truth.flatten()
    each = torch.where(truth == labels.BLANK, 0.15, 1.0) * (truth >= 0)  # most slots are empty
    loss = (F.cross_entropy(logits, truth, reduction="none") * each).sum() / each.sum().clamp(min=1)
    return loss, (logits.argmax(-1) == truth)[truth > labels.BLANK].float().mean()


class TokenHead(nn.Linear):
    """Thrown away after training: names the glyphs in each token of a picture, so that none is lost on the way from
    four patches to one row of the decoder."""

    def __init__(self, c):
        super().__init__(c.hidden, 4 * labels.SLOTS * labels.GLYPH_CLASSES)

    def loss(self, model, rows, glyphs, grids):
        """rows: of all pictures; glyphs: labels of the patches of their crops."""
        none = glyphs.new_full((4 * labels.SLOTS,), labels.IGNORE)
        truth = model.tokens(glyphs, grids, none, none)
        lettered = (truth > labels.BLANK).any(1)
        return named_glyphs(self(rows[lettered]), truth[lettered])


class PlaceHead(nn.Linear):
    """Thrown away after training: says in which column and row of which picture a token lies. The tower sees one crop and
    positions count along the text, so that what stands above something else, as a value does above its label, is far
    away by a number that depends on the picture's shape. Where a letter is to be copied it says from where, before the later
    guided layers look there."""
    PARTS = 128, 128, 4  # columns, rows, pictures

    def __init__(self, c):
        super().__init__(c.hidden, sum(self.PARTS))

    def forward(self, x):
        return super().forward(F.rms_norm(x, x.shape[-1:])).float()

    def named(self, logits, truth, counts=None):
        """Loss of the logits [n, PARTS] for truth [n, 3], of which each counts [n], and the share with the right column."""
        parts = logits.split(self.PARTS, 1)
        each = sum(F.cross_entropy(part, truth[:, i].clamp(max=part.shape[1] - 1), reduction="none")
                   for i, part in enumerate(parts))
        counts = torch.ones_like(each) if counts is None else counts
        return (each * counts).sum() / counts.sum().clamp(min=1), (parts[0].argmax(1) == truth[:, 0]).float().mean()

    def loss(self, placed, places, guide):
        """placed: what the first layers gave; places [b, t, 3]; guide as in guide_loss. Also the shares of tokens of
        pictures and of aims with the right column."""
        *early, late = placed
        here = places[..., 0] >= 0
        losses, shares = zip(*(self.named(self(x[here]), places[here]) for x in early))
        aims = guide[(guide[:, 4] == batches.ALL) & (guide[:, 5] != batches.EARLY)]
        sample, query, _, key, _, _, counts = aims[places[aims[:, 0], aims[:, 3], 0] >= 0].T
        aim, aimed = self.named(self(late[sample, query]), places[sample, key], counts)
        return sum(losses) / len(losses) + aim, shares[0], aimed


class PatchHead(nn.Module):
    """Thrown away after training: names the glyphs and objects in each patch."""

    def __init__(self, width):
        super().__init__()
        self.glyph = nn.Linear(width, labels.SLOTS * labels.GLYPH_CLASSES)
        self.thing = nn.Linear(width, labels.OBJECT_CLASSES)
        self.colour = nn.Linear(width, labels.COLOUR_CLASSES)

    def forward(self, features, glyphs, things):
        """Loss and the share of drawn glyphs named rightly."""
        read = (glyphs[..., 0] != labels.IGNORE).any(1)  # crops, but for overviews
        loss, right = named_glyphs(self.glyph(features[read]), glyphs[read])
        # covered patches are few, so they count more
        for head, column in ((self.thing, 0), (self.colour, 1)):
            truth = things[..., column].reshape(-1)
            each = F.cross_entropy(head(features).float().flatten(0, 1), truth, reduction="none")
            share = torch.where(truth > 0, 1.0, 0.15) * (truth >= 0)
            loss = loss + 0.5 * (each * share).sum() / share.sum().clamp(min=1)
        return loss, right


def guide_loss(guided, guide, sights):
    """-log of the attention that the guided heads put on the tokens holding the next letter.
    guide: (sample, query, key, key, head, layer, count) of every letter with a known place; the keys may be one."""
    if not len(guide):
        return torch.zeros((), device=guide.device)
    sample, query, key, other, head, layer, count = guide.T
    row, total = torch.arange(len(key), device=guide.device), 0.0
    heads = (head == batches.ALL)[:, None] | (head[:, None] == torch.arange(guided[0][0].shape[1], device=guide.device))
    for i, (q, k) in enumerate(guided):
        scores = torch.cat([torch.matmul(q[s, :, query[sample == s]] * q.shape[-1] ** -0.5, k[s].transpose(-1, -2))
                            for s in sample.unique()], 1).transpose(0, 1).float()  # guide goes by samples
        logs = scores.masked_fill(unseen(k.shape[2], sights[sample, query])[:, None], -1e9).log_softmax(-1)
        both = torch.logaddexp(logs[row, :, key], logs[row, :, other])
        here = (layer == batches.ALL) | (layer == (batches.LATE if i >= len(guided) - Phi3V.LATE else batches.EARLY))
        told = heads * (here * count)[:, None]
        total = total - (torch.where((key == other)[:, None], logs[row, :, key], both) * told).sum() / told.sum().clamp(min=1)
    return total / len(guided)


def losses(stage, model, heads, batch, settings, frozen, settling=False):
    """Loss of one batch and a dict of figures for the log. A frozen tower gets no gradient; settling:
    the patch head learns all the same. heads: PatchHead, TokenHead and PlaceHead."""
    figures, loss, rows = {}, 0.0, None
    patches, tokens, place = heads
    if "features" in batch:
        rows = model.image_rows(batch["features"], batch["grids"])
    elif "crops" in batch:
        with torch.set_grad_enabled(not frozen):
            features = model.tower(batch["crops"])
        if not frozen or settling:
            patch, right = patches(features, batch["glyphs"], batch["things"])
            loss = settings["patch"] * patch
            figures.update(patch=float(patch.detach()), letters=float(right))
        if stage == 1:
            return loss, figures
        rows = model.image_rows(features, batch["grids"])
    if rows is not None and settings["token"]:
        named, right = tokens.loss(model, rows, batch["glyphs"], batch["grids"])
        loss = loss + settings["token"] * named
        figures.update(tokens=float(right))
    x = model.embed(batch["ids"], rows)
    h, guided, placed = model.decode(x, batch["positions"], batch["sights"], batch["rows"])
    wanted = batch["targets"] != labels.IGNORE
    logits, truth = model.lm_head(h[wanted]).float(), batch["targets"][wanted]
    answer = F.cross_entropy(logits, truth)
    right = logits.argmax(-1) == truth
    guide = guide_loss(guided, batch["guide"], batch["sights"]) if settings["guide"] else answer.new_zeros(())
    if rows is not None and settings["places"]:
        placing, found, aimed = place.loss(placed, batch["places"], batch["guide"])
        loss = loss + PLACE_WEIGHT * placing
        if batch["grids"][0]:
            figures.update(places=float(found), aimed=float(aimed))
    if rows is not None:
        seen = batch["seen"][wanted]
        figures.update(answer=float(answer.detach()), right=float(right.float().mean()),
                       copied=float(right[seen].float().mean()), guide=float(guide.detach()))
    else:
        figures.update(concluded=float(right.float().mean()), recall=float(guide.detach()))
    return loss + answer + settings["guide"] * guide, figures


def letters(batch):
    return int((batch["targets"] != labels.IGNORE).sum()) if "targets" in batch else 1


def parameters(model, heads, stage):
    """What a stage trains; the last tower layer and post_layernorm are never run."""
    patches, tokens, place = heads
    unused = (f"encoder.layers.{model.c.vision_layers - 1}.", "post_layernorm")
    named = [(n, p) for n, p in model.named_parameters() if not any(u in n for u in unused)]
    if stage == 1:
        named = [(n, p) for n, p in named if "vision_model" in n]
    else:
        named += [("token_head." + n, p) for n, p in tokens.named_parameters()]
        named += [("place_head." + n, p) for n, p in place.named_parameters()]
    return named + [("head." + n, p) for n, p in patches.named_parameters()]


def save(path, **what):
    torch.save(what, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


class Drawing(torch.utils.data.Dataset):
    """The batches of each step, drawn where a loader's workers ask for them."""

    def __init__(self, args, c, rank, share):
        self.args, self.c, self.rank, self.share = args, c, rank, share
        draw.Domain.full, draw.Domain.crowded = args.full, bool(args.pictures)
        draw.Domain.faces(False)  # looked for once, before workers are forked
        self.store = Store(args.pictures) if args.pictures else None
        self.source = Cached(args.features) if args.features else None
        if args.stage == 3 and self.store and not self.source:
            self.source = Live(self.store, c, args.own)

    def __len__(self):
        return 1 << 30

    def __getitem__(self, step):
        torch.set_num_threads(1)
        mix = [m for share, m in MIXES if self.share.value >= share][-1]
        rng = np.random.default_rng([self.args.seed, self.args.stage, step, self.rank])
        return batches.make(self.args.stage, rng, self.args.batch, self.c, mix, self.args.together, self.store,
                            self.source)


def drawn(args, c, rank, share, first):
    """Endless batches from step `first` on."""
    drawing = Drawing(args, c, rank, share)
    if args.workers == 0:
        return (drawing[step] for step in itertools.count(first))
    return iter(torch.utils.data.DataLoader(
        drawing, batch_size=None, sampler=itertools.count(first), num_workers=args.workers,
        multiprocessing_context="fork", prefetch_factor=2))


def start(args, model, head, optimiser):
    """Takes up a checkpoint or a model folder: step, seconds so far, averaged weights."""
    own = args.run / f"stage{args.stage}.pt"
    earlier = [args.run / f"stage{s}.pt" for s in range(args.stage - 1, 0, -1)]
    source = own if own.exists() else next((p for p in [args.checkpoint, *earlier] if p and p.exists()), None)
    if source:
        state = torch.load(source, map_location=args.device, weights_only=False)
        model.load_state_dict(state["weights"])
        optimiser.take()
        if source == own:
            optimiser.load(state["optimiser"])
            return state["step"], state["elapsed"], state["average"]
        optimiser.begin(state["average"])  # which features.py takes as well
    elif args.weights:
        for folder in args.weights:
            model.load_state_dict(fitting(folder, model.c), strict=False)
        if args.heads:
            saved = export.read_safetensors(args.heads)
            with torch.no_grad():  # kinds of objects that were added since stay new
                for name, p in head.named_parameters():
                    p[:len(saved[name])] = saved[name]
        optimiser.take()
    return 0, 0.0, {i["name"]: i["master"].clone() for i in optimiser.items}


def fitting(folder, c):
    """The weights of a model folder; its last tower layer was never run, so that a deeper tower gets its own
    new ones from there on (they begin by passing on what they are given)."""
    weights = export.read_safetensors(folder / "model.safetensors")
    last = f"encoder.layers.{Config.read(folder).vision_layers - 1}."
    return weights if Config.read(folder).vision_layers == c.vision_layers else {
        n: w for n, w in weights.items() if last not in n}


def to_device(batch, device):
    return {k: v.to(device, non_blocking=True) if torch.is_tensor(v) else v for k, v in batch.items()}


def seconds(device):
    """What the budget is counted by: on a CPU the time this process had of it, so that other work beside the
    training, or a stop, costs nothing of the budget."""
    return time.process_time() if device == "cpu" else time.time()


def gradients(named, elapsed, world):
    """Means over the processes: name -> gradient in float32, and the seconds so far."""
    flat = torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten().float()
                      for _, p in named] + [torch.tensor([elapsed], device=named[0][1].device)])
    if world > 1:
        dist.all_reduce(flat)
        flat /= world
    grads, at = {}, 0
    for name, p in named:
        grads[name] = flat[at:at + p.numel()].view_as(p)
        at += p.numel()
    return grads, float(flat[-1])


def train(rank, world, args):
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    if world > 1:
        meeting = args.run / f"meeting.{args.stage}.{args.start}"
        dist.init_process_group("gloo", rank=rank, world_size=world, init_method=f"file://{meeting}")
        dist.barrier()
        meeting.unlink(missing_ok=True)
    settings, c = STAGES[args.stage] | {"places": args.places}, SIZES[args.size]
    settings |= {"token": 0, "guide": 0} if args.answers else {"token": TOKEN_WEIGHT, "guide": GUIDE_WEIGHT}
    model, heads = Phi3V(c), (PatchHead(c.vision_hidden), TokenHead(c), PlaceHead(c))
    for module in (model, *heads):
        module.to(args.device).bfloat16()
    if not args.eager:
        for layer in [*model.tower_layers(), *model.model.layers]:
            layer.compile(dynamic=True)
    named = parameters(model, heads, args.stage)
    optimiser = Optimiser(named, settings["rate"], slow=lambda n: "vision_model" in n or n.startswith("head."))
    step, elapsed, average = start(args, model, heads[0], optimiser)
    own, budget = args.run / f"stage{args.stage}.pt", args.minutes * 60
    share = multiprocessing.Value("d", min(1.0, elapsed / budget), lock=False)
    source = drawn(args, c, rank, share, step)
    log = open(args.run / f"stage{args.stage}.log", "a") if rank == 0 else None
    sums, weights, count = Counter(), Counter(), 0
    last_save = last_note = time.time()
    clock = seconds(args.device)
    while elapsed < budget:
        # stage 3 trains the tower in one step of three: most of its gain for a third of its cost
        frozen = elapsed < budget / 2 if args.stage == 2 else args.stage == 3 and step % 3 > 0
        frozen = frozen or bool(args.features)  # they hold for this tower only
        # new patch heads must fit the tower before they may change it
        settling = bool(args.weights) and not args.heads and step < 2 * WARM_UP
        frozen = frozen or settling
        for _, p in named:
            p.grad = None
        parts = next(source)
        for part in parts:
            loss, figures = losses(args.stage, model, heads, to_device(part, args.device), settings,
                                   frozen, settling)
            # every answer letter counts the same, whichever part it is in
            weight = letters(part) / sum(map(letters, parts))
            (loss * weight).backward()
            for key, value in figures.items():
                if value == value:
                    sums[key] += value * weight
                    weights[key] += weight
        grads, mean_elapsed = gradients(named, elapsed, world)
        share.value = mean_elapsed / budget  # the same on all processes
        tail = min(1.0, max(args.floor, (1 - share.value) / (1 - args.constant))) if args.constant < 1 else 1.0
        warm = min(1.0, (step + 1) / WARM_UP)
        optimiser.step(grads, args.rate * warm * tail, 1.0 if settling else 0.0 if frozen else settings["tower"])
        step += 1
        for item in optimiser.items:
            average[item["name"]].lerp_(item["master"], max(1 / (step + 1), args.average))
        count += 1
        now, before = time.time(), clock
        clock = seconds(args.device)
        elapsed += clock - before
        if world > 1:
            shared = torch.tensor([elapsed])
            dist.broadcast(shared, 0)
            elapsed = float(shared)
        if rank == 0 and (now - last_note > 30 or elapsed >= budget):
            rate = count * args.batch * world / (now - last_note)
            note = " ".join(f"{k} {v / weights[k]:.3f}" for k, v in sums.items())
            log.write(f"stage {args.stage} {elapsed:7.0f} s step {step:6d} {rate:5.1f}/s lr {args.rate * warm * tail:.2f} {note}\n")
            log.flush()
            sums, weights, count, last_note = Counter(), Counter(), 0, now
        if rank == 0 and (now - last_save > 180 or elapsed >= budget):
            save(own, config=c, weights=model.state_dict(), optimiser=optimiser.state(), average=average,
                 step=step, elapsed=elapsed)
            last_save = now
    if world > 1:
        dist.barrier()
        dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stage", type=int, required=True, choices=STAGES)
    parser.add_argument("--minutes", type=float, required=True, help="budget of the whole stage: time of the CPU")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and logs")
    parser.add_argument("--weights", type=Path, nargs="+",
                        help="model folders to start from when there is no checkpoint; the last one's tensors count")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint of another run to start from")
    parser.add_argument("--pictures", type=Path, help="folder that render.py fills")
    parser.add_argument("--features", type=Path, help="folder that features.py has filled, for stage 3")
    parser.add_argument("--full", action="store_true", help="all faces; words, names and families held out")
    parser.add_argument("--rate", type=float, default=1.0, help="share of the stage's learning rates")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--constant", type=float, default=0.4, help="share before the rate falls")
    parser.add_argument("--floor", type=float, default=0.1, help="smallest rate factor")
    parser.add_argument("--average", type=float, default=0.02, help="weight of a step in the average")
    parser.add_argument("--places", action="store_true", help="ask the first layers where tokens lie (grow.py)")
    parser.add_argument("--own", type=float, help="share of the pictures drawn here, in stage 3")
    parser.add_argument("--answers", action="store_true",
                        help="learn from answers and patches alone, without guided heads and letters of tokens")
    parser.add_argument("--heads", type=Path, help="patch heads that belong to --weights")
    parser.add_argument("--size", choices=SIZES, default="S")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw; 0: each step its own")
    parser.add_argument("--batch", type=int, help="pictures or crops per process and step")
    parser.add_argument("--together", type=int, default=batches.TOGETHER, help="pictures in one pass")
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    args = parser.parse_args()
    args.batch = args.batch or STAGES[args.stage]["batch"]
    args.run = args.run.resolve()
    args.run.mkdir(parents=True, exist_ok=True)
    args.start = int(time.time())
    if args.processes == 1:
        train(0, 1, args)
    else:
        torch.multiprocessing.spawn(train, (args.processes, args), nprocs=args.processes)


if __name__ == "__main__":
    main()
