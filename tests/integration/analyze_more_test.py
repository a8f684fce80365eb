"""`saobp analyze` on tasks, over checkpoints, sequence by sequence, and with nonsense."""
import json

import pytest

from bad_input_test import one_line
from conftest import ROOT, write_text
from finetune_test import QUICK, model, tuned, write_choices, write_sst2  # noqa: F401 (fixtures)


def test_a_tasks_examples_by_label_and_by_answer(tmp_path, saobp, tuned):
    got = saobp("analyze", "run", "--task", "sst2", "--data", "data", "--measures", "attention_entropy,gtd", "--json").json
    assert got["text"] == "sst2 dev" and got["sequences"] == 40
    saved = json.loads((tmp_path / "run/analysis/sst2-dev.json").read_text())
    assert saved == got
    by_label = {name: part["sequences"] for name, part in got["by_label"].items()}
    assert by_label == {"negative": 20, "positive": 20}
    # The answers are those that the run wrote when it evaluated itself.
    lines = [json.loads(line) for line in (tmp_path / "run/eval/sst2-dev.predictions.jsonl").read_text().splitlines()]
    right = sum(line["gold"] == line["prediction"] for line in lines)
    assert got["by_answer"]["right"]["sequences"] == right and "right and wrong" in " ".join(got["notes"])
    whole, parts = got["matrices"]["B"]["gtd"], [got["by_label"][n]["matrices"]["B"]["gtd"] for n in by_label]
    assert whole[1][2] == pytest.approx((parts[0][1][2] + parts[1][1][2]) / 2, rel=1e-6)


def test_every_option_of_a_choice_is_a_row(tmp_path, saobp, model):
    write_choices(tmp_path / "data/hellaswag")
    got = saobp("analyze", model, "--task", "hellaswag", "--data", "data", "--limit", 5, "--json").json
    assert got["sequences"] == 20
    assert {n: p["sequences"] for n, p in got["by_option"].items()} == {"right": 5, "wrong": 15}
    # Options of a question are no independent draws.
    shown = saobp("analyze", model, "--task", "hellaswag", "--data", "data", "--limit", 5, "--correlate", "option").out
    assert "parts of 5 examples" in " ".join(shown.split())
    assert "By option: means of B" in shown and "wrong" in shown


def test_of_a_suite_the_task_that_is_there(tmp_path, saobp, model):
    passage = {"article": "tom is in the mill", "questions": ["where is tom?"], "options": [["mill", "hall", "box", "key"]], "answers": ["A"]}
    for level in ("middle", "high"):
        (tmp_path / f"data/RACE/dev/{level}").mkdir(parents=True)
        (tmp_path / f"data/RACE/dev/{level}/1.txt").write_text(json.dumps(passage | {"id": "1"}))
        ask = ["analyze", model, "--task", "race", "--split", "dev", "--data", "data"]
        if level == "middle":
            assert saobp(*ask, "--json").json["text"] == "race-middle dev"
    one_line(saobp(*ask, code=2), "--task: race stands for race-high and race-middle; one of them was expected")


def test_sequence_by_sequence(tmp_path, saobp, setting):
    saobp(*setting, "--attention", "high", "--steps", 2, "--output", "run")
    write_text(tmp_path / "lines.txt", documents=4)
    got = saobp("analyze", "run", "--text", "lines.txt", "--length", 20, "--keep-sequences", "--json").json
    lines = [json.loads(line) for line in (tmp_path / "run/analysis/lines.sequences.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["1", "2", "3", "4"] and all(line["tokens"] == 20 for line in lines)
    for matrix in "AB":
        for measure, layers in got["matrices"][matrix].items():
            mean = sum(line[matrix][measure][1] for line in lines) / 4 if lines[0][matrix][measure][1] is not None else None
            if mean is not None:
                assert sum(layers[1]) / len(layers[1]) == pytest.approx(mean, rel=1e-4, abs=2e-6), measure


def test_checkpoints_follow_a_run(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 8, "--checkpoint-every", 2, "--validate-every", 2, "--keep-checkpoints", 9, "--output", "run")
    done = saobp("analyze", "run", "--checkpoints", "all", "--text", "text.txt", "--limit", 3, "--json")
    steps = [record["model"].rsplit("-", 1)[1] for record in done.json["checkpoints"]]
    assert steps == ["000002", "000004", "000006", "000008"]
    one = json.loads((tmp_path / "run/analysis/text.step-000004.json").read_text())
    assert one == done.json["checkpoints"][1]
    alone = saobp("analyze", "run/checkpoints/step-000004", "--text", "text.txt", "--limit", 3, "--json").json
    assert alone == one
    shown = saobp("analyze", "run", "--checkpoints", "all", "--text", "text.txt", "--limit", 3).out
    assert "What goes with validation_loss, over checkpoints" in shown and "Pearson's r" in shown
    two = saobp("analyze", "run", "--checkpoints", "2,8", "--text", "text.txt", "--limit", 3, "--json").json
    assert two["checkpoints"] == [done.json["checkpoints"][0], done.json["checkpoints"][3]]
    one_line(saobp("analyze", "run", "--checkpoints", "some", "--text", "text.txt", code=2), "some", "all, or steps")
    one_line(saobp("analyze", "run", "--checkpoints", "3", "--text", "text.txt", code=1), "no checkpoint of step 3", "step-000008")
    saobp(*setting, "--steps", 4, "--checkpoint-every", 2, "--output", "short")
    shown = saobp("analyze", "short", "--checkpoints", "all", "--text", "text.txt", "--limit", 3).out
    assert "No correlation" in shown


def test_findings_tell_of_a_sink(tmp_path, saobp, model):
    import torch
    from safetensors.torch import load_file, save_file
    path = model / "model.safetensors"
    weights = load_file(path)
    # All queries of layer 1 point the same way, and so does the key of [CLS] alone: that of an embedding of its own.
    name = "encoder.layer.1.attention.self."
    prefix = "" if name + "query.weight" in weights else "bert."
    direction = torch.zeros(32)
    direction[::8] = 6.0  # a channel of each head
    weights[prefix + name + "query.bias"] = direction
    weights[prefix + "embeddings.position_embeddings.weight"][0] += 3 * torch.randn(32, generator=torch.Generator().manual_seed(1))
    save_file(weights, path, {"format": "pt"})
    write_text(tmp_path / "lines.txt", documents=3)
    got = saobp("analyze", model, "--text", "lines.txt", "--length", 32, "--sink-threshold", 0.05, "--json").json
    shown = saobp("analyze", model, "--text", "lines.txt", "--length", 32, "--sink-threshold", 0.05).out
    sinks = sum(share > 0.05 for layer in got["matrices"]["B"]["top_key_share"] for share in layer)
    assert sinks > 0 and f"{sinks} of 8 heads give more than 5.0 % of their attention to one key" in " ".join(shown.split())
    shown = saobp("analyze", model, "--text", "lines.txt", "--length", 32, "--sink-threshold", 1).out
    assert "No head has collapsed onto a key" in shown


def test_a_list_of_measures(saobp):
    done = saobp("analyze", "--list", "--json")
    assert done.json["measures"]["gtd"]["cost"] == "products" and done.json["measures"]["betweenness"]["cost"] == "graph"


def test_nonsense(tmp_path, saobp, model):
    write_text(tmp_path / "lines.txt", documents=2)
    write_sst2(tmp_path / "data/SST-2")
    text = ["--text", "lines.txt"]
    one_line(saobp("analyze", "--text", "lines.txt", code=2), "a model is missing")
    one_line(saobp("analyze", model, code=2), "--text or --task")
    one_line(saobp("analyze", model, *text, "--task", "sst2", code=2), "not both")
    one_line(saobp("analyze", model, "--task", "sst2", code=2), "--data is missing")
    one_line(saobp("analyze", model, "--task", "sst2", "--data", "data", "--split", "exam", code=2), "exam", "dev")
    one_line(saobp("analyze", model, "--task", "wikitext", "--data", "data", code=2), "wikitext")
    one_line(saobp("analyze", model, *text, "--measures", "gdt", code=2), "gdt", "did you mean gtd")
    one_line(saobp("analyze", model, *text, "--measures", "all,gtd", code=2), "all has the others in it")
    saobp("analyze", model, *text, "--measures", "gtd, sparsity")
    one_line(saobp("analyze", model, *text, "--measures", "", "--sink-threshold", 2, code=2), "--sink-threshold")
    one_line(saobp("analyze", model, *text, "--checkpoints", "all", code=1), "no checkpoints")
    (tmp_path / "blank.txt").write_text("\n \n")
    one_line(saobp("analyze", model, "--text", "blank.txt", code=1), "no text but white space")
    (tmp_path / "one.txt").write_text("tom\n")
    got = saobp("analyze", model, "--text", "one.txt", "--measures", "all", "--json").json
    assert got["sequences"] == 1 and got["standard_errors"]["B"]["gtd"][0][0] is None
    shown = saobp("analyze", model, "--text", "one.txt").out
    assert "too short to tell a sink, with 3 tokens on average" in shown and "give more than" not in shown
    # A graph without edges has no clustering: told, and null.
    ask = ["analyze", model, *text, "--measures", "clustering,gtd", "--graph-threshold", 1]
    shown = saobp(*ask).out
    assert "Defined nowhere here: clustering" in shown
    assert saobp(*ask, "--json").json["matrices"]["B"]["clustering"][0] == [None] * 4
    assert "2 layers of 4 heads" in saobp("analyze", model, *text, "--measures", "qk_trace").out


def test_every_measure_is_defined_in_the_documentation(saobp):
    page = (ROOT / "docs/method.md").read_text()
    missing = [name for name in saobp("analyze", "--list", "--json").json["measures"] if f"`{name}`" not in page]
    assert not missing


def test_measures_of_states_and_weights_alone(tmp_path, saobp, model):
    write_text(tmp_path / "lines.txt", documents=2)
    shown = saobp("analyze", model, "--text", "lines.txt", "--measures", "states_cosine,qk_scale", "--heads").out
    assert "the embeddings" in shown and "after layer 1" in shown and "qk_scale" in shown and "  head 3" in shown


def test_nothing_is_written_twice_and_no_flag_is_idle(tmp_path, saobp, setting):
    saobp(*setting, "--steps", 2, "--output", "run")
    write_text(tmp_path / "lines.txt", documents=2)
    ask = lambda *more: saobp("analyze", "run", "--text", "lines.txt", "--length", 16, "--measures", "gtd", *more, code=2)
    one_line(ask("--matrices", "a.npz", "--output", "a.npz"), "a.npz", "writes already")
    one_line(ask("--compare", "run", "--output", "run/analysis/lines.json"), "writes already")
    one_line(ask("--maps", "--output", "run/analysis/lines.maps.json"), "--maps")
    one_line(ask("--name", "x.maps"), "x.maps")
    one_line(ask("--split", "test"), "--task")
    one_line(ask("--study-sequences", 3), "--what-if")
    one_line(ask("--matrix-type", "f32"), "--matrices")
    one_line(ask("--compare", "run", "--maps"), "--compare")
    one_line(ask("--sink-threshold", 0.2), "--sink-threshold", "sink_rate")
    one_line(ask("--spectrum-sequences", 3), "--spectrum-sequences", "effective_rank")
    one_line(ask("--dense-length", 8, "--maps"), "16 tokens", "--dense-length 8")
    one_line(ask("--name", "a\nb"), "control character")
    one_line(saobp("report", "run", "./run", code=2), "twice")
    done = saobp("analyze", "run", "--text", "lines.txt", "--length", 16, "--maps", "--keep-sequences")
    assert (tmp_path / "run/analysis/lines.maps.json").exists() and done.out.count("written: ") == 3
    done = saobp("analyze", "run", "--text", "lines.txt", "--length", 12)  # other maps would not be these
    assert done.out.count("removed: ") == 2 and not (tmp_path / "run/analysis/lines.maps.json").exists()
    # A line of millions of words is cut like any other.
    (tmp_path / "long.txt").write_text("tom " * 600_000 + "\n")
    got = saobp("analyze", "run", "--text", "long.txt", "--length", 16, "--measures", "gtd", "--json").json
    assert got["cut_sequences"] == 1 and got["tokens"] == 16
    # Only long sequences: what there is not is null.
    rows = saobp("analyze", "run", "--text", "lines.txt", "--length", 16, "--dense-length", 5, "--what-if", "high:1", "--json").json["what_if"]
    assert rows[0]["sink_rate"] is None and rows[1]["gtd"] > 0
