"""Runs that are killed, damaged, diverge or are watched, and what is left of them."""
import json
import os
import shutil
import subprocess
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import BINARY, with_flags
from pretrain_test import assert_same_weights, metrics

GPT2 = {"model_type": "gpt2", "vocab_size": 300, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 2,
        "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "bos_token_id": 0, "eos_token_id": 0}


@pytest.fixture
def gpt2_setting(tmp_path, saobp, setting):
    saobp("tokenizer", "train", "--kind", "bpe", "--vocab-size", 300, "--input", "text.txt", "--output", "bpe.json")
    (tmp_path / "gpt2.json").write_text(json.dumps(GPT2))
    return with_flags(setting, model="gpt2.json", tokenizer="bpe.json")


def as_an_older_version_wrote_it(checkpoint, **changes):
    """Without checksums, and with other values in its state."""
    path = checkpoint / "state.json"
    state = json.loads(path.read_text())
    for key in ("checksum", "checksums", "validation", "tokenizer", "model", "options"):
        state.pop(key, None)
    path.write_text(json.dumps(state | changes))


def as_if_killed_after(tmp_path, whole, cut, *lost):
    """A copy of a finished run that lacks its end."""
    shutil.copytree(tmp_path / whole, tmp_path / cut)
    for checkpoint in lost:
        shutil.rmtree(tmp_path / cut / "checkpoints" / checkpoint)
    record = json.loads((tmp_path / cut / "run.json").read_text())
    (tmp_path / cut / "run.json").write_text(json.dumps(record | {"finished": None}))


def test_a_causal_run_that_is_killed_twice(tmp_path, saobp, gpt2_setting):
    common = [*gpt2_setting, "--steps", 120, "--log-every", 1, "--checkpoint-every", 15, "--validate-every", 40]
    saobp(*common, "--output", "whole")
    environment = os.environ | {"SAOBP_CACHE": str(tmp_path / "cache")}
    log = tmp_path / "cut" / "metrics.jsonl"
    for arguments, lines in ((common + ["--output", "cut"], 25), (["pretrain", "--resume", "cut"], 60)):
        process = subprocess.Popen([BINARY, *map(str, arguments)], cwd=tmp_path, stdout=subprocess.DEVNULL,
                                   env=environment)
        deadline = time.monotonic() + 120
        while not (log.exists() and log.read_text().count("\n") >= lines) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
    saobp("pretrain", "--resume", "cut")
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")
    assert all("perplexity" in m for m in metrics(tmp_path / "whole") if "validation_loss" in m)
    assert saobp("generate", "cut", "--prompt", "a", "--max-new-tokens", 3, "--seed", 1).out.startswith("a")


def cut_short(data):
    return data[:-20]


def one_bit_flipped(data):
    at = len(data) - 100
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", [cut_short, one_bit_flipped])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, saobp, setting, file, damage):
    saobp(*setting, "--steps", 12, "--log-every", 1, "--checkpoint-every", 4, "--keep-checkpoints", 3, "--output", "whole")
    as_if_killed_after(tmp_path, "whole", "cut", "step-000012")
    damaged = tmp_path / "cut/checkpoints/step-000008" / file
    damaged.write_bytes(damage(damaged.read_bytes()))
    done = saobp("pretrain", "--resume", "cut")
    assert "step-000008 is passed over: " in done.out and file in done.out and "from step 4" in done.out
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")

    as_if_killed_after(tmp_path, "whole", "lost", "step-000012", "step-000004")
    damaged = tmp_path / "lost/checkpoints/step-000008" / file
    damaged.write_bytes(b"")
    done = saobp("pretrain", "--resume", "lost", code=1)
    assert file in done.err and done.err.count("\n") == 1


def test_steps_that_are_not_finite_are_skipped_and_counted(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 12, "--log-every", 1, "--checkpoint-every", 4, "--max-skipped", 3, "--output", "whole")
    as_if_killed_after(tmp_path, "whole", "cut", "step-000012")
    weights = tmp_path / "cut/checkpoints/step-000008/model.safetensors"
    tensors = load_file(weights)
    tensors["cls.predictions.bias"][5] = np.nan
    save_file(tensors, weights, metadata={"format": "pt"})
    as_an_older_version_wrote_it(weights.parent)
    done = saobp("pretrain", "--resume", "cut", code=1)
    assert "step-000008 carries no checksums" in done.out
    assert "step 11 was skipped: the loss is nan" in done.err and "rows 40 to 43" in done.err
    assert done.err.count("\n") == 1
    skipped = [m for m in metrics(tmp_path / "cut") if "skipped" in m]
    assert [(m["step"], m["rows"]) for m in skipped] == [(9, [32, 35]), (10, [36, 39]), (11, [40, 43])]
    assert json.loads((tmp_path / "cut/checkpoints/step-000011/state.json").read_text())["skipped"] == 3


def test_attention_is_watched_and_events_are_written(tmp_path, saobp, setting):
    common = [*setting, "--steps", 12, "--monitor-every", 4, "--monitor-rows", 3, "--log-every", 1, "--tensorboard"]
    saobp(*common, "--output", "run")
    looks = [m for m in metrics(tmp_path / "run") if "attention" in m]
    assert [m["step"] for m in looks] == [4, 8, 12] and all(m["monitored_sequences"] == 3 for m in looks)
    entropy = np.array(looks[-1]["attention"]["B"]["attention_entropy"])
    assert entropy.shape == (2, 4) and (entropy > 0).all() and (entropy < np.log(32)).all()
    # Looking changes nothing.
    saobp(*setting, "--steps", 12, "--log-every", 1, "--output", "blind")
    seen = [m for m in metrics(tmp_path / "run") if "attention" not in m]
    assert seen == [m for m in metrics(tmp_path / "blind") if "attention" not in m]
    assert_same_weights(tmp_path / "run", tmp_path / "blind")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = events.EventAccumulator(str(tmp_path / "run")).Reload()
    losses = [event.value for event in accumulator.Scalars("training/loss")]
    assert losses == pytest.approx([m["loss"] for m in seen if "loss" in m], rel=1e-6)
    assert [e.step for e in accumulator.Scalars("gtd_B/layer_1")] == [4, 8, 12]
    assert len(accumulator.Scalars("validation/loss")) == 1
    saobp("report", "run", "--output", "page.html")


def test_the_best_model_is_kept(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 40, "--learning-rate", 2e-2, "--validate-every", 4, "--output", "run")
    best = json.loads((tmp_path / "run/best/best.json").read_text())
    validations = {m["step"]: m["validation_loss"] for m in metrics(tmp_path / "run") if "validation_loss" in m}
    assert (best["step"], best["validation_loss"]) == min(validations.items(), key=lambda item: item[1])
    saobp("fill", "run/best", "--text", "a [MASK]")
    saobp(*setting, "--steps", 4, "--no-keep-best", "--output", "other")
    assert not (tmp_path / "other/best").exists()


@pytest.mark.parametrize("dtype", ["bf16", "f64"])
def test_every_type_trains_and_resumes_to_the_same_bits(tmp_path, saobp, setting, dtype):
    common = [*setting, "--steps", 30, "--log-every", 1, "--checkpoint-every", 10, "--keep-checkpoints", 5,
              "--learning-rate", 0.003]
    saobp(*common, "--output", "f32")
    saobp(*common, "--dtype", dtype, "--output", "whole")
    as_if_killed_after(tmp_path, "whole", "cut", "step-000030")
    saobp("pretrain", "--resume", "cut")
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")
    weights = load_file(tmp_path / "whole/model.safetensors")
    assert {str(w.dtype) for w in weights.values()} == {"float64" if dtype == "f64" else "float32"}
    losses, plain = ([m["loss"] for m in metrics(tmp_path / run) if "loss" in m] for run in ("whole", "f32"))
    differences = np.abs(np.subtract(losses, plain))
    assert 0 < differences.max() < (0.05 if dtype == "bf16" else 1e-4), differences
