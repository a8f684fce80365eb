"""Pretraining as a user sees it: the run folder, resuming, interrupting, and what must not change a result."""
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import BINARY, with_flags

TIMES = ("tokens_per_s",)


def metrics(run, drop=TIMES):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in drop} for line in lines]


def assert_same_weights(a, b):
    x, y = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    assert x.keys() == y.keys()
    for name in x:
        assert x[name].tobytes() == y[name].tobytes(), name


def test_a_run_folder_holds_all_that_was_decided(tmp_path, saobp, setting):
    done = saobp(*setting, "--steps", 12, "--validate-every", 6, "--log-every", 4, "--checkpoint-every", 5,
                 "--keep-checkpoints", 2, "--output", "run", "--json")
    run = tmp_path / "run"
    record = json.loads((run / "run.json").read_text())
    assert record["options"]["train"]["steps"] == 12 and record["options"]["optimizer"]["learning_rate"] == 5e-4
    assert record["model"]["attention"] == "high" and record["final"]["step"] == 12
    config = json.loads((run / "config.json").read_text())
    # λ = min(0.2, 0.2 · 11 M / parameters): a small model takes 0.2.
    assert config["refined_attention"] == {"attention": "high", "strength": 0.2, "exclude_self": True}
    assert record["model"]["parameters"] == sum(v.size for v in load_file(run / "model.safetensors").values())
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["step-000010", "step-000012"]
    lines = metrics(run)
    assert [m["step"] for m in lines if "loss" in m] == [4, 8, 12]
    validations = [m for m in lines if "validation_loss" in m]
    assert [m["step"] for m in validations] == [6, 12]
    for m in validations:
        assert m["masked_lm_perplexity"] == pytest.approx(np.exp(m["validation_loss"]))
    assert done.json["validation_loss"] == validations[-1]["validation_loss"]


def test_it_learns(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 150, "--learning-rate", 5e-3, "--log-every", 1, "--output", "run")
    first, *_, last = metrics(tmp_path / "run")
    assert first["loss"] > 4.2  # nothing is known yet: ln 86 tokens = 4.45
    assert last["validation_loss"] < 3.3  # words are drawn from 25 alike: ln 25 = 3.22 is the best there is


def test_same_seed_same_bits_and_another_seed_not(tmp_path, saobp, setting):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        saobp(*setting, "--steps", 4, "--log-every", 1, "--seed", seed, "--output", name)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b") != metrics(tmp_path / "c")
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    # The validation masks are the same whatever the seed is.
    assert len({json.dumps([m["validation_masked_tokens"] for m in metrics(tmp_path / n) if "validation_loss" in m])
                for n in "abc"}) == 1


def test_accumulation_equals_a_larger_batch(tmp_path, saobp, setting):
    common = [*setting, "--steps", 3, "--log-every", 1, "--dropout", 0]
    saobp(*with_flags(common, batch=8, output="whole"))
    saobp(*with_flags(common, batch=2, accumulation=4, output="parts"))
    whole, parts = metrics(tmp_path / "whole"), metrics(tmp_path / "parts")
    for a, b in zip(whole, parts, strict=True):
        for key in a.keys() & {"loss", "grad_norm", "validation_loss"}:
            assert a[key] == pytest.approx(b[key], rel=1e-4), key


@pytest.mark.parametrize("attention", ["original", "high", "low", "elemmul"])
def test_resumed_equals_uninterrupted(tmp_path, saobp, setting, attention):
    common = [*setting, "--attention", attention, "--steps", 200, "--log-every", 1, "--checkpoint-every", 40,
              "--validate-every", 50]
    saobp(*common, "--output", "whole")
    command = [BINARY, *map(str, common), "--output", "cut"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env=os.environ | {"SAOBP_CACHE": str(tmp_path / "cache")})
    log = tmp_path / "cut" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 45) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if attention == "low":
        process.kill()  # no chance to save: goes back to the last checkpoint
        process.wait()
    else:
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
        assert process.returncode == 130, error
        assert "--resume cut" in error
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["finished"] is None
    saobp("pretrain", "--resume", "cut")
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")
    done = saobp("pretrain", "--resume", "cut", code=1)
    assert "finished" in done.err


def test_resumed_equals_uninterrupted_on_a_composite_corpus(tmp_path, saobp, setting):
    documents = (tmp_path / "text.txt").read_text().split("\n\n")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("\n\n".join(documents[:30]).encode()))
    (tmp_path / "b.json").write_text("".join(json.dumps({"body": text}) + "\n" for text in documents[30:]))
    at = setting.index("--corpus")
    rest = [a for a in setting[:at] + setting[at + 2:] if a not in ("--validation", "valid.txt")]
    done = saobp(*rest, "--corpus", "a.txt.gz:2", "--corpus", "b.json:1", "--text-field", "body", "--holdout", 0.2,
                 "--no-pack", "--steps", 60, "--checkpoint-every", 20, "--log-every", 1, "--validate-every", 15,
                 "--output", "whole")
    held_out = int(re.search(r"validation +(\d+) documents held out", done.out).group(1))
    assert 2 <= held_out <= 25
    assert sum("validation_loss" in line for line in metrics(tmp_path / "whole")) == 4

    # The same run as if it had been killed after its second checkpoint.
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut/checkpoints/step-000060")
    record = json.loads((tmp_path / "cut/run.json").read_text())
    (tmp_path / "cut/run.json").write_text(json.dumps(record | {"finished": None}))
    done = saobp("pretrain", "--resume", "cut")
    assert "from step 40" in done.out
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")


def test_the_schedule(tmp_path, saobp, setting):
    saobp(*with_flags(setting, steps=20, log_every=1, warmup_steps=5, learning_rate=1e-3, output="run"))
    rates = [m["learning_rate"] for m in metrics(tmp_path / "run") if "loss" in m]
    want = [1e-3 * s / 5 for s in range(1, 6)] + [0.5e-3 * (1 + np.cos(np.pi * (s - 5) / 16)) for s in range(6, 21)]
    assert rates == pytest.approx(want, abs=1e-12)
