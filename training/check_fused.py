"""Compares fused.py with the same attention written out in float32, forward and backward.

    python check_fused.py"""

import torch

import fused

LIMIT = 0.004  # of the norm: an entry of bf16 is off by 0.002 on average


def written_out(q, k, v, causal):
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    return torch.matmul(torch.softmax(scores, -1), v)


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
    for batch, heads, positions in [(2, 3, 2), (1, 2, 17), (2, 2, 48), (1, 2, 49), (2, 3, 64), (2, 8, 200), (2, 6, 145)]:
        for causal in (False, True):
            q, k, v, gradient = torch.randn(4, batch, positions, heads, fused.HEAD_DIM).bfloat16().transpose(2, 3)
            got = results(lambda *x, c=causal: fused.attention(*x, c)[0], q, k, v, gradient)
            want = results(lambda *x, c=causal: written_out(*x, c), *(x.float() for x in (q, k, v, gradient)))
            off = [float((a - b).norm() / b.norm()) for a, b in zip(got, want)]
            print(f"{batch} x {heads} x {positions}, {'causal' if causal else 'all'}:", *(f"{x:.4f}" for x in off))
            worst = max(worst, *off)
    if not worst < LIMIT:
        raise SystemExit(f"off by {worst:.4f}, {LIMIT} allowed")


if __name__ == "__main__":
    main()
