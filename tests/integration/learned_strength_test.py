"""Strengths by layer and head, warmed up and learned: what is written, and that a resumed run has the same bits."""
import json

import numpy as np
import pytest

from never_lose_work_test import as_if_killed_after, gpt2_setting  # noqa: F401 (a fixture)
from pretrain_test import assert_same_weights, metrics

STEPS = ["--steps", 12, "--log-every", 1, "--checkpoint-every", 4, "--keep-checkpoints", 3, "--validate-every", 3]


def block(folder):
    return json.loads((folder / "config.json").read_text())["refined_attention"]


def assert_resumes(tmp_path, saobp, *arguments):
    saobp(*arguments, *STEPS, "--output", "whole")
    as_if_killed_after(tmp_path, "whole", "cut", "step-000012")
    (tmp_path / "cut/checkpoints/step-000008/state.json").write_text("")
    assert "from step 4" in saobp("pretrain", "--resume", "cut").out
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")
    assert (tmp_path / "cut/config.json").read_text() == (tmp_path / "whole/config.json").read_text()
    return metrics(tmp_path / "whole")


@pytest.mark.parametrize("learn, strengths", [("layer", "0.1,0.3"), ("head", "0.1:0.2:0.3:0.4,0.3"), ("head", None)])
@pytest.mark.parametrize("attention", ["high", "low"])
def test_learned_strengths(tmp_path, saobp, setting, attention, learn, strengths):
    given = ["--strengths", strengths] if strengths else []
    log = assert_resumes(tmp_path, saobp, *setting, "--attention", attention, "--learn-strength", learn, *given,
                         "--strength-learning-rate", 0.02, "--strength-warmup-steps", 5)
    learned = [m["strengths"] for m in log if "strengths" in m]
    assert len(learned) == 12 and np.array(learned[-1]).shape == ((2,) if learn == "layer" else (2, 4))
    assert block(tmp_path / "whole")["strengths"] == learned[-1]
    first = {"0.1,0.3": [0.1, 0.3], None: [[0.2] * 4] * 2}.get(strengths, [[0.1, 0.2, 0.3, 0.4], [0.3] * 4])
    assert 0.001 < np.abs(np.array(learned[-1]) - first).max() < 12 * 0.02
    best = json.loads((tmp_path / "whole/best/best.json").read_text())
    assert block(tmp_path / "whole/best")["strengths"] == learned[best["step"] - 1]
    saobp("fill", "whole", "--text", "a [MASK]")
    saobp("analyze", "whole", "--text", "valid.txt", "--limit", 2)


def test_learned_strengths_of_a_decoder(tmp_path, saobp, gpt2_setting):  # noqa: F811
    assert_resumes(tmp_path, saobp, *gpt2_setting, "--learn-strength", "head")
    saobp("generate", "whole", "--prompt", "a", "--max-new-tokens", 3, "--seed", 1)


def test_warm_up_is_linear(tmp_path, saobp, setting):
    log = assert_resumes(tmp_path, saobp, *setting, "--strength", 0.5, "--strength-warmup-steps", 10)
    assert [m["strengths"][0] for m in log if "strengths" in m] == pytest.approx(
        [0.5 * min(1, step / 10) for step in range(1, 13)])
    # Its first step is that of plain attention; afterwards it is another run.
    saobp(*setting, *STEPS, "--attention", "original", "--output", "plain")
    plain = [m["loss"] for m in metrics(tmp_path / "plain") if "loss" in m]
    losses = [m["loss"] for m in log if "loss" in m]
    assert losses[0] == plain[0] and losses[2] != plain[2]
    said = saobp(*setting, "--strength", 0.5, "--strength-warmup-steps", 10, "--learn-strength", "head", "--steps", 1, "--output", "said")
    assert "high attention, strength 0.5, which grows from 0 over 10 steps and is learned for each head\n" in said.out


def test_fixed_strengths_stay(tmp_path, saobp, setting):
    assert_resumes(tmp_path, saobp, *setting, "--strengths", "0.1,0.4:0.3:0.2:0.1")
    assert block(tmp_path / "whole") == {"attention": "high", "strength": pytest.approx(0.175), "exclude_self": True,
                                         "strengths": [0.1, [0.4, 0.3, 0.2, 0.1]]}


def test_events_of_learned_strengths(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 4, "--log-every", 2, "--learn-strength", "head", "--tensorboard", "--output", "run")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = events.EventAccumulator(str(tmp_path / "run")).Reload()
    logged = [np.mean(m["strengths"][1]) for m in metrics(tmp_path / "run") if "strengths" in m]
    assert [e.value for e in accumulator.Scalars("strength/layer_1")] == pytest.approx(logged, rel=1e-6)


@pytest.mark.parametrize("arguments, message", [
    (["--attention", "original", "--learn-strength", "head"],
     "--learn-strength: head was given, but original attention has no strength"),
    (["--attention", "elemmul", "--strength-warmup-steps", 3],
     "--strength-warmup-steps: 3 was given, but elemmul attention has no strength"),
    (["--attention", "original", "--strengths", "0.1,0.2"],
     "--strengths: 0.1,0.2 was given, but original attention has no strength"),
    (["--strengths", "0.1"], "--strengths: 1 layers were given; the model has 2"),
    (["--strengths", "0.1,0.1:0.2"],
     "--strengths: layer 1 was given 2 numbers; 1, or one for each of its 4 heads, was expected"),
    (["--strengths", "0.1,,0.2"], '--strengths: "" was given; a number was expected'),
    (["--strengths", "0.1,0.2", "--strength", 0.1],
     "--strength and --strengths were both given; one of them says what λ is"),
    (["--strengths", "0.1,0.1:0.1:0.2:0.3", "--learn-strength", "layer"],
     "--learn-strength: layer was given, but there is a λ for each head already; head was expected"),
    (["--learn-strength", "layer", "--learning-rate", 0],
     "--learn-strength: --learning-rate is 0; the rate of strengths follows it and would be 0 too"),
])
def test_what_has_no_meaning_is_refused(saobp, setting, arguments, message):
    assert saobp(*setting, *arguments, "--output", "run", code=2).err.strip().endswith(message)
