"""What is chosen without the dev set: held-out examples, early stopping, grids, a task before the task."""
import json
import shutil

import pytest

from bad_input_test import one_line
from finetune_test import QUICK, model, predictions, tuned, write_choices, write_sst2  # noqa: F401 (fixtures)
from never_lose_work_test import as_if_killed_after
from pretrain_test import assert_same_weights, metrics
from overflow_test import enlarge
from ranks_test import torchrun
from suite_test import write_rte


@pytest.fixture
def tune(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    write_rte(tmp_path / "data/RTE")

    def run(output, *options, task="sst2", **kwargs):
        return saobp("finetune", model, "--task", task, "--data", "data", "--output", output, *options, "--json", **kwargs)

    return run


def unfinished_copy(tmp_path):
    """Of the run, in cut/, as one that was stopped behind its last checkpoint."""
    shutil.copytree(tmp_path / "run", tmp_path / "cut")
    of_run = record(tmp_path / "cut")
    of_run["finished"] = of_run["final"] = None
    (tmp_path / "cut/run.json").write_text(json.dumps(of_run))


def record(folder):
    return json.loads((folder / "run.json").read_text())


def test_what_is_held_back_is_looked_at_and_not_trained_on(tmp_path, tune):
    done = tune("run", *QUICK, "--holdout", 0.25)
    of_run = record(tmp_path / "run")
    assert of_run["task"]["train"]["examples"] == 150 and of_run["task"]["held_out"] == 50
    assert done.json["held_out"]["examples"] == 50 and done.json["dev"]["examples"] == 40
    curve = [m["accuracy"] for m in metrics(tmp_path / "run") if "accuracy" in m]
    assert len(curve) == 6 and curve[-1] == done.json["held_out"]["scores"]["accuracy"]["value"]
    assert "held out accuracy" in done.err
    one_line(tune("none", *QUICK, "--holdout", 0.001, code=2), "--holdout", "200 examples")


def test_a_run_that_gets_no_better_ends_with_its_best_model(tmp_path, saobp, tune):
    options = [*QUICK[2:], "--epochs", 40, "--patience", 2, "--holdout", 0.2, "--log-every", 1]
    done = tune("run", *options)
    curve = [(m["step"], m["accuracy"]) for m in metrics(tmp_path / "run") if "accuracy" in m]
    best = max(range(len(curve)), key=lambda n: curve[n][1])
    assert done.json["stopped_early"] and len(curve) == best + 3 < 40
    assert done.json["best_step"] == curve[best][0]
    assert done.json["held_out"]["scores"]["accuracy"]["value"] == curve[best][1]
    assert (tmp_path / "run/model.safetensors").read_bytes() == (tmp_path / "run/best/model.safetensors").read_bytes()
    again = saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--json")
    assert again.json["tasks"]["sst2"]["scores"] == done.json["dev"]["scores"]
    # Cut and gone on with, it ends at the same step.
    unfinished_copy(tmp_path)
    assert saobp("finetune", "--resume", "cut", "--json").json["best_step"] == done.json["best_step"]
    assert_same_weights(tmp_path / "cut", tmp_path / "run")


def test_strengths_are_learned_and_the_best_are_kept(tmp_path, saobp, tune):
    options = [*QUICK[2:], "--epochs", 40, "--patience", 2, "--holdout", 0.2, "--log-every", 1, "--learn-strength", "head",
               "--strength-learning-rate", 0.01, "--keep-checkpoints", 40]
    done = tune("run", *options, "--attention", "high", "--strength", 0.3)
    assert "learned for each head" in done.err
    lines = metrics(tmp_path / "run")
    strengths = {m["step"]: m["strengths"] for m in lines if "strengths" in m}
    best = done.json["best_step"]
    assert best < max(strengths) and [len(layer) for layer in strengths[best]] == [4, 4]
    assert any(abs(strength - 0.3) > 0.005 for layer in strengths[best] for strength in layer)
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["refined_attention"]["strengths"] == strengths[best]
    again = saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--json")
    assert again.json["tasks"]["sst2"]["scores"] == done.json["dev"]["scores"]
    # Cut in its middle, it ends with the same bits.
    unfinished_copy(tmp_path)
    for later in sorted((tmp_path / "cut/checkpoints").iterdir())[1:]:
        shutil.rmtree(later)
    assert "resuming cut from step " in saobp("finetune", "--resume", "cut").out
    assert_same_weights(tmp_path / "cut", tmp_path / "run")
    assert (tmp_path / "cut/config.json").read_bytes() == (tmp_path / "run/config.json").read_bytes()
    one_line(tune("none", *options, "--attention", "original", code=2), "--learn-strength: head was given, but original attention")


def test_a_grid_chooses_on_what_is_held_back(tmp_path, saobp, tune):
    options = ["--epochs", 3, "--length", 16, "--seed", 5, "--grid", "16,64:3e-3,1e-7", "--seeds", 2]
    done = tune("run", *options)
    grid = done.json["tasks"]["sst2"]["grid"]
    tries = {(t["batch"], t["learning_rate"]): t["value"] for t in grid["tries"]}
    assert set(tries) == {(16, 3e-3), (16, 1e-7), (64, 3e-3), (64, 1e-7)} and grid["held_out"] == 0.1
    best = max(tries, key=lambda t: tries[t])
    assert (grid["best"]["batch"], grid["best"]["learning_rate"]) == best and best[1] == 3e-3
    for seed in (5, 6):
        of_run = record(tmp_path / f"run/sst2/seed-{seed}")
        assert of_run["grid"] == grid and of_run["task"]["held_out"] == 0
        assert (of_run["options"]["train"]["batch"], of_run["options"]["optimizer"]["learning_rate"]) == best
    left = tmp_path / "run/sst2/grid/batch-16-rate-0.003"
    assert (left / "run.json").exists() and not (left / "model.safetensors").exists()
    shutil.rmtree(tmp_path / "run/sst2/seed-6")
    again = tune("run", *options)
    assert again.err.count("is there already") == 5 and again.json["tasks"] == done.json["tasks"]
    for wrong in ("turk", "16", "16:x", "0:1e-4", ":"):
        one_line(tune("x", "--grid", wrong, code=2), "--grid", "turc")


def test_a_try_that_diverges_has_no_score_and_the_others_count(tmp_path, tune, model):  # noqa: F811
    options = ["--epochs", 3, "--length", 16, "--grid", "16:3e-3,1e-7"]
    best = tune("run", *options).json["tasks"]["sst2"]["grid"]["best"]
    other = next(rate for rate in (3e-3, 1e-7) if rate != best["learning_rate"])
    folder = f"run/sst2/grid/batch-16-rate-{other:g}"
    shutil.rmtree(tmp_path / folder)
    enlarge(model, "encoder.layer.0.attention.self.value.weight", 3e38)
    done = tune("run", *options)
    assert f"no score    {folder}: step 10 was skipped" in done.err
    grid = done.json["tasks"]["sst2"]["grid"]
    tries = {t["learning_rate"]: t for t in grid["tries"]}
    assert tries[other]["value"] is None and "10 steps in a row" in tries[other]["diverged"]
    assert grid["best"] == best and "diverged" not in best
    assert not (tmp_path / folder / "checkpoints").exists() and not (tmp_path / folder / "model.safetensors").exists()
    # The same command finds the same, and does not try it again.
    again = tune("run", *options)
    assert again.json["tasks"] == done.json["tasks"] and "was skipped: the loss" in again.err and "into run" not in again.err
    done = tune("all", *options[:-1], "16:1e-3,1e-7", code=1)
    assert done.err.splitlines()[-1] == "saobp: --grid: all 2 tries diverged; lower rates may help"


def test_a_task_before_the_task(tmp_path, tune):
    done = tune("run", *QUICK, "--from-task", "sst2", "--seeds", 2, task="rte,sst2")
    assert set(done.json["tasks"]) == {"rte", "sst2"}
    for seed in (5, 6):
        of_run = record(tmp_path / f"run/rte/seed-{seed}")
        assert of_run["options"]["start"]["from"] == str(tmp_path / f"run/from-sst2/seed-{seed}")
        assert of_run["options"]["task"]["from_task"] == "sst2"
        assert record(tmp_path / f"run/sst2/seed-{seed}")["options"]["task"]["from_task"] == ""
    assert record(tmp_path / "run/from-sst2/seed-5")["task"]["name"] == "sst2"


def test_a_look_at_attention_while_fine_tuning(tmp_path, tune):
    tune("run", *QUICK, "--monitor-every", 13, "--monitor-rows", 4, "--attention", "high", "--strength", 0.5)
    looks = [m for m in metrics(tmp_path / "run") if "attention" in m]
    assert [m["step"] for m in looks] == [13, 26, 39, 52, 65, 78] and looks[0]["monitored_sequences"] == 4
    tune("plain", *QUICK, "--attention", "high", "--strength", 0.5)
    assert_same_weights(tmp_path / "plain", tmp_path / "run")


def test_scores_by_length(tmp_path, saobp, tuned):  # noqa: F811
    done = saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--by-length", "--json")
    groups = done.json["tasks"]["sst2"]["groups"]["length"]
    assert groups["1-32"]["examples"] == 40 and groups["1-32"]["scores"] == done.json["tasks"]["sst2"]["scores"]
    path = tmp_path / "run/eval/sst2-dev.predictions.jsonl"
    lines = predictions(path)
    for n, line in enumerate(lines):
        line["tokens"] = [20, 40, 200][n % 3]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    scored = saobp("score", "--task", "sst2", "--predictions", path, "--by-length", "--json").json["tasks"]["sst2"]
    for n, name in enumerate(("1-32", "33-64", "129-256")):
        part = lines[n::3]
        right = sum(p["gold"] == p["prediction"] for p in part)
        assert scored["groups"]["length"][name]["scores"]["accuracy"]["value"] == pytest.approx(right / len(part))


def test_far_below_guessing_asks_for_the_labels_order(tmp_path, saobp, tuned):  # noqa: F811
    config = json.loads((tmp_path / "run/config.json").read_text())
    config["id2label"], config["label2id"] = {"0": "positive", "1": "negative"}, {"positive": 0, "negative": 1}
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    done = saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--json")
    assert "another order" in done.json["tasks"]["sst2"]["doubt"] and "another order" in done.err


def test_two_ranks_fine_tune_and_evaluate_together(tmp_path, saobp, model):  # noqa: F811
    write_choices(tmp_path / "data/hellaswag")
    start = ["finetune", model, "--task", "hellaswag", "--data", "data", "--epochs", 2, "--learning-rate", 3e-3,
             "--length", 32, "--dropout", 0, "--no-group-by-length"]
    torchrun(tmp_path, 2, [*start, "--batch", 4, "--output", "two"])
    saobp(*start, "--batch", 8, "--output", "one")
    curves = [[m["accuracy"] for m in metrics(tmp_path / run) if "accuracy" in m] for run in ("one", "two")]
    assert len(curves[0]) == 2 and curves[0] == pytest.approx(curves[1], abs=0.101)
    both = saobp("evaluate", "two", "--task", "hellaswag", "--data", "data", "--json").json["tasks"]["hellaswag"]
    assert both["scores"] == record(tmp_path / "two")["final"]["dev"]["scores"]
