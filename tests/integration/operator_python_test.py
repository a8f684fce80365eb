"""The operator as Python loads it: torch.ops.saobp against the paper's Algorithm 1 in float64, and torch's opcheck."""
import math
import os

import pytest
import torch

from conftest import ROOT

torch.ops.load_library(os.environ.get("SAOBP_OPS", str(ROOT / "build/release/lib/libsaobp_ops.so")))
BATCH, HEADS, LENGTH, CHANNELS = 2, 4, 9, 8
MASK = torch.arange(LENGTH)[None, :] < torch.tensor([LENGTH, 6])[:, None]
STRENGTHS = torch.tensor([0.5, -1.0, 0.0, 3.0])

# name: (key heads, keywords)
CASES = {
    "original": (4, {}),
    "high": (4, dict(strength=0.7)),
    "low, own message kept": (4, dict(strength=-0.7, exclude_self=False)),
    "padded": (4, dict(strength=0.7, key_mask=MASK)),
    "causal": (4, dict(strength=0.7, causal=True)),
    "causal, padded": (4, dict(strength=-2.0, causal=True, key_mask=MASK)),
    "strengths": (4, dict(strengths=STRENGTHS)),
    "causal strengths, grouped": (2, dict(strengths=STRENGTHS, causal=True)),
    "grouped": (1, dict(strength=0.7)),
    "leaky": (4, dict(strength=0.7, leaky_causal=True)),
    "two steps": (4, dict(strength=0.7, steps=2)),
    "elemmul": (4, dict(elemmul=True)),
    "causal elemmul": (4, dict(elemmul=True, causal=True, key_mask=MASK)),
}
DTYPES = [torch.float32, torch.float64]


def inputs(key_heads, dtype):
    draw = torch.Generator().manual_seed(1)
    shapes = [(BATCH, h, LENGTH, CHANNELS) for h in (HEADS, key_heads, key_heads)]
    return [torch.randn(s, generator=draw, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes]


def algorithm_1(prior, a, strength, sees, receives):
    """B_jk ∝ prior_jk · Π_{i sends to j} M_ik with M_ik = e^λ Σ_r A_ir + (1 − e^λ) A_ik, in one head."""
    message = math.exp(strength) * a.sum(-1, keepdim=True) + (1 - math.exp(strength)) * a
    b = torch.zeros_like(a)
    for j in range(len(a)):
        product = prior[j].clone()
        for i in range(len(a)):
            if receives[j, i]:
                product *= message[i]
        b[j] = torch.where(sees[j], product, 0)
        if sees[j].any():
            b[j] /= b[j].sum()
    return b


def expected(query, key, value, key_mask=None, strengths=None, strength=0.0, elemmul=False, exclude_self=True,
             causal=False, leaky_causal=False, steps=1):
    """Output and the matrices A and B, all in float64."""
    query, key, value = (x.detach().double() for x in (query, key, value))
    real = torch.ones(BATCH, LENGTH, dtype=torch.bool) if key_mask is None else key_mask
    output, first, last = (torch.zeros(BATCH, HEADS, LENGTH, n).double() for n in (CHANNELS, LENGTH, LENGTH))
    lower = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    for b in range(BATCH):
        sees = real[b][:, None] & real[b][None, :] & (lower if causal or leaky_causal else True)
        receives = real[b][None, :] & (lower if causal else True) & ~(torch.eye(LENGTH).bool() & exclude_self)
        for h in range(HEADS):
            g = h * key.size(1) // HEADS
            scores = (query[b, h] @ key[b, g].T / math.sqrt(CHANNELS)).masked_fill(~sees, -math.inf)
            a = scores.softmax(-1).nan_to_num(0)
            refined = a
            if elemmul:
                refined = (a @ a.T) * (lower if causal else 1)
                refined = (refined / refined.sum(-1, keepdim=True)).nan_to_num(0)
            else:
                for _ in range(steps):
                    lam = strength if strengths is None else strengths[h].item()
                    refined = algorithm_1(a, refined, lam, sees, receives)
            output[b, h], first[b, h], last[b, h] = refined @ value[b, g], a, refined
    return output, first, last


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_equals_algorithm_1(case, dtype):
    key_heads, options = CASES[case]
    query, key, value = inputs(key_heads, dtype)
    output, a, b = expected(query, key, value, **options)
    tolerance = 1e-12 if dtype == torch.float64 else 5e-6
    found, statistics = torch.ops.saobp.refined_attention_statistics(query, key, value, **options)
    for tensor in (found, torch.ops.saobp.refined_attention(query, key, value, **options)):
        assert tensor.dtype == dtype
        torch.testing.assert_close(tensor.double(), output, rtol=tolerance, atol=tolerance)
    wanted = [s for m in ([a] if options.get("elemmul") else [a, b])
              for s in (torch.special.entr(m).sum(-1), m.square().sum(-1))]
    torch.testing.assert_close(statistics.double(), torch.stack(wanted), rtol=2 * tolerance, atol=2 * tolerance)


OPCHECKS = [("refined_attention", case) for case in CASES]
OPCHECKS += [("refined_attention_statistics", case) for case in ("padded", "causal strengths, grouped", "elemmul")]


# float32 takes the fused kernels where there are any, float64 the composite path.
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name, case", OPCHECKS)
def test_opcheck(name, case, dtype):
    key_heads, options = CASES[case]
    options = {k: v.clone().requires_grad_() if k == "strengths" else v for k, v in options.items()}
    checks = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_static")
    torch.library.opcheck(getattr(torch.ops.saobp, name).default, inputs(key_heads, dtype), options, test_utils=checks)


def test_gradcheck():
    query, key, value = (x.detach()[:1, :, :4, :3].requires_grad_() for x in inputs(2, torch.float64))
    strengths = STRENGTHS.double().requires_grad_()

    def call(query, key, value, strengths):
        return torch.ops.saobp.refined_attention(query, key, value, strengths=strengths, causal=True, dropout=0.2, seed=3)

    assert torch.autograd.gradcheck(call, (query, key, value, strengths))
    assert torch.autograd.gradgradcheck(call, (query, key, value, strengths))


def test_errors_name_what_was_found():
    query, key, value = inputs(4, torch.float32)
    with pytest.raises(RuntimeError, match=r"strengths have shape \[3\]; expected \[1\] or \[heads\] = \[4\]"):
        torch.ops.saobp.refined_attention(query, key, value, strengths=torch.ones(3))
    with pytest.raises(RuntimeError, match=r"strengths\[1\] is 21; expected a number between -20 and 20"):
        torch.ops.saobp.refined_attention(query, key, value, strengths=torch.tensor([0.0, 21.0, 0.0, 0.0]))
