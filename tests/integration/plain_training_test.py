"""Training held against a plain PyTorch loop: the same weights, the same batches, no dropout, float64."""
import sys

import pytest
import torch

from conftest import ROOT, with_flags
from never_lose_work_test import gpt2_setting  # noqa: F401, a fixture

sys.path.insert(0, str(ROOT / "bench"))
import plain_training  # noqa: E402

STEPS = 50


def trained(tmp_path, saobp, setting, attention, **flags):
    """The folder of a run of 50 steps, and that of its first weights."""
    arguments = with_flags(setting, attention=attention, dtype="f64", dropout=0, log_every=1, warmup_steps=10,
                           weight_decay=0.1, learning_rate=0.003, **flags) + ["--record-batches"]
    if attention == "high":
        arguments += ["--strength", 0.5]
    saobp(*with_flags(arguments, steps=STEPS), "--output", "run")
    saobp(*with_flags(arguments, steps=1, learning_rate=0), "--output", "first")
    return tmp_path / "run", tmp_path / "first"


def assert_same_losses(run, first):
    ours, theirs = plain_training.losses_of(run), plain_training.train(run, first)
    assert len(ours) == len(theirs) == STEPS
    assert ours[0] - min(ours) > 0.3  # it did learn something
    differences = [abs(a - b) for a, b in zip(ours, theirs)]
    assert max(differences) < 1e-8, differences


@pytest.mark.parametrize("attention", ["original", "high"])
def test_bert(tmp_path, saobp, setting, attention):
    assert_same_losses(*trained(tmp_path, saobp, setting, attention, accumulation=2))


@pytest.mark.parametrize("attention", ["original", "high"])
def test_gpt2(tmp_path, saobp, gpt2_setting, attention):  # noqa: F811
    assert_same_losses(*trained(tmp_path, saobp, gpt2_setting, attention, clip=0.5))


def test_the_loop_sees_a_difference(tmp_path, saobp, setting):
    run, first = trained(tmp_path, saobp, setting, "high")
    plain = plain_training.load(first, "f64")
    assert plain.config.refined_attention["strength"] == 0.5
    assert plain.get_input_embeddings().weight.dtype == torch.float64
    plain.config.refined_attention["strength"] = 0.4
    plain.save_pretrained(tmp_path / "other")
    ours, theirs = plain_training.losses_of(run), plain_training.train(run, tmp_path / "other")
    assert max(abs(a - b) for a, b in zip(ours, theirs)) > 1e-7
