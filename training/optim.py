"""Muon for the hidden matrices, AdamW for the rest. Weights are bf16, masters and state float32."""

import torch
import torch.distributed as dist


def orthogonal(g, steps=5):
    """Newton-Schulz iteration towards the nearest orthogonal matrix, in bf16."""
    x = g.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return x.T if tall else x


class Optimiser:
    def __init__(self, named, muon_rate=0.02, adam_rate=2e-3, slow=lambda name: False):
        """slow(name): parameters that get 0.3 of the rate when slow_factor is set."""
        self.items = []
        for name, p in named:
            matrix = p.dim() in (2, 4) and not any(s in name for s in (
                "model.embed_tokens", "position_embedding", "lm_head", "head.", "GN"))
            self.items.append({
                "name": name, "p": p, "muon": matrix, "slow": slow(name),
                "master": p.detach().float().clone(), "m": torch.zeros_like(p, dtype=torch.float32),
                "v": None if matrix else torch.zeros_like(p, dtype=torch.float32)})
        self.muon_rate, self.adam_rate, self.steps = muon_rate, adam_rate, 0

    def directions(self, grads, moving):
        """Muon's update of every matrix in `moving`. Each process works out a part of them, and the
        others get it by adding zeros."""
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        load, out = [0] * world, {}
        for item in sorted(moving, key=lambda i: -i["p"].numel()):
            g = grads[item["name"]]
            item["m"].mul_(0.95).add_(g)
            owner = load.index(min(load))
            load[owner] += g.numel() * min(g.shape[0], g[0].numel())
            if owner == rank:
                out[item["name"]] = orthogonal(g.add(item["m"], alpha=0.95).flatten(1)).view_as(g)
            else:
                out[item["name"]] = torch.zeros_like(g, dtype=torch.bfloat16)
        if world > 1:
            flat = torch.cat([u.flatten() for u in out.values()])
            dist.all_reduce(flat)
            at = 0
            for name, u in out.items():
                out[name] = flat[at:at + u.numel()].view_as(u)
                at += u.numel()
        return out

    @torch.no_grad()
    def step(self, grads, factor, slow_factor=1.0):
        """grads: name -> float32 gradient; factor scales all rates, slow_factor the slow ones."""
        self.steps += 1
        adam = [grads[i["name"]] for i in self.items if not i["muon"]]
        norm = torch.sqrt(sum(g.square().sum() for g in adam))
        clip = min(1.0, 2.0 / (float(norm) + 1e-6))
        moving = [i for i in self.items if not i["slow"] or slow_factor > 0]
        updates = self.directions(grads, [i for i in moving if i["muon"]])
        for item in moving:
            g, rate = grads[item["name"]], factor * (slow_factor if item["slow"] else 1.0)
            if item["muon"]:
                update = updates[item["name"]].float()
                rate *= self.muon_rate * max(1, g.shape[0] / g[0].numel()) ** 0.5
            else:
                g = g * clip
                item["m"].lerp_(g, 0.1)
                item["v"].lerp_(g * g, 0.02)
                a, b = 1 - 0.9 ** self.steps, 1 - 0.98 ** self.steps
                update = item["m"] / a / ((item["v"] / b).sqrt() + 1e-8)
                rate *= self.adam_rate
            item["master"].add_(update, alpha=-rate)
            item["p"].copy_(item["master"])

    @torch.no_grad()
    def take(self):
        """Makes the weights the parameters hold now the masters."""
        for item in self.items:
            item["master"].copy_(item["p"])

    @torch.no_grad()
    def begin(self, weights):
        """Goes on from these; those of other names stay."""
        for item in self.items:
            if item["name"] in weights:
                item["master"].copy_(weights[item["name"]])
                item["p"].copy_(item["master"])

    def state(self):
        return {"steps": self.steps, "items": {
            i["name"]: {k: i[k] for k in ("master", "m", "v")} for i in self.items}}

    def load(self, state):
        """Goes on from a saved state."""
        self.steps = state["steps"]
        for item in self.items:
            saved = state["items"].get(item["name"])
            if saved is None:
                continue
            for key in ("master", "m", "v"):
                if item[key] is not None:
                    item[key].copy_(saved[key])
            with torch.no_grad():
                item["p"].copy_(item["master"])
