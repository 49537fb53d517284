# SPDX-License-Identifier: MIT
"""Greedy ids of Phiscope and of other programs side by side; bench/peers/agree starts it."""
import argparse
import json
import os
import shutil
import subprocess
import sys

import places
import visits
import watcher
import weights
from rows import PROGRAMS

ROOT = os.path.dirname(os.path.dirname(places.HERE))
TINY = os.path.join(ROOT, "tests", "golden", "data", "models")
MODELS = {"tiny-gqa-bf16": os.path.join(TINY, "tiny-gqa-bf16"), "tiny-long-bf16": os.path.join(TINY, "tiny-long-bf16"),
          "default": os.path.join(ROOT, "models", "default")}
OTHER_TOWER = "-O"  # what Python needs for a tower of other sizes: see transformers_worker.py
TEXTS = [f"<|user|>\n{question}<|end|>\n<|assistant|>\n" for question in (
    "What is this?", "Name three things that one can see from a train, and say which of them moves.")]
QUESTIONS = ("What is shown here?", "Which part of it is the largest?")


def say(text):
    print(text, flush=True)


def small(work, crops):
    """The model of pseudo-random weights, whose pictures have at most so many crops."""
    folder = os.path.join(work, "small")
    if not os.path.exists(os.path.join(folder, "model.safetensors")):
        weights.write_folder(folder, weights.SMALL)
    if crops == weights.SMALL.crops:
        return folder
    view = f"{folder}-{crops}"
    shutil.rmtree(view, ignore_errors=True)
    os.makedirs(view)
    for name in os.listdir(folder):
        os.symlink(os.path.join(folder, name), os.path.join(view, name))
    with open(os.path.join(folder, "preprocessor_config.json")) as f:
        config = json.load(f)
    os.unlink(os.path.join(view, "preprocessor_config.json"))
    with open(os.path.join(view, "preprocessor_config.json"), "w") as f:
        json.dump(config | {"num_crops": crops}, f)
    return view


class Asker:
    def __init__(self, args):
        self.args, self.pictures = args, []
        for seed in (1, 2):
            self.pictures.append(os.path.join(args.work, f"picture-{seed}.png"))
            visits.write_picture(self.pictures[-1], 2 * 336, seed)

    def debug(self, verb, folder, *more, line=None):
        command = [self.args.program, "debug", verb, "-m", folder, "--dtype", "f32", *more]
        done = subprocess.run(command, input=line, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    def answers(self, peer, folder, cache, text, picture):
        """Case -> answer, or what was in the way. text and picture ask the peer about the i-th of them."""
        asked = {}
        calls = [(f"text {i + 1}", lambda i=i: text(peer, i)) for i in range(len(TEXTS))]
        calls += [(f"picture {i + 1}", lambda i=i: picture(peer, i)) for i in range(len(self.pictures))]
        calls.append(("another question", lambda: peer("again", question=QUESTIONS[1], n=self.args.tokens)))
        try:
            peer("prepare", folder=folder, type="f32", cache=cache)
            peer("open", folder=folder, type="f32", cache=cache)
            for name, call in calls:
                try:
                    asked[name] = call()
                except RuntimeError as e:
                    asked[name] = {"error": str(e)}
        finally:
            peer.close()
        return asked

    def raw(self, peer, i):
        return peer("raw", prompt=TEXTS[i], n=self.args.tokens)

    def of_ids(self, folder):
        def text(peer, i):
            ids = self.debug("tokenize", folder, line=json.dumps(TEXTS[i]) + "\n")
            return peer("text", ids=ids, n=self.args.tokens)
        return text

    def of_file(self, peer, i):
        return peer("picture", path=self.pictures[i], question=QUESTIONS[0], n=self.args.tokens)

    def of_crops(self, folder):
        """For a model whose crops no other program makes: these are ours, the prompt and the rest are theirs."""
        def picture(peer, i):
            crops = os.path.join(self.args.work, "crops.npy")
            made = self.debug("preprocess", folder, "-i", self.pictures[i], "-o", crops)
            return peer("crops", path=crops, size=made["image_size"], tokens=made["num_img_tokens"],
                        question=QUESTIONS[0], n=self.args.tokens)
        return picture

    def ours(self, folder):
        peer = visits.start_ours(self.args.work, self.args.program, self.args.threads)
        return self.answers(peer, folder, "", self.raw, self.of_file)

    def program(self, name, folder, model, picture=None, *options):
        """None when it cannot be asked, with a line that says why."""
        try:
            peer = visits.start(self.args.work, name, self.args.threads, *options)
            return self.answers(peer, places.with_code(self.args.work, folder, self.args.published_code),
                                visits.cache(self.args.work, name, "f32", model), self.of_ids(folder), picture or self.of_file)
        except (RuntimeError, OSError) as e:
            say(f"  {name}: left out: {e}")
            return None


def difference(ours, theirs):
    """None where theirs begins with ours; it may be longer, since ours ends at an end token."""
    if "error" in theirs:
        return theirs["error"]
    if ours["prompt_tokens"] != theirs.get("prompt_tokens", ours["prompt_tokens"]):
        return f"{theirs['prompt_tokens']} tokens of prompt, ours has {ours['prompt_tokens']}"
    for i, (a, b) in enumerate(zip(ours["ids"], theirs["ids"])):
        if a != b:
            gap = f", with {ours['gaps'][i]:.4f} before the next probable" if len(ours["gaps"]) > i else ""
            return f"token {i + 1} of {len(ours['ids'])} is {b}, ours is {a}{gap}"
    return None


def compare(ours, theirs):
    """Prints a line a case; the cases in which the program agrees."""
    agreed = set()
    for case, answer in theirs.items():
        if "error" in ours[case]:
            raise SystemExit(f"agree: {case}: {ours[case]['error']}")
        found = difference(ours[case], answer)
        say(f"    {case:18} {found or 'the same %d ids' % len(ours[case]['ids'])}")
        if not found:
            agreed.add(case)
    return agreed


def telling(ours):
    """Answers that did not depend on the picture would prove nothing about pictures."""
    return ours["picture 1"]["ids"] != ours["picture 2"]["ids"] != ours["another question"]["ids"]


def ask_small(asker, crops):
    """Whether two programs agree on everything, and the picture matters."""
    folder, agreeing = small(asker.args.work, crops), []
    say(f"published tower, small decoder, {crops} crop{'s' if crops > 1 else ''}:")
    ours = asker.ours(folder)
    for name in asker.args.peers.split(","):
        theirs = asker.program(name, folder, os.path.basename(folder))
        if theirs is None:
            continue
        say(f"  {name}:")
        if compare(ours, theirs) == set(ours):
            agreeing.append(name)
    say(f"  all the same: {', '.join(agreeing) or 'none'}")
    if not telling(ours):
        say("  but the answers do not depend on the picture or the question")
    return len(agreeing) >= 2 and telling(ours)


def ask_other(asker, model):
    say(f"{model}:")
    ours = asker.ours(MODELS[model])
    picture = asker.of_crops(MODELS[model]) if model == "default" else None
    theirs = asker.program("transformers", MODELS[model], model, picture, OTHER_TOWER)
    if theirs:
        say("  transformers:")
        compare(ours, theirs)


def options():
    p = argparse.ArgumentParser(prog="agree")
    p.add_argument("--work", required=True)
    p.add_argument("--published-code")
    p.add_argument("--peers", default=",".join(PROGRAMS))
    p.add_argument("--models", default=",".join(["small", *MODELS]))
    p.add_argument("--tokens", type=int, default=16)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--program", default=os.path.join(ROOT, "build", "repl", "phiscope"))
    return p.parse_args()


def main():
    args = options()
    watcher.follow()
    asker, fine = Asker(args), True
    for model in args.models.split(","):
        if model == "small":
            for crops in (weights.SMALL.crops, 1):
                fine = ask_small(asker, crops) and fine
        else:
            ask_other(asker, model)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
