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
from families_parity_test import make_encoder
from finetune_test import QUICK, model, predictions, sentence, write_sst2  # noqa: F401 (a fixture)
from overflow_test import enlarge


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


def test_a_seed_that_diverges_has_no_score_and_the_others_count(tmp_path, saobp, suite, model):  # noqa: F811
    whole = saobp(*suite, "run", "--json").json["tasks"]
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    shutil.rmtree(tmp_path / "run/sst2/seed-6")
    enlarge(model, "encoder.layer.0.attention.self.value.weight", 3e38)
    done = saobp(*suite, "run", "--json")
    assert "no score    the model's outputs are not finite" in done.err.split("run/sst2/seed-6")[-1]
    tasks = done.json["tasks"]
    assert tasks["rte"] == whole["rte"] and tasks["sst2"]["diverged_seeds"] == [6] and tasks["sst2"]["seeds"] == 1
    assert tasks["sst2"]["scores"]["accuracy"]["values"] == whole["sst2"]["scores"]["accuracy"]["values"][:1]
    assert "diverged, without a score: seed 6" in done.err
    again = saobp(*suite, "run", "--json")  # finds the same, and trains nothing
    assert again.json["tasks"] == tasks and "into run" not in again.err
    found = saobp("compare", "whole", "run", "--task", "sst2", "--json")
    assert found.json["comparisons"][0]["second"]["diverged_seeds"] == [6]
    assert "of the second 1 seed diverged and left no scores: [6]" in found.err
    saobp("report", "run", "-o", "page.html")
    assert "sst2: 1 seed diverged and left no scores: [6]" in (tmp_path / "page.html").read_text()
    alone = [a if a != "glue" else "sst2" for a in suite]
    one_line(saobp(*alone, "none", code=1), "sst2: all of its 2 seeds diverged; a lower rate may help")
    one_line(saobp("compare", "whole", "none", "--task", "sst2", code=1), "none: all seeds of sst2 diverged")


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
    of_two = tmp_path / "two/sst2/seed-6/eval/sst2-dev.json"
    of_two.write_text(json.dumps(json.loads(of_two.read_text()) | {"version": 1}))
    assert "other versions of the task, [2] and [1,2]" in saobp("compare", "one", "two", "--task", "sst2").out
    one_line(saobp("compare", "one", "--task", "sst2", code=2), "two or more runs")
    one_line(saobp("compare", "one", "model", "--task", "sst2", code=1), "model: holds neither eval/ nor predictions for sst2 nor sst2/seed-N")
    one_line(saobp("compare", "one", "two", "--task", "sst2", "--score", "f1", code=2), "--score: f1 was given; of these predictions for SST-2 there is accuracy")
    one_line(saobp("compare", "one", "two", "--task", "sst2", "--split", "test", code=1), "saobp evaluate")


def test_questions_over_several_hops(tmp_path, saobp, model):  # noqa: F811
    saobp("tasks", "khop", "--output", "khop", "--hops", "1,2", "--train", 64, "--dev", 40, "--test", 8, "--fillers", 2)
    done = saobp("finetune", model, "--task", "khop", "--data", "khop", "--output", "run", "--epochs", 1, "--length", 60, "--json")
    groups = done.json["dev"]["groups"]["hops"]
    assert {hops: part["examples"] for hops, part in groups.items()} == {"1": 20, "2": 20}
    one_line(saobp("tasks", "khop", "--output", "khop", code=2), "exists already")
    one_line(saobp("tasks", "khop", "--output", "k", "--hops", "40", code=2), "need 164 things")
    assert "khop" in saobp("tasks", "list").out
    # The options of a question are sequences of their own.
    drawn = saobp("analyze", "run", "--task", "khop", "--data", "khop", "--limit", 2, "--measures", "gtd", "--draw", "1.0",
                  "--sequences", "dev-0#1", "--json")
    assert drawn.json["sequences"] > 4 and "sequence dev-0#1, layer 1 head 0" in drawn.err


@pytest.mark.parametrize("family, settings", [("distilbert", {}), ("bert", {"type_vocab_size": 1})])
def test_pairs_for_models_without_token_types(tmp_path, saobp, family, settings):
    (tmp_path / "there").mkdir()
    make_encoder(tmp_path / "there", family, **settings)
    write_rte(tmp_path / "data/RTE")
    saobp("finetune", "there", "--task", "rte", "--data", "data", "--output", "run", *QUICK)
    net = hf.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(tmp_path / "run")
    rows = [line.split("\t") for line in (tmp_path / "data/RTE/dev.tsv").read_text().splitlines()[1:]]
    batch = tokenizer([r[1] for r in rows], [r[2] for r in rows], return_tensors="pt", padding=True, return_token_type_ids=False)
    with torch.no_grad():
        theirs = net(**batch).logits.softmax(-1)
    lines = predictions(tmp_path / "run/eval/rte-dev.predictions.jsonl")
    ours = torch.tensor([[p["probabilities"][net.config.id2label[n]] for n in (0, 1)] for p in lines])
    assert (theirs - ours).abs().max() < 1e-5


def write_glue(folder):
    """All nine tasks, tiny, in their published columns."""
    draw = random.Random(3)

    def rows(name, count, header, row):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        lines = ["\t".join(row(i, sentence(draw, i % 2), sentence(draw, i % 3 % 2))) for i in range(count)]
        (folder / name).write_text("".join(line + "\n" for line in ([header] if header else []) + lines))

    pair = "index\tsentence1\tsentence2\tlabel"
    entailed = ["entailment", "not_entailment"]
    for split, count in (("train", 24), ("dev", 12)):
        rows(f"CoLA/{split}.tsv", count, "", lambda i, a, b: ("x", str(i % 2), "", a))
        rows(f"SST-2/{split}.tsv", count, "sentence\tlabel", lambda i, a, b: (a, str(i % 2)))
        rows(f"MRPC/{split}.tsv", count, "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", lambda i, a, b: (str(i % 2), "1", "2", a, b))
        rows(f"STS-B/{split}.tsv", count, "index\tsentence1\tsentence2\tscore", lambda i, a, b: (str(i), a, b, str(i % 6)))
        rows(f"QQP/{split}.tsv", count, "id\tquestion1\tquestion2\tis_duplicate", lambda i, a, b: (str(i), a, b, str(i % 2)))
        rows(f"QNLI/{split}.tsv", count, "index\tquestion\tsentence\tlabel", lambda i, a, b: (str(i), a, b, entailed[i % 2]))
        rows(f"RTE/{split}.tsv", count, pair, lambda i, a, b: (str(i), a, b, entailed[i % 2]))
        rows(f"WNLI/{split}.tsv", count, pair, lambda i, a, b: (str(i), a, b, str(i % 2)))
    for split, count in (("train", 24), ("dev_matched", 12), ("dev_mismatched", 9)):
        rows(f"MNLI/{split}.tsv", count, "index\tsentence1\tsentence2\tgold_label",
             lambda i, a, b: (str(i), a, b, ["entailment", "neutral", "contradiction"][i % 3]))


def test_the_averages_of_glue(tmp_path, saobp, model):  # noqa: F811
    write_glue(tmp_path / "glue")
    command = ["finetune", model, "--task", "glue", "--data", "glue", "--epochs", 3, *QUICK[2:], "--output", "all", "--seeds", 2, "--json"]
    done = saobp(*command)
    tasks = done.json["tasks"]
    assert len(tasks) == 10 and tasks["mnli_mismatched"]["split"] == "dev_mismatched" and tasks["mnli_mismatched"]["examples"] == 9
    assert len(tasks["mnli_mismatched"]["scores"]["accuracy"]["values"]) == 2
    record = json.loads((tmp_path / "all/mnli/seed-6/run.json").read_text())
    assert record["final"]["also"]["mnli_mismatched"]["scores"]["accuracy"]["value"] == tasks["mnli_mismatched"]["scores"]["accuracy"]["values"][1]
    again = saobp("score", "--task", "mnli", "--predictions", "all/mnli/seed-6/eval/mnli-dev_mismatched.predictions.jsonl", "--json")
    assert again.json["tasks"]["mnli"]["scores"]["accuracy"] == record["final"]["also"]["mnli_mismatched"]["scores"]["accuracy"]

    value = lambda task, name="accuracy": tasks[task]["scores"][name]["value"]
    both = lambda task, *names: sum(value(task, name) for name in names) / 2
    of_site = {"cola": value("cola", "matthews"), "stsb": both("stsb", "pearson", "spearman"), "mrpc": both("mrpc", "f1", "accuracy"),
               "qqp": both("qqp", "f1", "accuracy"), "mnli": (value("mnli") + value("mnli_mismatched")) / 2,
               **{task: value(task) for task in ("sst2", "qnli", "rte", "wnli")}}
    of_paper = {**of_site, "stsb": value("stsb", "pearson"), **{task: value(task) for task in ("mrpc", "qqp", "mnli")}}
    averages = done.json["averages"]
    assert averages["glue_site"] == pytest.approx(sum(of_site.values()) / 9)
    assert averages["glue_paper"] == pytest.approx(sum(of_paper.values()) / 9)
    assert averages["glue_without_wnli"] == pytest.approx(sum(v for task, v in of_site.items() if task != "wnli") / 8)
    assert saobp(*command).json["tasks"] == tasks, "what is done is left"

    (tmp_path / "glue/MNLI/dev_mismatched.tsv").unlink()
    alone = saobp("finetune", model, "--task", "mnli", "--data", "glue", "--epochs", 1, *QUICK[2:], "--output", "alone", "--json")
    assert "dev_mismatched" in alone.err and "is not scored" in alone.err and "also" not in alone.json
