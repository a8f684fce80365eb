"""What would make a score say more than it may: baselines that are too low, verdicts of too little, other files and other heads."""
import json
import random

import pytest

from bad_input_test import one_line
from conftest import ROOT
from finetune_test import QUICK, model, predictions, sentence, tuned, write_choices  # noqa: F401 (fixtures)
from likelihoods_test import decoder  # noqa: F401 (a fixture)
from scores_test import score, write
from squad_test import write_squad
from suite_test import suite, write_rte  # noqa: F401 (a fixture)
from task_data_test import with_config


SPAN = ["--epochs", 1, "--batch", 8, "--threads", 1, "--length", 40, "--overlap", 8]


def test_baselines_are_the_best_constants(tmp_path, saobp):
    rows = [{"id": str(i), "gold": gold, "prediction": "duplicate"} for i, gold in enumerate(["duplicate"] * 3 + ["not_duplicate"] * 5)]
    found = score(saobp, tmp_path, "qqp", rows)["baselines"]
    assert found["majority"] == {"accuracy": 5 / 8, "f1": 0} and found["best_constant"] == {"f1": pytest.approx(6 / 11)}
    assert "≈ majority 0.00 and best_constant 54.55" in saobp("score", "--task", "qqp", "--predictions", "p.jsonl").out
    rows = [{"id": str(i), "gold": i / 4, "prediction": (i * 7) % 5} for i in range(20)]
    assert score(saobp, tmp_path, "stsb", rows)["baselines"] == {"unrelated": {"pearson": 0, "spearman": 0}}
    rows = [{"id": str(i), "gold": ["hall"] if i % 4 else [], "prediction": "", "answer": "box", "no_answer_margin": 1.0} for i in range(20)]
    assert score(saobp, tmp_path, "squad2", rows)["baselines"] == {"no_answer": {"f1": 0.25, "exact_match": 0.25}}
    # Of every normaliser.
    option = {"log_likelihood": -1.0, "characters": 3, "bytes": 3, "tokens": 1, "unconditional": -1.0}
    rows = [{"id": str(i), "gold": i % 5 > 0, "prediction": 0, "options": [option, option]} for i in range(20)]
    rows = [{**row, "gold": int(row["gold"])} for row in rows]
    found = score(saobp, tmp_path, "hellaswag", rows)["baselines"]
    assert found["majority"]["accuracy_bytes"] == found["majority"]["accuracy"] == 0.8


def test_the_official_files_give_the_score(tmp_path, saobp, model):  # noqa: F811
    (tmp_path / "data").mkdir()
    write_squad(tmp_path / "data/train-v2.0.json", 1, version2=True)
    write_squad(tmp_path / "data/dev-v2.0.json", 2, version2=True)
    saobp("finetune", model, "--task", "squad2", "--data", "data", "--output", "run", *SPAN)
    texts = json.loads((tmp_path / "run/eval/squad2-dev.official.json").read_text())
    assert texts == {p["id"]: p["prediction"] for p in predictions(tmp_path / "run/eval/squad2-dev.predictions.jsonl")}
    shares = json.loads((tmp_path / "run/eval/squad2-dev.official.na_prob.json").read_text())
    assert all(0 <= share <= 1 and (share > 0.5) == (texts[name] == "") for name, share in shares.items())


def choices(right):
    return [{"id": str(i), "gold": "entailment", "prediction": ["not_entailment", "entailment"][i in right]} for i in range(60)]


def test_verdicts_need_enough(tmp_path, saobp):
    def compared(first, second):
        for run, rows in (("one", first), ("two", second)):
            (tmp_path / run / "eval").mkdir(parents=True, exist_ok=True)
            write(tmp_path / run / "eval/rte-dev.predictions.jsonl", rows)
        return saobp("compare", "one", "two", "--task", "rte", "--json")

    none, all_of_them = choices(set()), choices(set(range(60)))
    assert compared(none, all_of_them).json["comparisons"][0]["verdict"] == "better"
    few = compared(none[:3], all_of_them[:3])
    found = few.json["comparisons"][0]
    assert found["difference"]["low"] > 0 and found["verdict"] == "no difference shown" and found["unsure"] == "3 examples are too few to tell by"
    assert "neither shown to be better nor worse (3 examples are too few to tell by)" in few.err
    # Five more of sixty: the bootstrap has no sample against it, the exact test p = 0.0625.
    found = compared(none, choices(set(range(5)))).json["comparisons"][0]
    assert found["difference"]["low"] > 0 and found["mcnemar"]["p"] == 0.0625 and found["verdict"] == "no difference shown"
    for run in ("a", "b"):
        for seed in (1, 2):
            (tmp_path / run / f"rte/seed-{seed}/eval").mkdir(parents=True)
            write(tmp_path / run / f"rte/seed-{seed}/eval/rte-dev.predictions.jsonl", {"a": none, "b": all_of_them}[run])
            settings = {"attention": "high", "strength": seed if run == "b" else 1, "length": {"a": 64, "b": 128}[run]}
            (tmp_path / run / f"rte/seed-{seed}/eval/rte-dev.json").write_text(json.dumps({"version": 1, "settings": settings}))
    two = saobp("compare", "a", "b", "--task", "rte").out
    assert "2 seeds a side are too few to tell by" in two and "the runs of the second were not scored alike: strength 1 and 2" in two
    assert "they were scored with another length: 64, and 128" in two


def test_seeds_of_other_files_are_no_mean(tmp_path, saobp, suite):  # noqa: F811
    saobp(*suite, "all")
    path = tmp_path / "data/RTE/dev.tsv"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:-5]))
    more = [3 if a == 2 and suite[n - 1] == "--seeds" else a for n, a in enumerate(suite)]
    one_line(saobp(*more, "all", code=1), "all/rte/seed-7: its dev is not that of all/rte/seed-5")


def test_a_head_is_its_tasks(tmp_path, saobp, tuned):  # noqa: F811
    settings = json.loads((ROOT / "configs/tasks/sst2.json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps(settings | {"name": "mine"}))
    asked = ["evaluate", "run", "--task", "mine.json", "--data", "data", "--output", "eval"]
    one_line(saobp(*asked, code=1), "run: its head was fine-tuned on sst2, not on mine; --other-head asks it all the same")
    assert saobp(*asked, "--other-head", "--json").json["tasks"]["mine"]["scores"] == tuned.json["dev"]["scores"]
    (tmp_path / "mine.json").write_text(json.dumps(settings | {"name": "mine", "heads_of": ["sst2"]}))
    saobp(*asked)
    (tmp_path / "mine.json").write_text(json.dumps(settings | {"name": "mine/b"}))
    one_line(saobp(*asked, code=1), '"name" is "mine/b"', "letters, digits")


@pytest.mark.parametrize("names", [[0, 1], ["0", "1"]])
def test_labels_that_are_called_as_in_the_files(tmp_path, saobp, tuned, names):  # noqa: F811
    with_config(tmp_path / "run", {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}})
    assert saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--json").json["tasks"]["sst2"]["scores"] == tuned.json["dev"]["scores"]


def test_mnli_as_published_and_its_diagnostics(tmp_path, saobp, model):  # noqa: F811
    draw, labels = random.Random(4), ["entailment", "neutral", "contradiction"]
    (tmp_path / "data/multinli_1.0").mkdir(parents=True)
    for name, count in (("train", 60), ("dev_matched", 20)):
        write(tmp_path / f"data/multinli_1.0/multinli_1.0_{name}.jsonl", [
            {"annotator_labels": ["neutral"], "genre": "fiction", "gold_label": (labels + ["-"])[i % 4], "pairID": f"{i}n", "promptID": str(i),
             "sentence1": sentence(draw, i % 2), "sentence2": "tom", "sentence1_parse": "(ROOT )"} for i in range(count)])
    done = saobp("finetune", model, "--task", "mnli", "--data", "data", "--output", "run", *QUICK[2:], "--epochs", 1, "--json")
    assert done.json["dev"]["examples"] == 15 and "5 examples left out, whose label is -" in done.err
    (tmp_path / "data/AX").mkdir()
    (tmp_path / "data/AX/diagnostic-full.tsv").write_text("Lexical Semantics\tDomain\tPremise\tHypothesis\tLabel\n" + "".join(
        f"\tNews\t{sentence(draw, 0)}\ttom\t{labels[i % 3]}\n" for i in range(12)))
    found = saobp("evaluate", "run", "--task", "ax", "--data", "data", "--json").json["tasks"]["ax"]
    assert found["examples"] == 12 and set(found["scores"]) == {"matthews", "accuracy"}


def test_questions_about_one_passage_stay_together(tmp_path, saobp, model):  # noqa: F811
    (tmp_path / "data").mkdir()
    paragraphs = write_squad(tmp_path / "data/train-v1.1.json", 1, count=12)
    write_squad(tmp_path / "data/dev-v1.1.json", 2)
    for n, paragraph in enumerate(paragraphs):
        question = paragraph["qas"][0]
        paragraph["qas"] = [{**question, "id": f"p{n}-{i}"} for i in range(4)]
    (tmp_path / "data/train-v1.1.json").write_text(json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    done = saobp("finetune", model, "--task", "squad", "--data", "data", "--output", "run", *SPAN,
                 "--holdout", 0.2, "--json")
    assert done.json["held_out"]["examples"] == 12  # 9.6 of 48, in whole passages
    assert "those of one passage stay together" in done.err


def test_a_score_of_another_attention_is_remarked_upon(tmp_path, saobp, tuned):  # noqa: F811
    saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--attention", "low", "--strength", 2)
    saobp("report", "run", "-o", "page.html")
    assert "sst2, dev: scored otherwise than the run was trained: attention low, not " in (tmp_path / "page.html").read_text()


def test_an_option_that_is_empty_is_named_before_the_work(tmp_path, saobp, decoder):  # noqa: F811
    write_choices(tmp_path / "data/hellaswag")
    path = tmp_path / "data/hellaswag/hellaswag_val.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["endings"][2] = ""
    write(path, lines)
    one_line(saobp("evaluate", "model", "--task", "hellaswag", "--data", "data", code=1), "hellaswag_val.jsonl, line 2: an option is empty")
