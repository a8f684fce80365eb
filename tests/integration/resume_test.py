"""What a run that goes on finds changed, and what it may be told anew."""
import json
import shutil
import signal

import pytest
from safetensors.torch import load_file
import torch

from bad_input_test import one_line
from conftest import with_flags, write_text
from families_parity_test import make_encoder
from never_lose_work_test import as_if_killed_after
from pretrain_test import assert_same_weights, metrics
from run_lock_test import has_lines, start, wait_for


@pytest.fixture
def cut(tmp_path, saobp, setting):
    """A run of 12 steps that was killed after its checkpoint at step 8."""
    saobp(*setting, "--steps", 12, "--log-every", 1, "--checkpoint-every", 4, "--validate-every", 4, "--output", "whole")
    as_if_killed_after(tmp_path, "whole", "cut", "step-000012")
    return tmp_path / "cut"


def test_other_text_tokenizer_or_model_is_named(tmp_path, saobp, cut):
    before = sorted((p, p.stat().st_mtime_ns) for p in cut.rglob("*") if p.name != ".lock")
    for name, word in (("valid.txt", "the text in --validation"), ("text.txt", "the text in --corpus")):
        text = (tmp_path / name).read_text()
        write_text(tmp_path / name, documents=9, seed=5)
        one_line(saobp("pretrain", "--resume", "cut", code=1), word, "was changed", "the same text")
        (tmp_path / name).write_text(text)
    for name, old, new in (("config.json", '"hidden_dropout_prob": 0.1', '"hidden_dropout_prob": 0.2'),
                           ("tokenizer.json", '"lowercase": true', '"lowercase": false')):
        text = (cut / name).read_text()
        assert old in text
        (cut / name).write_text(text.replace(old, new))
        one_line(saobp("pretrain", "--resume", "cut", code=1), f"cut/{name}", "was changed")
        (cut / name).write_text(text)
    record = (cut / "run.json").read_text()
    (cut / "run.json").write_text(record.replace('"learning_rate": 0.0005', '"learning_rate": 0.0006'))
    one_line(saobp("pretrain", "--resume", "cut", code=1), "--learning-rate", "0.0005", "0.0006")
    (cut / "run.json").write_text(record)
    assert [p for p, _ in before] == sorted(p for p in cut.rglob("*") if p.name != ".lock")
    saobp("pretrain", "--resume", "cut")
    assert metrics(cut) == metrics(tmp_path / "whole")


def test_the_text_is_compared_before_the_first_checkpoint_too(tmp_path, saobp, cut):
    shutil.rmtree(cut / "checkpoints")
    write_text(tmp_path / "valid.txt", documents=9, seed=5)
    one_line(saobp("pretrain", "--resume", "cut", code=1), "cut/run.json", "the text in --validation")


def test_the_model_that_others_read_is_that_of_the_last_checkpoint(tmp_path, saobp, setting):
    """Killed, or the disk full, between the two."""
    common = [*setting, "--checkpoint-every", 4, "--learn-strength", "layer", "--output"]
    saobp(*common, "whole", "--steps", 12)
    saobp(*common, "early", "--steps", 4)
    as_if_killed_after(tmp_path, "whole", "cut")
    for name in ("model.safetensors", "config.json"):
        shutil.copyfile(tmp_path / "early" / name, tmp_path / "cut" / name)
    saobp("pretrain", "--resume", "cut")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")
    assert (tmp_path / "cut/config.json").read_bytes() == (tmp_path / "whole/config.json").read_bytes()


@pytest.mark.parametrize("more", [[], ["--sigma-reparam"], ["--eigen-reg", 0.01]], ids=str)
def test_a_run_from_weights_that_has_no_checkpoint_begins_with_them_again(tmp_path, saobp, setting, more):
    (tmp_path / "there").mkdir()
    make_encoder(tmp_path / "there", "bert")
    common = ["pretrain", "--from", "there", "--corpus", setting[setting.index("--corpus") + 1], "--attention", "original",
              "--length", 32, "--batch", 2, "--warmup-steps", 1, "--steps", 6, *more]
    saobp(*common, "--learning-rate", 0, "--output", "start")  # whose weights stay
    saobp(*common, "--learning-rate", 1e-3, "--output", "whole")
    as_if_killed_after(tmp_path, "whole", "cut", "step-000006")
    shutil.copyfile(tmp_path / "start/model.safetensors", tmp_path / "cut/model.safetensors")
    assert "resuming cut from the start" in saobp("pretrain", "--resume", "cut").out
    want, got = (load_file(tmp_path / run / "model.safetensors") for run in ("whole", "cut"))
    for name in want:  # σReparam's start has taken steps of its power iteration
        assert torch.equal(got[name], want[name]) if "--sigma-reparam" not in more else torch.allclose(got[name], want[name], rtol=1e-3, atol=1e-4)


def test_a_damaged_log_is_kept_aside(tmp_path, saobp, cut):
    log = cut / "metrics.jsonl"
    lines = log.read_text().splitlines()
    damaged = "\n".join([*lines[:2], "\0\0\0", *lines[3:]]) + "\n"
    log.write_text(damaged)
    done = saobp("pretrain", "--resume", "cut")
    assert "cut/metrics.jsonl: line 3 is no record of a step; the file is kept as cut/metrics.jsonl.damaged" in done.out
    assert (cut / "metrics.jsonl.damaged").read_text() == damaged
    whole = metrics(tmp_path / "whole")
    assert metrics(cut) == whole[:2] + whole[3:]
    assert_same_weights(cut, tmp_path / "whole")
    saobp("report", "cut")


@pytest.mark.parametrize("harm", ["flip", "foreign", "other text", "remove"])
def test_a_best_model_that_is_not_this_runs_is_told(tmp_path, saobp, setting, cut, harm):
    best = cut / "best"
    if harm == "flip":
        data = bytearray((best / "model.safetensors").read_bytes())
        data[-5] ^= 1
        (best / "model.safetensors").write_bytes(data)
    elif harm == "foreign":
        (best / "best.json").write_text("[1, 2]")
    elif harm == "other text":
        write_text(tmp_path / "other.txt", documents=9, seed=5)
        saobp(*with_flags(setting, validation="other.txt", steps=1, output="other"))
        shutil.rmtree(best)
        shutil.copytree(tmp_path / "other/best", best)
    else:
        shutil.rmtree(best)
    done = saobp("pretrain", "--resume", "cut")
    said = [line for line in done.out.splitlines() if line.startswith("best  ")]
    assert len(said) == 1 and "cut/best" in said[0] and "the next validation makes it anew" in said[0], done.out
    assert json.loads((best / "best.json").read_text())["step"] == 12
    assert_same_weights(best, cut)
    assert "best  " not in saobp("pretrain", "--resume", "cut", "--steps", 13).out


def test_a_finished_run_is_prolonged(tmp_path, saobp, setting):
    common = [*setting, "--log-every", 1, "--checkpoint-every", 4, "--validate-every", 4]
    saobp(*common, "--steps", 8, "--output", "run")
    first = json.loads((tmp_path / "run/run.json").read_text())
    one_line(saobp("pretrain", "--resume", "run", code=1), "finished", "--steps N with an N above 8")
    for steps in (8, 5):
        one_line(saobp("pretrain", "--resume", "run", "--steps", steps, code=1 if steps == 8 else 2), "8")
    shutil.copytree(tmp_path / "run", tmp_path / "twice")
    done = saobp("pretrain", "--resume", "run", "--steps", 16, "--log-every", 2)
    assert "--steps is 16, not 8 and --log-every is 2, not 1" in done.out
    assert "16 steps, not 8, from here on" in done.out and "the warm-up stays at 2 steps" in done.out
    # The schedule is that of a run of 16 steps from step 9 on.
    saobp(*common, "--steps", 16, "--output", "long")
    rates, long = ({m["step"]: m["learning_rate"] for m in metrics(tmp_path / r) if "loss" in m} for r in ("run", "long"))
    assert [rates[s] for s in (10, 12, 14, 16)] == [long[s] for s in (10, 12, 14, 16)] and rates[8] != long[8]
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["final"]["step"] == 16 and record["options"]["train"]["steps"] == 16
    change, = record["changes"]
    assert change["step"] == 8 and change["final"] == first["final"] and change["finished"] == first["finished"]
    assert change["options"] == {"--steps": {"before": 8, "now": 16}, "--log-every": {"before": 1, "now": 2}}

    # Killed on the way, it goes on to the same bits.
    saobp("pretrain", "--resume", "twice", "--steps", 16, "--log-every", 2)
    as_if_killed_after(tmp_path, "twice", "cut", "step-000016")
    assert "schedule" not in saobp("pretrain", "--resume", "cut").out
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "run")
    assert_same_weights(tmp_path / "cut", tmp_path / "run")


def test_a_run_is_told_other_steps_on_its_way(tmp_path, saobp, cut):
    for steps in (8, 4):
        one_line(saobp("pretrain", "--resume", "cut", "--steps", steps, code=2), f"--steps: {steps}", "done 8 steps")
    done = saobp("pretrain", "--resume", "cut", "--steps", 10)
    assert "10 steps, not 12" in done.out and metrics(cut)[-1]["step"] == 10


def test_what_may_not_be_told_anew(saobp, cut):
    for arguments in (["--seed", 3], ["--learning-rate", 1e-3], ["--batch", 2], ["--no-pack"], ["--attention", "low"]):
        one_line(saobp("pretrain", "--resume", "cut", *arguments, code=2), arguments[0].replace("--no-", "--"), "--steps, --threads")


def test_intervals_change_nothing_else(tmp_path, saobp, cut):
    saobp("pretrain", "--resume", "cut", "--checkpoint-every", 5, "--keep-checkpoints", 9, "--validate-every", 3,
          "--monitor-every", 6)
    assert_same_weights(cut, tmp_path / "whole")
    assert [m["step"] for m in metrics(cut) if "validation_loss" in m] == [4, 8, 9, 12]
    assert {p.name for p in (cut / "checkpoints").iterdir()} == {f"step-{s:06}" for s in (8, 10, 12)}


def test_a_long_look_answers_the_first_signal_and_is_made_up_for(tmp_path, saobp, setting):
    common = with_flags(setting, steps=4, log_every=1, checkpoint_every=1, monitor_every=2, monitor_probes=16384)
    saobp(*common, "--output", "whole")
    process = start(tmp_path, [*common, "--output", "cut"])
    wait_for(has_lines(tmp_path / "cut/metrics.jsonl", 2), process)  # the look after step 2 comes next
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "interrupted at step 2" in error, error
    assert not any("attention" in m for m in metrics(tmp_path / "cut"))
    saobp("pretrain", "--resume", "cut")
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")


def test_an_analysis_outlives_a_run_folder_that_takes_no_record(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 1, "--output", "run")
    (tmp_path / "run/analysis").write_text("in the way")
    done = saobp("analyze", "run", "--text", "valid.txt", "--output", "a.json", "--json")
    assert done.json == json.loads((tmp_path / "a.json").read_text())
    assert "note: run/analysis: this folder cannot be made" in done.err and "a.json alone" in done.err
    done = saobp("analyze", "run", "--text", "valid.txt", "--json", code=1)
    assert done.json["sequences"] == 6 and "saobp: run/analysis: this folder cannot be made" in done.err
