"""Several tasks and seeds in one command, comparisons of what they found, and the task that is made up."""
import json
import random
import shutil

import pytest
import torch
import transformers as hf
from scipy import stats

from bad_input_test import one_line
from conftest import write_vocabulary
from finetune_test import QUICK, model, predictions, sentence, write_sst2  # noqa: F401 (a fixture)


def write_rte(folder):
    draw = random.Random(9)
    folder.mkdir(parents=True)
    for name, count in (("train", 120), ("dev", 30)):
        rows = [(sentence(draw, i % 2), "tom", ["entailment", "not_entailment"][i % 2]) for i in range(count)]
        (folder / f"{name}.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + "".join(
            f"{i}\t{a}\t{b}\t{label}\n" for i, (a, b, label) in enumerate(rows)))


@pytest.fixture
def suite(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2", train=100)
    write_rte(tmp_path / "data/RTE")
    command = ["finetune", model, "--data", "data", "--task", "glue", "--seeds", 2, "--epochs", 2, *QUICK[2:], "--output"]
    return command


def test_a_suite_goes_on_and_leaves_what_is_done(tmp_path, saobp, suite):
    first = saobp(*suite, "all", "--json")
    summary = first.json
    assert set(summary["tasks"]) == {"sst2", "rte"} and "left out    cola" in first.err
    assert summary["averages"] == {"glue_site": None, "glue_paper": None, "glue_without_wnli": None}
    accuracy = summary["tasks"]["sst2"]["scores"]["accuracy"]
    assert len(accuracy["values"]) == 2 and accuracy["value"] == pytest.approx(sum(accuracy["values"]) / 2)
    records = [json.loads((tmp_path / f"all/sst2/seed-{s}/run.json").read_text()) for s in (5, 6)]
    assert [r["final"]["dev"]["scores"]["accuracy"]["value"] for r in records] == accuracy["values"]
    assert json.loads((tmp_path / "all/suite.json").read_text())["tasks"] == summary["tasks"]
    weights = (tmp_path / "all/sst2/seed-5/model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "all/rte/seed-6")
    again = saobp(*suite, "all", "--json")
    assert again.err.count("is there already") == 3
    assert again.json["tasks"] == summary["tasks"]
    assert (tmp_path / "all/sst2/seed-5/model.safetensors").read_bytes() == weights
    changed = [a if a != 3e-3 else 1e-3 for a in suite]
    one_line(saobp(*changed, "all", code=1), "was made with another --learning-rate (0.003, and not 0.001)")


def test_a_comparison_says_what_was_drawn_anew(tmp_path, saobp, suite):
    saobp(*suite, "one")
    saobp(*suite, "two", "--attention", "high", "--strength", 3)
    found = saobp("compare", "one", "two", "--task", "sst2,rte", "--json").json["comparisons"]
    assert [c["task"] for c in found] == ["sst2", "rte"] and found[0]["first"]["runs"] == 2
    assert "2 pairs with the same seed" in found[0]["resampled"]
    single = saobp("compare", "one/sst2/seed-5", "two/sst2/seed-5", "--task", "sst2", "--json").json["comparisons"][0]
    lines = [predictions(tmp_path / f"{run}/sst2/seed-5/eval/sst2-dev.predictions.jsonl") for run in ("one", "two")]
    right = [[p["gold"] == p["prediction"] for p in side] for side in lines]
    assert single["difference"]["value"] == pytest.approx((sum(right[1]) - sum(right[0])) / len(right[0]))
    only = [sum(a and not b for a, b in zip(*right)), sum(b and not a for a, b in zip(*right))]
    assert [single["mcnemar"]["only_first_right"], single["mcnemar"]["only_second_right"]] == only
    expected = stats.binomtest(min(only), sum(only)).pvalue if sum(only) else 1
    assert single["mcnemar"]["p"] == pytest.approx(expected, abs=1e-12)
    same = saobp("compare", "one/sst2/seed-5", "one/sst2/seed-5", "--task", "sst2")
    assert "neither shown to be better nor worse" in same.out and "p = 1" in same.out
    one_line(saobp("compare", "one", "--task", "sst2", code=2), "two or more runs")
    one_line(saobp("compare", "one", "model", "--task", "sst2", code=1), "model: holds neither eval/ nor sst2/seed-N")
    one_line(saobp("compare", "one", "two", "--task", "sst2", "--score", "f1", code=2), "SST-2 has no score f1; accuracy")
    one_line(saobp("compare", "one", "two", "--task", "sst2", "--split", "test", code=1), "saobp evaluate")


def test_questions_over_several_hops(tmp_path, saobp, model):  # noqa: F811
    saobp("tasks", "khop", "--output", "khop", "--hops", "1,2", "--train", 64, "--dev", 40, "--test", 8, "--fillers", 2)
    done = saobp("finetune", model, "--task", "khop", "--data", "khop", "--output", "run", "--epochs", 1, "--length", 60, "--json")
    groups = done.json["dev"]["groups"]["hops"]
    assert {hops: part["examples"] for hops, part in groups.items()} == {"1": 20, "2": 20}
    one_line(saobp("tasks", "khop", "--output", "khop", code=2), "exists already")
    one_line(saobp("tasks", "khop", "--output", "k", "--hops", "40", code=2), "need 164 things")
    assert "khop" in saobp("tasks", "list").out
