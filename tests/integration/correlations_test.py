"""`saobp analyze --correlate`, `--scores` and `--into`: what measures go with, against scipy, and where that is kept."""
import json
import shutil

import numpy as np
import pytest

from bad_input_test import one_line
from conftest import write_text

stats = pytest.importorskip("scipy.stats")


@pytest.fixture
def run(tmp_path, saobp, setting):
    write_text(tmp_path / "lines.txt", documents=12, seed=3)
    saobp(*setting, "--attention", "high", "--steps", 40, "--learning-rate", 1e-2, "--checkpoint-every", 10,
          "--keep-checkpoints", 4, "--validate-every", 10, "--output", "run")
    return lambda *more, **how: saobp("analyze", "run", "--text", "lines.txt", "--length", 24, *more, **how)


def check(found, x, y):
    r, rho = stats.pearsonr(x, y), stats.spearmanr(x, y)
    interval = r.confidence_interval()
    assert [found["pearson"][k] for k in ("r", "low", "high", "p")] == pytest.approx([r.statistic, interval.low, interval.high, r.pvalue], abs=1e-6)
    assert found["spearman"]["r"] == pytest.approx(rho.statistic, abs=1e-9) and found["n"] == len(x)


def corrected(*entries):
    """All that was asked for together is one family."""
    tests = [found["pearson"] for entry in entries for found in entry["measures"].values()]
    assert {entry["tests"] for entry in entries} == {len(tests)}
    tests = [test for test in tests if test["p"] is not None]
    for test, value in zip(tests, stats.false_discovery_control([test["p"] for test in tests])):
        assert test["corrected_p"] == pytest.approx(value, abs=1e-9)


def test_with_a_measure_over_heads_and_over_sequences(tmp_path, run):
    got = run("--correlate", "gtd", "--keep-sequences", "--json").json
    heads, sequences = got["correlations"]
    assert (heads["over"], sequences["over"]) == ("heads", "sequences") and "gtd" not in heads["measures"]
    b = got["matrices"]["B"]
    check(heads["measures"]["attention_entropy"], np.ravel(b["attention_entropy"]), np.ravel(b["gtd"]))
    lines = [json.loads(line) for line in (tmp_path / "run/analysis/lines.sequences.jsonl").read_text().splitlines()]
    of = lambda measure: [np.mean(line["B"][measure]) for line in lines]
    check(sequences["measures"]["sparsity"], of("sparsity"), of("gtd"))
    corrected(heads, sequences)
    errors = got["errors_of_means"]["B"]
    assert errors["sparsity"] == pytest.approx(np.std(of("sparsity"), ddof=1) / len(lines) ** 0.5, rel=1e-4)
    text = run("--correlate", "gtd").out
    assert "What goes with gtd, over heads" in text and "Benjamini–Hochberg" in text


def test_measures_of_some_sequences_alone(tmp_path, run):
    """Eigenvalues are taken of some; the first may be none of them."""
    got = run("--measures", "gtd,attention_entropy,effective_rank", "--spectrum-sequences", 5, "--correlate", "gtd", "--keep-sequences",
              "--json").json
    lines = [json.loads(line) for line in (tmp_path / "run/analysis/lines.sequences.jsonl").read_text().splitlines()]
    some = [line for line in lines if "effective_rank" in line["B"]]
    assert len(some) == 5 and "effective_rank" not in lines[0]["B"]
    of = lambda measure: [np.mean(line["B"][measure]) for line in some]
    check(got["correlations"][1]["measures"]["effective_rank"], of("effective_rank"), of("gtd"))


def test_a_study_that_fails_takes_no_analysis_with_it(tmp_path, run):
    one_line(run("--correlate", "nothing", code=2), "--correlate nothing: is no measure")
    assert not (tmp_path / "run/analysis/lines.json").exists()
    one_line(run("--correlate", "answer", code=2), "--correlate answer")  # which texts do not have
    assert json.loads((tmp_path / "run/analysis/lines.json").read_text())["sequences"] == 12
    with open(tmp_path / "run/metrics.jsonl", "a") as log:
        log.write('{"step": 40, "validation_l')  # killed while it wrote
    done = run("--checkpoints", "10,20,40")
    assert "note: 1 line of metrics.jsonl could not be read and was passed over" in done.out
    one_line(run("--checkpoints", "10,20", "--keep-sequences", code=2), "--keep-sequences is of one model")


def test_with_importance_and_with_scores_of_a_file(tmp_path, run):
    got = run("--importance", "--study-sequences", 3, "--correlate", "importance", "--json").json
    [heads] = got["correlations"]
    check(heads["measures"]["gtd"], np.ravel(got["matrices"]["B"]["gtd"]), np.ravel(got["importance"]["mean"]["loss"]))
    scores = {str(i): float(np.sin(i)) for i in range(1, 12)}  # of the twelfth there is none
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps({"id": i, "mark": v, "why": "text"}) + "\n" for i, v in scores.items()))
    got = run("--scores", "scores.jsonl", "--correlate", "mark,tokens", "--keep-sequences", "--json").json
    mark = got["correlations"][0]
    lines = [json.loads(line) for line in (tmp_path / "run/analysis/lines.sequences.jsonl").read_text().splitlines()]
    text = run("--scores", "scores.jsonl", "--correlate", "mark").out
    assert "scores: 11 lines, of 11 ids, of which 11 are of sequences here" in text and "in the place of an earlier one" in text
    (tmp_path / "more.jsonl").write_text('{"id": "1", "x": 1}\n{"id": "1", "x": 3}\n{"id": "99", "x": 1}\n{"other": 1}\n')
    text = run("--scores", "more.jsonl", "--correlate", "x").out
    assert "4 lines, of 2 ids, of which 1 is of sequences here; 1 line without an id; 1 number given again" in text
    # Of any scale.
    for factor in (1e200, 1e-200):
        (tmp_path / "scaled.jsonl").write_text("".join(json.dumps({"id": i, "mark": v * factor}) + "\n" for i, v in scores.items()))
        scaled = run("--scores", "scaled.jsonl", "--correlate", "mark", "--json").json["correlations"][0]
        assert scaled["measures"]["gtd"]["pearson"]["r"] == pytest.approx(mark["measures"]["gtd"]["pearson"]["r"], rel=1e-9)
    check(mark["measures"]["gtd"], [np.mean(line["B"]["gtd"]) for line in lines[:11]], list(scores.values()))


def test_over_checkpoints(tmp_path, run):
    got = run("--checkpoints", "all", "--json").json
    [losses] = got["correlations"]
    logged = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    loss = [line["validation_loss"] for line in logged if "validation_loss" in line]
    of = [np.mean(record["matrices"]["B"]["gtd"]) for record in got["checkpoints"]]
    assert losses["with"] == "validation_loss" and len(loss) == 4
    check(losses["measures"]["gtd"], of, loss)
    (tmp_path / "accuracy.jsonl").write_text("".join(json.dumps({"step": s, "rte": v}) + "\n" for s, v in ((10, 0.5), (20, 0.6), (40, 0.55))))
    [rte] = run("--checkpoints", "all", "--scores", "accuracy.jsonl", "--json").json["correlations"]
    check(rte["measures"]["gtd"], [of[0], of[1], of[3]], [0.5, 0.6, 0.55])
    (tmp_path / "accuracy.jsonl").write_text('{"step": 10, "rte": 0.5}\n')
    assert "three of these steps" in run("--checkpoints", "all", "--scores", "accuracy.jsonl").out


def test_a_model_that_is_no_run_keeps_its_record_elsewhere(tmp_path, saobp, run):
    for name in ("run.json", "metrics.jsonl"):
        (tmp_path / "run" / name).unlink()  # now it is a model's folder
    one_line(run("--maps", code=2), "--into FOLDER makes one")
    run("--maps", "--keep-sequences", "--into", "kept")
    record = json.loads((tmp_path / "kept/run.json").read_text())
    assert record["command"] == "analyze" and record["model"]["attention"] == "high"
    assert sorted(p.name for p in (tmp_path / "kept/analysis").iterdir()) == ["lines.json", "lines.maps.json", "lines.sequences.jsonl"]
    assert not (tmp_path / "run/analysis").exists()
    saobp("report", "kept", "run", "-o", "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "2 models: kept and run." in page and "--into FOLDER makes a folder" in page and "<h2>Training" not in page
    run("--into", "kept", "--name", "again")  # the same model
    shutil.copytree(tmp_path / "run", tmp_path / "elsewhere/run")
    one_line(saobp("analyze", "elsewhere/run", "--text", "lines.txt", "--into", "kept", code=2), "kept is about the model in")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_text("x")
    one_line(run("--into", "other", code=2), "other", "holds no run.json")
    one_line(run("--into", "kept", "--compare", "run", code=2), "one model")


def test_nonsense(tmp_path, run):
    one_line(run("--correlate", "nothing", code=2), "--correlate nothing")
    one_line(run("--correlate", "importance", code=2), "--importance")
    one_line(run("--correlate", "gtd,gtd", code=2), "twice")
    (tmp_path / "g.jsonl").write_text('{"id": 1, "gtd": 2}\n')
    one_line(run("--scores", "g.jsonl", "--correlate", "gtd", code=2), "another name")
    for flag in ("--checkpoints", "--measures", "--what-if", "--into", "--correlate"):
        one_line(run(flag, "", code=2), flag, "an empty value")
    one_line(run("--checkpoints", "10,10", code=2), "twice")
    one_line(run("--what-if", "high:0.1,high:0.1", code=2), "twice")
    one_line(run("--maps", "--sequences", "1,1", code=2), "twice")
    one_line(run("--maps", "--keep-sequences", "--name", "y" * 201, code=2), "--name", "201 bytes", "at most 200")
    one_line(run("--scores", "lines.txt", code=2), "--correlate")
    one_line(run("--scores", "lines.txt", "--correlate", "x", code=1), "lines.txt, line 1")
    (tmp_path / "s.jsonl").write_text('{"step": 1, "x": 2}\n')
    one_line(run("--scores", "s.jsonl", "--correlate", "x", code=2), "s.jsonl", '"id"')
    one_line(run("--checkpoints", "all", "--correlate", "gtd", code=2), "--correlate")
