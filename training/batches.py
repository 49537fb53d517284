"""Batches for the three stages, drawn on the fly."""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

import draw
import hd
import labels
import tasks
import tokenizer
import windows
from draw import By, Measured

TOGETHER = 3   # samples in one forward pass of stage 3; more would only be of more unlike lengths
CROPS = 20      # of a picture that the next two numbers are for; where it has fewer, lone crops are in proportion to it,
                # and conclusions the other way round
LONE_CROPS = 12 # read in each step of stage 3 besides every six pictures
NUMBERS = 0.4   # share of packed crops that is numbers, whose digits no word helps to guess
LONGEST_LONE = 120  # letters of a lone crop that is read
CONCLUDED = 3   # pictures of stage 3 for each conclusion without a picture
WINDOWS = 5     # crops cut from a picture of stage 1
AS_SEEN = 0.5   # share of these pictures whose crops are those of the HD transform, instead of windows at any zoom
PROGRAMS = {"matplotlib": 34, "html": 20, "svg": 18, "cover": 25, "photo": 3}  # shares of the pictures from the store
OVERVIEWS = {"cover": 0.9, "page": 0.4}  # how often its overview is a crop as well; of other kinds:
OTHER_OVERVIEWS = 0.15
ALL = -1        # guided heads or layers
EARLY, LATE = 0, 1  # halves of the guided layers
FIRST = 3       # what the first letter of something counts: to find it is harder than to read on
AFTER = "<|end|>\n<|assistant|>\n"
BEFORE_QUESTION = 1 + len(tokenizer.encode_stretch("\n"))  # tokens of <|user|> and its line break
BEHIND_QUESTION = len(tokenizer.encode(AFTER, bos=False))


def look(picture, c):
    """A picture through the HD transform: crops, labels, placement."""
    canvas, place = hd.hd_picture(picture.image, c.side, c.num_crops)
    place.warp = picture.warp
    glyphs, things = labels.crop_labels(picture, place, c.grid, c.patch)
    return hd.crops(canvas, c.side), glyphs, things, place


def lone_crop(rng, c, most=100):
    """A packed crop as it is: crop [1, 3, s, s] and labels without an overview."""
    line = draw.number_line if rng.random() < NUMBERS else draw.free_line
    picture = draw.weather(rng, draw.packed_crop(rng, c.side, most=most, line=line))
    glyphs, things = labels.crop_labels(picture, hd.AS_IS, c.grid, c.patch)
    return picture, hd.normalise(np.asarray(picture.image))[None], glyphs[1:], things[1:]


def overview(picture, c):
    """The overview of a picture, as a crop of its own."""
    x, glyphs, things, _ = look(picture, c)
    return x[:1], glyphs[:1], things[:1]


def as_seen(rng, picture, c):
    """Some of the crops with letters that a picture has in use."""
    x, glyphs, things, _ = look(draw.weather(rng, picture), c)
    lettered = 1 + np.flatnonzero((glyphs[1:] > labels.BLANK).any((1, 2)))
    some = rng.permutation(lettered)[:WINDOWS] if len(lettered) else [0]
    return x[some], glyphs[some], things[some]


def crop_batch(rng, size, c, store=None):
    """Stage 1: crops packed with text, and windows and overviews of whole pictures, drawn here or by the
    programs whose pictures are in the store."""
    parts, total = [], 0
    kinds = (draw.chart, draw.cover, draw.shapes, draw.table, draw.unknown)
    programs = [kind for kind in store.kinds() if kind in PROGRAMS] if store else []
    shares = np.array([PROGRAMS[kind] for kind in programs], float)
    while total < size:
        if total < size * 0.5:
            parts.append(lone_crop(rng, c)[1:])
        else:
            if programs and rng.random() < 0.85:
                picture = store.picture(rng, programs[rng.choice(len(programs), p=shares / shares.sum())])
            else:
                picture = kinds[rng.integers(len(kinds))](rng)
            parts.append(as_seen(rng, picture, c) if rng.random() < AS_SEEN else windows.crops(rng, picture, c, WINDOWS))
            if rng.random() < OVERVIEWS.get(picture.kind, OTHER_OVERVIEWS):
                parts.append(overview(picture, c))
        total += len(parts[-1][0])
    crops, glyphs, things = (np.concatenate(x)[:size] for x in zip(*parts))
    return {"crops": torch.from_numpy(crops).bfloat16(), "glyphs": torch.from_numpy(glyphs),
            "things": torch.from_numpy(things)}


def reading(rng, c):
    """Stage 2: read one packed crop. Its tokens come without an overview."""
    while True:
        picture, x, glyphs, things = lone_crop(rng, c, int(rng.integers(1, 8)))
        if 0 < len(picture.facts["text"].text) <= LONGEST_LONE:
            break
    turn = tasks.page_read(rng, picture.facts)
    return tasks.Sample([picture], [turn], "crop"), [(x, glyphs, things, hd.AS_IS)]


@dataclass
class Encoded:
    ids: list        # negative: image places
    targets: dict    # place in ids -> token
    seen: set        # places whose target is copied from the picture
    guide: list      # (query, key, key, head, layer, count): places of letters with a known place on a picture, in the
                     # text, or both, which guided heads and layers are to look there, and what it counts
    positions: list = None  # of each id in its own conversation
    sights: list = None     # which places each id sees, as model.causal_attention takes it


def encode(sample, looks, c, lone):
    """A sample's conversations one behind another; those behind the first begin behind the pictures, which all share."""
    whole = conversation(sample, looks, c, lone)
    whole.positions, whole.sights = list(range(len(whole.ids))), [(i + 1, 0, 0) for i in range(len(whole.ids))]
    shared = 1 + max((i for i, token in enumerate(whole.ids) if token < 0), default=-1)
    for turns in sample.others:
        part, begin = conversation(replace(sample, turns=turns), looks, c, lone), len(whole.ids)

        def moved(place, by=begin - shared):
            return place + by if place >= shared else place
        whole.ids += part.ids[shared:]
        whole.positions += range(shared, len(part.ids))
        whole.sights += [(i + 1, shared, begin) for i in range(begin, len(whole.ids))]
        whole.targets.update((moved(i), token) for i, token in part.targets.items())
        whole.seen.update(map(moved, part.seen))
        whole.guide += [(*map(moved, places[:3]), *places[3:]) for places in part.guide]
    return whole


def conversation(sample, looks, c, lone):
    """One conversation."""
    side = c.grid // 2
    if lone:
        counts = [side * (side + 1)]
    else:
        counts = [image_tokens(place, side) for *_, place in looks]
    large = [{(x, y) for x, y, _, size in picture.glyphs if labels.is_large(size, place) and not lone}  # no overview
             for picture, (*_, place) in zip(sample.pictures, looks)]
    ids, first_place, targets, seen, guide = [], {}, {}, set(), []

    def place_of(where):
        """The token that holds a point of a picture."""
        number = where[2] if len(where) > 2 else 0
        on_overview = sample.pictures[number].kind == "shapes" or tuple(where[:2]) in large[number]
        return first_place[number] + (overview_token if on_overview else token_of)(where, looks[number][-1], c)

    for turn, (question, answer) in enumerate(sample.turns):
        numbers = sample.pictures_of(turn)
        names, begin = [f"<|image_{n + 1}|>" for n in numbers], len(ids)
        inside = sample.inside and names
        if inside:
            question = question.rstrip("?.")
            text = f"{question} in {' and '.join(names)}?"
        else:
            text = "".join(name + "\n" for name in names) + question
        # only the very first piece of the conversation has this BOS
        ids += tokenizer.encode_prompt(("<|end|>\n" if turn else "") + prompt(text), counts)[1 if turn else 0:]
        first_place.update((n, ids.index(-(n + 1))) for n in numbers)
        letters = tokenizer.encode_stretch(answer.text)
        question_start = len(ids) - BEHIND_QUESTION - len(question)
        if inside:
            question_start = ids.index(tokenizer.USER, begin) + BEFORE_QUESTION
        for i, token in enumerate(letters + [tokenizer.END]):
            if i < sample.given:
                continue
            where = answer.where[i - 1] if 0 < i <= len(answer.where) else None
            if where == tasks.TOLD:
                continue
            query = len(ids) + i - 1
            targets[query] = token
            layer, count = ALL, 1 if i > 1 and answer.where[i - 2] else FIRST
            if isinstance(where, By):  # early layers find the label, late ones what belongs to it
                guide.append((query, place_of(where.way), place_of(where.way), ALL, EARLY, 2 * count))
                where, layer = where.where, LATE
            if isinstance(where, Measured):  # one head looks at the bar's end, the other at the axis
                guide += [(query, place_of(w), place_of(w), head, layer, count) for head, w in enumerate(where)]
                continue
            keys = []
            if isinstance(where, tasks.Said):
                keys.append(len(ids) + 1 + where.at)
                where = where.seen if where.seen != tasks.TOLD else None
            if isinstance(where, tasks.Asked):
                keys.append(question_start + where.at)
            elif where:
                keys.append(place_of(where))
                seen.add(query)
            if keys:
                guide.append((query, keys[0], keys[-1], ALL, layer, count))
        ids += letters
    return Encoded(ids, targets, seen, guide)


def token_of(where, place, c):
    """Number of the token, among those of its picture, that holds a point of the picture."""
    x, y = labels.to_canvas(where, place)
    side = c.grid // 2
    across = place.cols * side
    col = min(max(int(x // (2 * c.patch)), 0), across - 1)
    row = min(max(int(y // (2 * c.patch)), 0), place.rows * side - 1)
    return row * (across + 1) + col


def overview_token(where, place, c):
    """The same on the overview, which comes behind the picture and one separator."""
    x, y = labels.to_canvas(where, labels.on_overview(place))
    side = c.grid // 2
    col, row = (min(max(int(v // (2 * c.patch)), 0), side - 1) for v in (x, y))
    return place.rows * side * (place.cols * side + 1) + 1 + row * (side + 1) + col


def places(grids, side):
    """Column and row [t, 2] of every token of these pictures in the grid of all crops' tokens, of an overview's token that
    of its middle; IGNORE for separators. A grid of None is a lone crop."""

    def framed(across, down):
        grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)
        return F.pad(grid, (0, 0, 0, 1), value=labels.IGNORE).flatten(0, 1)

    step, parts = torch.arange(side), []
    for grid in grids:
        if grid is None:
            parts.append(framed(step, step))
            continue
        down, across = grid
        parts += [framed(torch.arange(across * side), torch.arange(down * side)), torch.full((1, 2), labels.IGNORE),
                  framed((2 * step + 1) * across // 2, (2 * step + 1) * down // 2)]
    return torch.cat(parts)


def prompt(text):
    return f"<|user|>\n{text}{AFTER}"


def image_tokens(place, side):
    return (place.rows * place.cols + 1) * side * side + 1 + (place.rows + 1) * side


def collate(samples, all_looks, c, lone=False):
    encoded = [encode(s, l, c, lone) for s, l in zip(samples, all_looks)]
    length = max(len(e.ids) for e in encoded)
    length = (length + 7) // 8 * 8
    most = max(len(e.targets) for e in encoded)
    most = (most + 7) // 8 * 8
    ids, rows = np.zeros((len(encoded), length), np.int64), np.zeros((len(encoded), most), np.int64)
    positions, sights = np.zeros_like(ids), np.zeros((*ids.shape, 3), np.int32)
    sights[..., 0] = 1
    targets, seen = np.full_like(rows, labels.IGNORE), np.zeros(rows.shape, bool)
    guide = []
    for i, e in enumerate(encoded):
        n, m = len(e.ids), len(e.targets)
        ids[i, :n], positions[i, :n], sights[i, :n] = e.ids, e.positions, e.sights
        rows[i, :m], targets[i, :m] = list(e.targets), list(e.targets.values())
        seen[i, :m] = [place in e.seen for place in e.targets]
        guide += [(i, *places) for places in e.guide]
    looks = [look for looks in all_looks for look in looks]
    grids = [None if lone else (look[3].rows, look[3].cols) for look in looks]
    where = np.full((*ids.shape, 3), labels.IGNORE)
    if looks:
        where[ids < 0, :2], where[ids < 0, 2] = places(grids, c.grid // 2), -ids[ids < 0] - 1
    batch = {"ids": torch.from_numpy(ids), "positions": torch.from_numpy(positions),
             "sights": torch.from_numpy(sights), "rows": torch.from_numpy(rows),
             "targets": torch.from_numpy(targets), "seen": torch.from_numpy(seen),
             "guide": torch.tensor(guide, dtype=torch.long).view(-1, 7),
             "grids": grids, "places": torch.from_numpy(where)}
    if looks and torch.is_tensor(looks[0][0]):  # what the tower made of the crops
        batch.update(features=torch.cat([look[0] for look in looks]), glyphs=torch.cat([look[1] for look in looks]))
    elif looks:
        crops, glyphs, things = (np.concatenate([look[i] for look in looks]) for i in range(3))
        batch.update(crops=torch.from_numpy(crops).bfloat16(), glyphs=torch.from_numpy(glyphs),
                     things=torch.from_numpy(things))
    return batch


def lone_batch(rng, size, c):
    samples, looks = zip(*(reading(rng, c) for _ in range(size)))
    return collate(samples, looks, c, lone=True)


def conclusions(rng, size, c):
    """Two batches, the shorter ones apart."""
    samples = sorted((tasks.conclusion(rng) for _ in range(size)), key=lambda s: len(s.turns[0][1].text))
    return [collate(half, [[]] * len(half), c) for half in (samples[:size // 2], samples[size // 2:])]


def in_groups(samples, together):
    """Lists of samples of one number of pictures and about one length, so that little padding is computed.
    samples: (sample, looks)."""
    samples = sorted(samples, key=lambda s: (len(s[1]), sum(len(look[0]) for look in s[1]), s[0].letters()))
    for count in sorted({len(looks) for _, looks in samples}):
        same = [s for s in samples if len(s[1]) == count]
        for i in range(0, len(same), together):
            yield zip(*same[i:i + together])


def make(stage, rng, size, c, mix, together=TOGETHER, store=None, source=None):
    """List of batches that make one step. mix: kind -> share, for stage 3. store: pictures by other programs for
    stage 1; source: conversations about theirs for stage 3 (sources.py), instead of the mix."""
    if stage == 1:
        return [crop_batch(rng, size, c, store)]
    if stage == 2:
        return [lone_batch(rng, size, c)]
    if source:
        samples = [source.sample(rng) for _ in range(size)]
    else:
        kinds, shares = zip(*mix.items())
        shares = np.array(shares) / sum(shares)
        drawn = [tasks.make(rng, kinds[rng.choice(len(kinds), p=shares)]) for _ in range(size)]
        samples = [(s, [look(p, c) for p in s.pictures]) for s in drawn]
    # lone crops cost little and hold many letters: reading goes on improving beside the tasks
    return [collate(*group, c) for group in in_groups(samples, together)] + [
        lone_batch(rng, max(1, size * LONE_CROPS * c.num_crops // (6 * CROPS)), c)
    ] + conclusions(rng, max(2, size * CROPS // (CONCLUDED * c.num_crops)), c)
