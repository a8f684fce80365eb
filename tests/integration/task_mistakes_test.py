"""What users of tasks get wrong, and files that are damaged: one line each, and nothing lost."""
import json
import shutil

import pytest
from safetensors.torch import load_file

from bad_input_test import one_line
from finetune_test import QUICK, model, predictions, write_choices, write_sst2  # noqa: F401 (a fixture)
from likelihoods_test import decoder  # noqa: F401 (a fixture)
from suite_test import suite, write_rte  # noqa: F401 (a fixture)


def test_a_suite_is_of_one_model_and_one_data_set(tmp_path, saobp, suite, model):  # noqa: F811
    saobp(*suite, "all")
    shutil.copytree(model, tmp_path / "other")
    one_line(saobp(*["other" if a == model else a for a in suite], "all", code=1), "another --from")
    shutil.copytree(tmp_path / "data", tmp_path / "data2")
    one_line(saobp(*["data2" if a == "data" else a for a in suite], "all", code=1), "another --data")
    one_line(saobp(*suite, "all/sst2/seed-5", code=2), "holds a single run")
    # Another task joins those that are there.
    first = saobp("finetune", model, "--data", "data", "--task", "sst2", "--seeds", 2, "--epochs", 1, *QUICK[2:], "--output", "both", "--json")
    second = saobp("finetune", model, "--data", "data", "--task", "rte", "--seeds", 2, "--epochs", 1, *QUICK[2:], "--output", "both", "--json")
    assert set(second.json["tasks"]) == {"sst2", "rte"} and second.json["tasks"]["sst2"] == first.json["tasks"]["sst2"]


@pytest.mark.parametrize("damage", [{"scores": {}}, {"scores": {"accuracy": {}}}, {}, {"examples": 3, "scores": {"accuracy": {"value": "x"}}}])
def test_a_damaged_record_of_a_suite_is_named(tmp_path, saobp, suite, damage):  # noqa: F811
    saobp(*suite, "all")
    path = tmp_path / "all/sst2/seed-5/run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"final": record["final"] | {"dev": damage}}))
    one_line(saobp(*suite, "all", code=1), "all/sst2/seed-5/run.json")
    path.write_text(json.dumps({k: v for k, v in record.items() if k != "options"}))
    one_line(saobp(*suite, "all", code=1), "all/sst2/seed-5/run.json", "options")


def test_names_and_flags_that_say_nothing(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    tune = ["finetune", model, "--data", "data", "--output", "run", *QUICK]
    one_line(saobp(*tune, code=2), "--task is missing")
    one_line(saobp(*tune, "--task", "sst2,", code=2), "names between commas")
    one_line(saobp(*tune, "--task", "sst2", "--grid", "", code=2), "--grid")
    one_line(saobp(*tune, "--task", "sst2", "--grid", "8:1e-3", code=2), "--batch does not go with --grid")
    one_line(saobp(*tune, "--task", "sst2", "--from-task", "nope", code=2), "--from-task", "nope is not known")
    one_line(saobp(*tune, "--task", "sst2", "--from-task", "sts", code=2), "--from-task", "not trained on")
    one_line(saobp("finetune", "typo", *tune[2:], "--task", "glue", code=1), "typo/config.json")
    one_line(saobp("finetune", model, "--data", "none", *tune[4:], "--task", "glue", code=1), "none: is missing")
    assert not (tmp_path / "run").exists()
    saobp(*tune, "--task", "sst2")
    for flags in (["--seeds", 2], ["--grid", "turc"]):
        one_line(saobp("finetune", "--resume", "run", *flags, code=2), f"{flags[0]} does not go with --resume")
    one_line(saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--prompt", "x", code=2), "--prompt: x")


def test_the_head_of_other_labels_is_drawn_anew(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    write_rte(tmp_path / "data/RTE")
    saobp("finetune", model, "--task", "sst2", "--data", "data", "--output", "run", *QUICK, "--from-task", "rte")
    record = json.loads((tmp_path / "run/sst2/seed-5/run.json").read_text())
    assert set(record["from"]["drawn"]) == {"classifier.bias", "classifier.weight"}
    still = ["--epochs", 1, "--learning-rate", 0, "--length", 16]
    for output, task in (("same", "rte"), ("other", "sst2")):
        saobp("finetune", "run/from-rte/seed-5", "--task", task, "--data", "data", "--output", output, *still)
    first, same, other = (load_file(tmp_path / f"{run}/model.safetensors")["classifier.weight"] for run in
                          ("run/from-rte/seed-5", "same", "other"))
    assert (first == same).all() and not (first == other).any()


def test_a_head_of_more_labels_is_drawn_anew(tmp_path, saobp, model):  # noqa: F811
    """MNLI, then RTE: three labels, then two."""
    (tmp_path / "data/MNLI").mkdir(parents=True)
    for split in ("train", "dev_matched"):
        (tmp_path / f"data/MNLI/{split}.tsv").write_text("index\tsentence1\tsentence2\tgold_label\n" + "".join(
            f"{n}\tred mill\told hall\t{label}\n" for n, label in enumerate(["entailment", "neutral", "contradiction"] * 8)))
    write_rte(tmp_path / "data/RTE")
    done = saobp("finetune", model, "--task", "rte", "--data", "data", "--output", "run", *QUICK, "--from-task", "mnli", "--json")
    assert set(done.json["tasks"]) == {"rte"}
    record = json.loads((tmp_path / "run/rte/seed-5/run.json").read_text())
    assert set(record["from"]["drawn"]) == {"classifier.bias", "classifier.weight"}
    assert load_file(tmp_path / "run/from-mnli/seed-5/model.safetensors")["classifier.weight"].shape[0] == 3


def test_a_split_without_labels_is_not_trained_on(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    task = json.loads(saobp("tasks", "list", "--json").out.splitlines()[-1])["tasks"]
    sst2 = next(t for t in task if t["name"] == "sst2")
    sst2["name"], sst2["splits"]["dev"] = "mine", sst2["splits"]["dev"] | {"labelled": False}
    (tmp_path / "mine.json").write_text(json.dumps(sst2))
    one_line(saobp("finetune", model, "--task", "mine.json", "--data", "data/SST-2", "--output", "run", *QUICK, code=1),
             "split dev has no labels")


@pytest.mark.parametrize("change, words", [
    ({"recipe": {"epoch": 3}}, ['"epoch" is no setting of "recipe"', "epochs"]),
    ({"scores": []}, ['"scores" is empty']),
    ({"scores": ["accuracy", "pearson"]}, ['"pearson" is no score of a classification', "accuracy"]),
    ({"scores": ["f1"]}, ['"f1" is no score of a classification that names no "positive" label']),
    ({"positive": "good"}, ['"positive" is "good"', "negative"]),
    ({"first": ""}, ['"first" is missing']),
    ({"label": ""}, ['"label" is missing']),
    ({"format": "squad"}, ['"format" is "squad"', "classification"]),
    ({"range": [5]}, ['"range" is [5]']),
    ({"prompts": {"default": {"contxt": "{sentence}"}}}, ['"contxt" is no setting of a prompt', "context"])], ids=str)
def test_a_task_file_is_checked_before_work_begins(tmp_path, saobp, model, change, words):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    task = next(t for t in saobp("tasks", "list", "--json").json["tasks"] if t["name"] == "sst2")
    (tmp_path / "mine.json").write_text(json.dumps(task | {"name": "mine"} | change))
    one_line(saobp("finetune", model, "--task", "mine.json", "--data", "data/SST-2", "--output", "run", *QUICK, code=1), "mine.json", *words)
    split = task["splits"]["dev"] | {"labeled": True}
    (tmp_path / "mine.json").write_text(json.dumps(task | {"splits": task["splits"] | {"dev": split}}))
    one_line(saobp("evaluate", model, "--task", "mine.json", "--data", "data/SST-2", code=1), 'split "dev"', '"labeled" is no setting')


def test_what_a_model_has_no_head_for_is_left_out(tmp_path, saobp, decoder):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2", train=40, dev=10)
    write_choices(tmp_path / "data/hellaswag")
    done = saobp("finetune", "model", "--task", "hellaswag,sst2,rte", "--data", "data", "--output", "all", *QUICK, "--json")
    assert list(done.json["tasks"]) == ["sst2"] and "left out    hellaswag: a gpt2 has no head for it" in done.err
    # A folder that is no run is none of the seeds.
    shutil.copytree(tmp_path / "all/sst2/seed-5", tmp_path / "all/sst2/seed-5-old")
    (tmp_path / "all/sst2/seed-9").write_text("x")
    assert saobp("compare", "all", "all", "--task", "sst2", "--json").json["comparisons"][0]["first"]["runs"] == 1
    # What may change when a run goes on may change in a suite that is through, too.
    again = saobp("finetune", "model", "--task", "sst2,rte", "--data", "data", "--output", "all", *QUICK[:-4], "--threads", 1, "--seed", 5)
    assert "is there already" in again.out


def test_outputs_do_not_replace_what_was_read(tmp_path, saobp, suite, model):  # noqa: F811
    before = (tmp_path / "data/SST-2/dev.tsv").read_bytes()
    one_line(saobp("tasks", "rows", model, "--task", "sst2", "--data", "data", "--output", "data/SST-2/dev.tsv", code=2), "--output")
    assert (tmp_path / "data/SST-2/dev.tsv").read_bytes() == before
    saobp(*suite, "all")
    for file in ("all/suite.json", "all/sst2/seed-5/eval/sst2-dev.json"):
        one_line(saobp("report", "all" if "suite" in file else "all/sst2/seed-5", "--output", file, code=2), "--output")


def test_less_perplexity_is_better(tmp_path, saobp):
    for run, sums in (("one", [-20.0, -30.0, -25.0] * 8), ("two", [-10.0, -15.0, -12.0] * 8)):
        (tmp_path / run / "eval").mkdir(parents=True)
        (tmp_path / run / "eval/text-dev.predictions.jsonl").write_text("".join(json.dumps(
            {"id": str(n), "gold": None, "prediction": s, "log_likelihood": s, "tokens": 10, "words": 5, "bytes": 30}) + "\n"
            for n, s in enumerate(sums)))
    done = saobp("compare", "one", "two", "--task", "text")
    assert "one 12.18, two 3.43" in done.out and "the second is better: difference -8.75" in done.out
    assert "the second is worse" in saobp("compare", "two", "one", "--task", "text").out
    # One text says nothing; another text is not compared.
    lines = (tmp_path / "two/eval/text-dev.predictions.jsonl").read_text().splitlines()
    (tmp_path / "two/eval/text-dev.predictions.jsonl").write_text("\n".join([*lines[:2], lines[2].replace('"bytes": 30', '"bytes": 31')]) + "\n")
    one_line(saobp("compare", "one", "two", "--task", "text", code=1), "texts of other sizes")
    for run in ("one", "two"):
        path = tmp_path / run / "eval/text-dev.predictions.jsonl"
        path.write_text(path.read_text().splitlines()[0] + "\n")
    alone = saobp("compare", "one", "two", "--task", "text", "--json").json["comparisons"][0]
    assert alone["verdict"] == "no difference shown" and alone["difference"]["p"] is None


def test_damaged_predictions(tmp_path, saobp, decoder):  # noqa: F811
    write_choices(tmp_path / "data/hellaswag")
    saobp("evaluate", "model", "--task", "hellaswag", "--data", "data", "--output", "eval", "--rows", 3)
    lines = predictions(tmp_path / "eval/hellaswag-dev.predictions.jsonl")

    def score(change, *words, task="hellaswag"):
        changed = json.loads(json.dumps(lines))
        change(changed)
        (tmp_path / "changed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
        one_line(saobp("score", "--task", task, "--predictions", "changed.jsonl", "--by-length", code=1), *words)

    score(lambda p: p[0]["options"][0].pop("tokens"), "tokens")
    score(lambda p: p[0]["options"].__setitem__(1, None), "prediction 0", "an option is null")
    score(lambda p: p[1].update(options=3), "prediction 1", "a list was expected")
    score(lambda p: p[1].update(groups=[1]), "prediction 1")
    score(lambda p: p[1].update(prediction=9), "prediction 1", "option 9 of 4")
    score(lambda p: p[2].update(tokens=2**62 + 1), "prediction 2", "tokens")
    score(lambda p: p[2].update(id=p[0]["id"]), "line 3", "was there before")
    score(lambda p: p[2].pop("tokens"), "not every line has")
