"""What task files hold and checkpoints call their labels: read as published, and what is odd is told or refused."""
import json
import shutil

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file

from bad_input_test import one_line
from conftest import ROOT
from finetune_test import QUICK, model, predictions, tuned, write_sst2  # noqa: F401 (fixtures)
from squad_test import write_squad
from suite_test import write_rte


def with_config(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key in ("id2label", "label2id"):
        config.pop(key, None)
    path.write_text(json.dumps(config | change))


def test_labels_that_transformers_does_not_write_are_its_default(tmp_path, saobp, tuned):  # noqa: F811
    """Two labels without a name: BertForSequenceClassification(num_labels=2).save_pretrained writes none."""
    net = hf.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run")
    net.config.id2label, net.config.label2id = {0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}
    shutil.copytree(tmp_path / "run", tmp_path / "theirs")
    (tmp_path / "theirs/run.json").unlink()
    net.save_pretrained(tmp_path / "theirs")
    refined = json.loads((tmp_path / "run/config.json").read_text())["refined_attention"]
    with_config(tmp_path / "theirs", {"refined_attention": refined})
    done = saobp("evaluate", "theirs", "--task", "sst2", "--data", "data", "--json")
    assert "taken in the task's order: negative and positive" in done.err
    assert done.json["tasks"]["sst2"]["scores"] == tuned.json["dev"]["scores"]


@pytest.mark.parametrize("names", [["NEGATIVE", "POSITIVE"], ["Negative", "Positive"]])
def test_labels_are_read_whatever_their_case(tmp_path, saobp, tuned, names):  # noqa: F811
    with_config(tmp_path / "run", {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}})
    done = saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--json")
    assert done.json["tasks"]["sst2"]["scores"] == tuned.json["dev"]["scores"]
    with_config(tmp_path / "run", {"id2label": {0: "negative", 1: "good"}, "label2id": {"negative": 0, "good": 1}})
    one_line(saobp("evaluate", "run", "--task", "sst2", "--data", "data", code=1), "negative and good", "negative and positive")


def test_a_model_that_cannot_decide_is_tied(tmp_path, saobp, tuned):  # noqa: F811
    net = hf.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run")
    with torch.no_grad():
        net.classifier.weight.zero_()
        net.classifier.bias.zero_()
    config = (tmp_path / "run/config.json").read_text()
    net.save_pretrained(tmp_path / "run")
    (tmp_path / "run/config.json").write_text(config)
    done = saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--output", "eval", "--json")
    assert done.json["tasks"]["sst2"]["ties"] == 40
    assert "tied: 40 examples" in saobp("evaluate", "run", "--task", "sst2", "--data", "data").out
    assert all(p["tied"] for p in predictions(tmp_path / "eval/sst2-dev.predictions.jsonl"))


def test_a_file_with_labels_is_no_test_set(tmp_path, saobp, tuned):  # noqa: F811
    write_rte(tmp_path / "data/RTE")
    shutil.copy(tmp_path / "data/RTE/train.tsv", tmp_path / "data/RTE/test.tsv")
    saobp("finetune", "run", "--task", "rte", "--data", "data", "--output", "rte", *QUICK)
    one_line(saobp("evaluate", "rte", "--task", "rte", "--data", "data", "--split", "test", code=1),
             "RTE/test.tsv: has labels", "entailment", "the file of another split")


def test_numbers_of_labels_are_those_of_datasets(tmp_path, saobp, model):  # noqa: F811
    (tmp_path / "data/MNLI").mkdir(parents=True)
    labels = ["entailment", "neutral", "contradiction"]
    rows = [{"idx": i, "premise": "red mill", "hypothesis": "old hall", "label": i % 3} for i in range(9)]
    (tmp_path / "data/MNLI/validation_matched.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    shown = saobp("tasks", "rows", model, "--task", "mnli", "--data", "data").out.splitlines()
    assert [json.loads(line)["target"] for line in shown] == [i % 3 for i in range(9)]
    listed = saobp("tasks", "list", "--json").json["tasks"]
    assert list(next(t for t in listed if t["name"] == "mnli")["labels"]) == labels
    (tmp_path / "data/BoolQ").mkdir()
    for key in ("label", "answer"):
        (tmp_path / "data/BoolQ/val.jsonl").write_text("".join(
            json.dumps({"question": "is it red", "passage": "it is old", key: bool(i % 2)}) + "\n" for i in range(4)))
        rows = [json.loads(line) for line in saobp("tasks", "rows", model, "--task", "boolq", "--data", "data").out.splitlines()]
        assert [r["target"] for r in rows] == [0, 1, 0, 1]


def test_a_mark_in_the_middle_of_json_lines_is_refused(tmp_path, saobp, tuned):  # noqa: F811
    lines = [json.dumps({"sentence": "red", "label": i % 2}) for i in range(4)]
    (tmp_path / "lines").mkdir()
    path = tmp_path / "lines/dev.jsonl"
    path.write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    saobp("evaluate", "run", "--task", "sst2", "--data", "lines", "--output", "eval")
    path.write_text("\n".join(lines[:2] + ["\ufeff" + lines[2], lines[3]]) + "\n", encoding="utf-8")
    one_line(saobp("evaluate", "run", "--task", "sst2", "--data", "lines", code=1), "dev.jsonl, line 3", "byte order mark")
    made = tmp_path / "eval/sst2-dev.predictions.jsonl"
    made.write_text(made.read_text().replace("\n{", "\n\ufeff{", 1), encoding="utf-8")
    one_line(saobp("score", "--task", "sst2", "--predictions", made, code=1), "line 2", "byte order mark")


def test_examples_of_the_dev_set_in_the_training_set_are_told(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    dev, train = ((tmp_path / f"data/SST-2/{name}.tsv") for name in ("dev", "train"))
    own = set(train.read_text().splitlines()[1:])
    extra = [line for line in dev.read_text().splitlines()[1:] if line not in own][:3]
    shared = sum(line.split("\t")[0] in {d.split("\t")[0] for d in dev.read_text().splitlines()[1:]} for line in [*own, *extra])
    train.write_text(train.read_text() + "".join(line + "\n" for line in extra))
    done = saobp("finetune", model, "--task", "sst2", "--data", "data", "--output", "run", *QUICK)
    told = next(line for line in done.out.splitlines() if "in the dev set too" in line)
    assert int(told.split()[1]) == shared
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert any("in the dev set too" in note for note in record["task"]["train"]["notes"])


def test_answers_that_stand_elsewhere(tmp_path, saobp, model):  # noqa: F811
    """A few are not trained on, and are listed; of a dev set they are scored as any other."""
    (tmp_path / "data").mkdir()
    settings = ["--length", 60, "--overlap", 8, "--epochs", 1, "--batch", 8]

    def shift(path, count):
        whole = json.loads(path.read_text())
        for paragraph in whole["data"][0]["paragraphs"][:count]:
            paragraph["qas"][0]["answers"][0]["answer_start"] += 1
        path.write_text(json.dumps(whole))

    for name, count in (("train", 10), ("dev", 6)):
        write_squad(tmp_path / f"data/{name}-v1.1.json", 1, count)
    shift(tmp_path / "data/train-v1.1.json", 2)
    shift(tmp_path / "data/dev-v1.1.json", 6)
    done = saobp("finetune", model, "--task", "squad", "--data", "data", "--output", "run", *settings, "--json")
    assert "2 questions the answer does not stand" in done.err and "not trained on: q0 and q1" in done.err
    assert "of 6 questions the answer does not stand where \"answer_start\" says, which no score goes by" in done.err
    assert json.loads((tmp_path / "run/run.json").read_text())["task"]["train"]["not_trained_on"] == ["q0", "q1"]
    assert done.json["dev"]["examples"] == 6
    shift(tmp_path / "data/train-v1.1.json", 6)
    one_line(saobp("finetune", model, "--task", "squad", "--data", "data", "--output", "other", *settings, code=1), "of 6 of 10 questions")


def test_windows_overlap_as_one_says(tmp_path, saobp, model):  # noqa: F811
    (tmp_path / "data").mkdir()
    for name in ("train", "dev"):
        write_squad(tmp_path / f"data/{name}-v1.1.json", 1, 12)

    def rows(overlap):
        out = saobp("tasks", "rows", model, "--task", "squad", "--data", "data", "--length", 40, "--overlap", overlap).out
        return [json.loads(line) for line in out.splitlines()]

    assert len(rows(20)) > len(rows(4))
    tune = ["finetune", model, "--task", "squad", "--data", "data", "--length", 40, "--epochs", 1, "--batch", 8, "--output"]
    one_line(saobp(*tune, "run", code=1), "question q", "--overlap: two windows are to share 128 tokens; less than")
    both = saobp(*tune, "run", "--overlap", 4)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["options"]["train"]["overlap"] == 4
    # What is evaluated goes in the windows of training.
    asked = saobp("evaluate", "run", "--task", "squad", "--data", "data", "--json")
    assert "4 of them shared" in asked.err and asked.json["tasks"]["squad"]["scores"] == record["final"]["dev"]["scores"]
    assert "20 of them shared" in saobp("evaluate", "run", "--task", "squad", "--data", "data", "--overlap", 20, "--output", "eval").out
    few = saobp(*tune, "few", "--overlap", 4, "--answer-windows-only")
    steps = [next(line for line in done.out.splitlines() if line.startswith("training")) for done in (both, few)]
    assert int(steps[0].split("epoch of ")[1].split()[0]) > int(steps[1].split("epoch of ")[1].split()[0])
    # Analysed, too.
    assert saobp("analyze", "run", "--task", "squad", "--data", "data", "--length", 40, "--limit", 2, "--json").json["sequences"] > 2
    write_rte(tmp_path / "data/RTE")
    for flag in (["--overlap", 8], ["--answer-windows-only"]):
        one_line(saobp("finetune", model, "--task", "rte", "--data", "data", "--output", "x", *flag, code=2), flag[0], "RTE has no contexts")
    one_line(saobp("evaluate", "run", "--task", "rte", "--data", "data", "--overlap", 8, code=2), "--overlap", "RTE has no contexts")
    # Of several tasks it is for those that have windows.
    done = saobp(*tune[:2], "--task", "rte,squad", *tune[4:], "both", "--overlap", 4, "--json")
    assert set(done.json["tasks"]) == {"rte", "squad"}


def test_a_preset_brings_its_rate_unless_one_is_given(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    settings = json.loads((ROOT / "configs/tasks/sst2.json").read_text())
    settings["presets"] = {"authors": {"recipe": {"learning_rate": 2e-3, "warmup_share": 0.2, "epochs": 1, "length": 16}}}
    (tmp_path / "sst2.json").write_text(json.dumps(settings))

    def options(output, *more):
        saobp("finetune", model, "--task", "sst2.json", "--data", "data", "--output", output, *more)
        found = json.loads((tmp_path / output / "run.json").read_text())["options"]
        return found["optimizer"]["learning_rate"], found["train"]["warmup_share"]

    assert options("plain", "--epochs", 1, "--length", 16) == (5e-5, 0.1)
    assert options("authors", "--preset", "authors") == (2e-3, 0.2)
    assert options("given", "--preset", "authors", "--learning-rate", 1e-3, "--warmup-share", 0) == (1e-3, 0)


def test_options_that_are_alike_are_counted(tmp_path, saobp, model):  # noqa: F811
    (tmp_path / "data").mkdir()
    rows = [{"ind": i, "ctx_a": "red", "ctx_b": "old", "endings": ["a", "a" if i == 1 else "b", "c", "d"], "label": 0} for i in range(3)]
    (tmp_path / "data/val.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    done = saobp("tasks", "rows", model, "--task", "hellaswag", "--data", "data")
    assert "1 example has an option that is there twice" in done.err


def test_a_suite_tells_what_was_predicted(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2", train=60)
    done = saobp("finetune", model, "--task", "sst2", "--data", "data", "--seeds", 2, "--epochs", 1, *QUICK[2:], "--output", "all", "--json")
    found = done.json["tasks"]["sst2"]
    assert sum(found["predicted"].values()) == pytest.approx(1) and found["ties"] == 0
    assert "predicted: " in saobp("finetune", model, "--task", "sst2", "--data", "data", "--seeds", 2, "--epochs", 1, *QUICK[2:], "--output", "all").out


def test_a_new_head_has_a_new_pooler(tmp_path, saobp, tuned):  # noqa: F811
    still = ["--task", "sst2", "--data", "data", "--epochs", 1, "--learning-rate", 0, "--length", 16]
    saobp("finetune", "run", *still, "--output", "kept")
    done = saobp("finetune", "run", *still, "--new-head", "--output", "new")
    names = {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}
    assert set(json.loads((tmp_path / "new/run.json").read_text())["from"]["drawn"]) == names and "drawn anew" in done.out
    first, kept, new = (load_file(tmp_path / f"{run}/model.safetensors") for run in ("run", "kept", "new"))
    for name in ("bert.pooler.dense.weight", "classifier.weight"):
        assert (first[name] == kept[name]).all() and not (first[name] == new[name]).any()
    for name in set(first) - names:
        assert (first[name] == new[name]).all(), name
    # Behind a first task the head is that task's.
    write_rte(tmp_path / "data/RTE")
    saobp("finetune", "run", *still, "--new-head", "--from-task", "rte", "--output", "both")
    first, second = (load_file(tmp_path / f"both/{run}/seed-42/model.safetensors") for run in ("from-rte", "sst2"))
    assert (first["bert.pooler.dense.weight"] == second["bert.pooler.dense.weight"]).all()


def test_cola_in_the_form_of_datasets(tmp_path, saobp, tuned):  # noqa: F811
    (tmp_path / "data/CoLA").mkdir()
    (tmp_path / "data/CoLA/test.jsonl").write_text("".join(json.dumps({"sentence": "red mill", "label": -1, "idx": i}) + "\n" for i in range(3)))
    rows = saobp("tasks", "rows", "run", "--task", "cola", "--data", "data", "--split", "test").out.splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["0", "1", "2"]


def test_checkpoints_of_a_fine_tuned_run_are_looked_into(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    saobp("finetune", model, "--task", "sst2", "--data", "data", "--output", "run", *QUICK, "--keep-checkpoints", 9)
    (tmp_path / "lines.txt").write_text("tom looks for the red key\nthe box is in the old mill\n")
    found = saobp("analyze", "run", "--checkpoints", "all", "--text", "lines.txt", "--measures", "gtd", "--json").json
    assert len(found["checkpoints"]) == 6 and found["correlations"][0]["with"] == "accuracy"
    last = saobp("analyze", "run", "--text", "lines.txt", "--measures", "gtd", "--json").json
    assert found["checkpoints"][-1]["matrices"] == last["matrices"] != found["checkpoints"][0]["matrices"]


def test_a_suite_leaves_out_windows_that_do_not_fit(tmp_path, saobp, model):  # noqa: F811
    (tmp_path / "data").mkdir()
    for name in ("train", "dev"):
        write_squad(tmp_path / f"data/{name}-v1.1.json", 1, 12)
    write_rte(tmp_path / "data/RTE")
    done = saobp("finetune", model, "--task", "squad,rte", "--data", "data", "--length", 40, "--epochs", 1, "--output", "all", "--json")
    assert set(done.json["tasks"]) == {"rte"} and "left out    squad: its windows are to share 128 tokens (--overlap)" in done.err
    # Of a suite what nobody has is left out of a comparison too.
    both = saobp("compare", "all", "all", "--task", "glue", "--json")
    assert [c["task"] for c in both.json["comparisons"]] == ["rte"] and "cola" in both.json["left_out"]
    one_line(saobp("compare", "all", "all", "--task", "cola", code=1), "neither eval/ nor predictions for cola")
