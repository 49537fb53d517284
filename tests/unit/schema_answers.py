#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Answers of a tiny model by random schemas, validated by the jsonschema package.

schema_answers.py PROGRAM N: TAP. Every answer that says it is complete must be JSON that its schema
accepts; the others must say "length". Schemas and seeds are the same in every run.
"""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import end, note, ok, skip_all

try:
    import jsonschema
except ImportError:
    skip_all("the Python package jsonschema is not here")

WORDS = ["name", "kind", "size", "tags", "x", "y", "title", "née", "a b", "id", "日本", "value"]


def scalar(r):
    """A schema of something that has no parts."""
    kind = r.randrange(12)
    if kind == 0:
        return {"type": "boolean"}
    if kind == 1:
        return {"type": "null"}
    if kind == 2:
        low = r.randint(-2000, 2000)
        return {"type": "integer", "minimum": low, "maximum": low + r.choice([0, 1, 7, 90, 12345])}
    if kind == 3:
        return r.choice([{"type": "integer"}, {"type": "integer", "minimum": 0},
                         {"type": "integer", "exclusiveMaximum": r.randint(-50, 50)}])
    if kind == 4:
        low = round(r.uniform(-20, 20), r.randint(0, 4))
        return {"type": "number", r.choice(["minimum", "exclusiveMinimum"]): low,
                r.choice(["maximum", "exclusiveMaximum"]): round(low + r.choice([0.01, 1, 3.5, 1000]), 4)}
    if kind == 5:
        return {"type": "number"}
    if kind == 6:
        return {"enum": r.sample(["red", "green", "dark green", "", 'say "hi"', "ß\n", 0, 1.5, -3, None, True,
                                  [1, {"a": []}], {"b": "c"}], r.randint(1, 6))}
    if kind == 7:
        return {"const": r.choice(["x", 7, None, "né\\", 1e-7])}
    if kind == 8:
        return {"type": "string", "pattern": r.choice(
            [r"^[A-Z]{2,3}-\d{1,4}$", r"^(red|green|blue)( dark)?$", r"^\w{1,5}(,\w{1,5}){0,2}$",
             r"^[^\"\\a-z]{0,4}$", r"^.{3}$", r"^[à-ö日本]{1,3}x?$", r"^(?:a|b*c){1,3}$"])}
    if kind == 9:
        return {"type": "string", "format": r.choice(["date", "time", "date-time", "email", "ipv4", "uuid", "duration", "hostname", "ipv6", "uri"])}
    low = r.choice([0, 0, 0, 1, 3])
    return {"type": "string", "minLength": low, "maxLength": low + r.choice([0, 1, 4, 9, 30])}


def array(r, depth):
    s = {"type": "array", "maxItems": r.randint(0, 4)}
    if r.random() < 0.3:
        s["prefixItems"] = [schema(r, depth - 1) for _ in range(r.randint(1, 3))]
    if r.random() < 0.8:
        s["items"] = schema(r, depth - 1)
    if r.random() < 0.4:
        s["minItems"] = r.randint(0, s["maxItems"])
    if "items" not in s:  # any value: that has no end that one could count on
        s["maxItems"] = min(s["maxItems"], len(s.get("prefixItems", [])))
        s["minItems"] = min(s.get("minItems", 0), s["maxItems"])
    return s


def an_object(r, depth):
    names = r.sample(WORDS, r.randint(0, 5))
    s = {"type": "object", "properties": {n: schema(r, depth - 1) for n in names}}
    if r.random() < 0.7:
        s["required"] = r.sample(names, r.randint(0, len(names)))
    if r.random() < 0.6:
        s["additionalProperties"] = False
    elif r.random() < 0.15:
        s["additionalProperties"] = scalar(r)
    return s


def union(r, depth):
    """Objects told apart by a property, or any schemas."""
    if r.random() < 0.5:
        return {"anyOf": [schema(r, depth - 1) for _ in range(r.randint(1, 4))]}
    some = []
    for kind in r.sample(["circle", "square", "line", "li"], r.randint(1, 3)):
        s = an_object(r, depth - 1)
        s["properties"] = {"kind": {"const": kind}, **{k: v for k, v in s["properties"].items() if k != "kind"}}
        s["required"] = ["kind"] + [n for n in s.get("required", []) if n != "kind"]
        some.append(s)
    return {r.choice(["oneOf", "anyOf"]): some}


def schema(r, depth):
    if depth <= 0 or r.random() < 0.35:
        return scalar(r)
    kind = r.randrange(10)
    if kind < 4:
        return an_object(r, depth)
    if kind < 7:
        return array(r, depth)
    if kind < 9:
        return union(r, depth)
    return {"type": r.sample(["null", "boolean", "integer", "number"], 2), "title": "either"}


def recursive(r):
    return {
        "$defs": {"node": {"type": "object", "required": ["v"], "additionalProperties": False,
                           "properties": {"v": scalar(r), "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
                                          "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}}}},
        "$ref": "#/$defs/node",
    }


def make(i):
    r = random.Random(i)
    whole = recursive(r) if i % 20 == 19 else schema(r, 3)
    group = random.Random(i // 3)  # three neighbours share settings, and are answered side by side
    return {"schema": whole, "seed": group.randrange(1 << 40), "temperature": group.choice([0, 0.7, 1, 1, 3]),
            "max_new_tokens": group.choice([40, 150, 400])}


def judge(line, answer):
    """None, or what is wrong."""
    if "refused" in answer:
        return "refused: " + answer["refused"]
    if answer["finish"] == "length":
        return None
    try:
        value = json.loads(answer["text"])
    except ValueError as e:
        return f"no JSON: {e}: {answer['text'][:200]}"
    errors = list(jsonschema.Draft202012Validator(
        line["schema"], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).iter_errors(value))
    return f"{errors[0].message[:200]}" if errors else None


def main():
    program, n = sys.argv[1], int(sys.argv[2])
    lines = [make(i) for i in range(n)]
    for line in lines:
        jsonschema.Draft202012Validator.check_schema(line["schema"])
    done = subprocess.run([program], input="".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines),
                          stdout=subprocess.PIPE, text=True, encoding="utf-8")
    out = [json.loads(x) for x in done.stdout.split("\n") if x.startswith("{")]
    answers, clock = out[:-1], out[-1] if out else {}
    bad = 0
    for i, (line, answer) in enumerate(zip(lines, answers)):
        wrong = judge(line, answer)
        if wrong:
            bad += 1
            note(f"schema {i}: {wrong}\n{json.dumps(line['schema'], ensure_ascii=False)[:1500]}")
    complete = sum(a.get("finish") == "stop" for a in answers)
    note(f"{n} schemas: {complete} answers complete, {n - complete - bad} cut at their longest length; {clock}")
    ok(done.returncode == 0 and len(answers) == n, "every schema has its answer")
    ok(not bad, "every complete answer is valid")
    ok(2 * complete > n, "most answers are complete")
    end()


main()
