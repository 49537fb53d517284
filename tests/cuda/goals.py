#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The goals of docs/speed.md against what device.sh measured: goals.py OUT

Reads OUT/bench-*.json and OUT/peers.json, prints a table and leaves OUT/goals.json. Shares are of the limits that peers.json
measured in the same run: bytes read a second for steps, bf16 operations for the rest. Exit status 1 when a row's "at least"
is missed or was not measured.
"""
import json
import pathlib
import sys

# title, file, (case, n or ctx, tokens), at least, aim, case of PyTorch compiled, at least and aim as times of its speed.
# Goals of tg are tokens a second, all others seconds.
ROWS = [
    ("decode bf16, context 0", "bf16", ("tg", 0, None), 440, 526, "tg:0 compiled", 1.3, 2),
    ("decode bf16, context 2560", "bf16", ("tg", 2560, None), 400, 465, "tg:2560 compiled", 1.3, 2),
    ("decode bf16, context 32768", "bf16", ("tg", 32768, None), 180, 198, None, None, None),
    ("decode bf16, context 131000", "long", ("tg", 131000, None), 62, 69, None, None, None),
    ("decode q8, context 0", "q8", ("tg", 0, None), 800, 998, None, None, None),
    ("decode q8, context 2560", "q8", ("tg", 2560, None), 650, 799, None, None, None),
    ("decode q4, context 0", "q4", ("tg", 0, None), 1250, 1732, None, None, None),
    ("decode q4, context 2560", "q4", ("tg", 2560, None), 900, 1202, None, None, None),
    ("prompt of 2600, bf16", "bf16", ("pp", 2600, None), 0.045, 0.032, "pp:2600 compiled", 1.2, 2),
    ("prompt of 32768, bf16", "long", ("pp", 32768, None), 1.1, 0.70, None, None, None),
    ("prompt of 131000, bf16", "long", ("pp", 131000, None), 12, 7.0, None, None, None),
    ("vision, 17 crops", "bf16", ("vision", 17, None), 0.018, 0.011, "vision:17 compiled", 1.2, 2),
    ("first token, 17 crops + 40 tokens", "bf16", ("turn", 17, 40), 0.070, 0.045, None, None, None),
    ("second turn, 30 new tokens", "bf16", ("edit", 17, 30), 0.006, 0.003, None, None, None),
]


def load(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def find(run, name, number, tokens):
    for c in run.get("cases", []):
        if c["case"] == name and c["ctx" if name == "tg" else "n"] == number and c.get("tokens") == tokens:
            return c
    return None


def measured(case, limits):
    """Value as in ROWS, seconds of a token or of the whole, share of the limit."""
    name, amount = case["case"], case.get("bytes") or case.get("flops")
    seconds = case["n"] / case["tok_s"] if "tok_s" in case else case["s"]
    limit = limits.get("read_bytes_per_s" if "bytes" in case else "bf16_flops_per_s")
    share = amount / seconds / limit if limit else None
    return (case["tok_s"], 1 / case["tok_s"], share) if name == "tg" else (seconds, seconds, share)


def main():
    out = pathlib.Path(sys.argv[1])
    peers = load(out / "peers.json")
    missed, table = 0, []
    for title, file, case, least, aim, peer, times_least, times_aim in ROWS:
        row = {"row": title, "case": "bench-%s.json, %s:%d" % (file, *case[:2]), "at_least": least, "aim": aim}
        found = find(load(out / ("bench-%s.json" % file)), *case)
        if found:
            value, seconds, share = measured(found, peers.get("limits", {}))
            better = (lambda goal: value >= goal) if case[0] == "tg" else (lambda goal: value <= goal)
            row |= {"measured": value, "share": share, "holds": better(least), "reaches_aim": better(aim)}
            if peer and peer in peers.get("cases", {}):
                times = peers["cases"][peer] / seconds
                row |= {"times_compiled": times, "times_at_least": times_least, "times_hold": times >= times_least,
                        "times_reach_aim": times >= times_aim}
        good = bool(row.get("holds")) and (not peer or bool(row.get("times_hold")))
        missed += not good
        table.append(row)
        print("%-4s %-34s %s at least %g, aim %g%s%s" % (
            "" if good else "MISS", title, "%-10.4g" % row["measured"] if found else "not found ", least, aim,
            ", %.0f %% of the limit" % (100 * row["share"]) if row.get("share") else "",
            ", %.2f times PyTorch compiled" % row["times_compiled"] if "times_compiled" in row else ""))
    print("%d of %d rows hold" % (len(ROWS) - missed, len(ROWS)))
    (out / "goals.json").write_text(json.dumps({"card": peers.get("card"), "limits": peers.get("limits"), "rows": table}, indent=1))
    return 1 if missed else 0


sys.exit(main())
