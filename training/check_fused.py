"""Compares fused.py with the same attention written out in float32, forward and backward.

    python check_fused.py"""

import torch

import fused
from model import unseen

LIMIT = 0.004  # of the norm: an entry of bf16 is off by 0.002 on average


def written_out(q, k, v, sights):
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    if sights is not None:
        scores = scores.masked_fill(unseen(k.shape[2], sights)[:, None], -torch.inf)
    return torch.matmul(torch.softmax(scores, -1), v)


def causal(batch, n):
    return torch.stack([torch.arange(n) + 1, torch.zeros(n), torch.zeros(n)], -1).int().repeat(batch, 1, 1)


def branches(batch, n):
    """A first part that all see, and others that do not see one another."""
    part = max(1, n // 5)
    begin = torch.arange(n) // part * part
    return torch.stack([torch.arange(n) + 1, torch.full_like(begin, part), begin], -1).int().repeat(batch, 1, 1)


def anything(batch, n):
    hidden, end = (torch.rand(2, batch, n) * (torch.arange(n) + 1)).int().sort(0).values
    return torch.stack([(torch.arange(n) + 1).int().expand(batch, -1), hidden, end], -1).contiguous()


def some_rows(batch, n):
    return branches(batch, n)[:, n // 3::3].contiguous()


def results(attend, q, k, v, gradient):
    """The output and the three gradients, in float32."""
    inputs = [x.detach().requires_grad_() for x in (q, k, v)]
    out = attend(*inputs)
    out.backward(gradient)
    return [x.detach().float() for x in (out, *(x.grad for x in inputs))]


def main():
    if fused.library is None:
        raise SystemExit("fused.c does not run here: the processor has no AVX-512 BF16, or there is no C compiler")
    torch.manual_seed(1)
    worst = 0.0
    for batch, heads, n in [(2, 4, 16), (1, 2, 17), (2, 2, 50), (1, 2, 51), (2, 3, 80), (2, 8, 200), (2, 6, 145), (2, 2, 700)]:
        for name, sights in [("all", None), ("causal", causal(batch, n)), ("branches", branches(batch, n)),
                             ("anything", anything(batch, n)), ("some rows", some_rows(batch, n))]:
            q, k, v, gradient = torch.randn(4, batch, n, heads, fused.HEAD_DIM).bfloat16().transpose(2, 3)
            n_queries = n if sights is None else sights.shape[1]
            q, gradient = q[:, :, :n_queries], gradient[:, :, :n_queries]
            got = results(lambda *x, s=sights: fused.attention(*x, s)[0], q, k, v, gradient)
            want = results(lambda *x, s=sights: written_out(*x, s), *(x.float() for x in (q, k, v, gradient)))
            off = [float((a - b).norm() / b.norm()) for a, b in zip(got, want)]
            print(f"{batch} x {heads} x {n}, {name}:", *(f"{x:.4f}" for x in off))
            worst = max(worst, *off)
    if not worst < LIMIT:
        raise SystemExit(f"off by {worst:.4f}, {LIMIT} allowed")


if __name__ == "__main__":
    main()
