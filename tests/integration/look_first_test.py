"""Looking before and after training: pretrain --dry-run and info FOLDER."""
import json

import pytest

from bad_input_test import one_line


def everything(folder):
    return sorted(str(p) for p in folder.rglob("*"))


@pytest.mark.parametrize("cached", [False, True])
def test_a_dry_run_writes_nothing(saobp, setting, tmp_path, cached):
    arguments = [*setting, "--steps", 40, "--validate-every", 20, "--accumulation", 2]
    if cached:
        saobp(*setting, "--steps", 1, "--output", "before")
    before = everything(tmp_path)
    temporary = tmp_path.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    env = {"TMPDIR": str(temporary)}
    done = saobp(*arguments, "--output", "run", "--dry-run", "--json", env=env)
    assert everything(tmp_path) == before and everything(temporary) == []
    found = done.json
    assert found["rows"] == 40 * 4 * 2 and found["tokens"] == found["rows"] * 32 and found["steps"] == 40
    assert found["epochs"] == pytest.approx(found["rows"] / found["corpus_rows"])
    assert found["measured_steps"] == 3 and found["seconds"] > 40 * found["seconds_a_step"] > 0
    assert found["peak_rss_mb"] > 50 and "(from the cache)" in done.err or not cached
    # What it says of the rows is what the run says.
    out = saobp(*arguments, "--output", "run").out
    assert f"{found['corpus_rows']:,} rows of 32" in out and f"{found['validation_rows']:,} rows" in out
    text = saobp(*arguments, "--dry-run", env=env).out
    assert "nothing was written" in text and "320 of 32 tokens" in text
    weights = (tmp_path / "run/model.safetensors").stat().st_size
    assert found["folder_bytes"] == pytest.approx(weights * (1 + 3 + 1), rel=0.1)


def test_a_dry_run_meets_the_errors_of_a_run(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 1, "--output", "run")
    one_line(saobp(*setting, "--output", "run", "--dry-run", code=2), "run", "exists")
    one_line(saobp("pretrain", "--resume", "run", "--dry-run", code=2), "--dry-run", "--resume")
    (tmp_path / "text.txt").unlink()
    one_line(saobp(*setting, "--dry-run", code=1), "text.txt")


def test_info_of_a_run(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 6, "--log-every", 2, "--validate-every", 3, "--checkpoint-every", 3, "--learn-strength",
          "head", "--output", "run")
    saobp("analyze", "run", "--text", "valid.txt")
    found = saobp("info", "run", "--json").json
    assert found["steps"] == {"done": 6, "of": 6, "finished": True}
    assert found["model"]["layers"] == 2 and found["refined_attention"]["attention"] == "high"
    assert found["checkpoints"] == ["step-000003", "step-000006"] and found["analyses"] == ["valid"]
    log = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [line["validation_loss"] for line in log if "validation_loss" in line]
    assert found["losses"]["lowest"]["validation_loss"] == min(losses)
    out = saobp("info", "run").out
    for part in ("6 of 6", "finished", "λ = (0.", "step-000003 and step-000006", "text.txt", "valid.txt", "in best/"):
        assert part in out, (part, out)
    with (tmp_path / "run/metrics.jsonl").open("a") as log:
        log.write('{"step": 7, "lo')  # cut off
    assert saobp("info", "run", "--json").json["losses"] == found["losses"]
    assert saobp("info", "run/best", "--json").json["model"] == found["model"]
    one_line(saobp("info", "nowhere", code=1), "nowhere")
    one_line(saobp("info", ".", code=1), "neither config.json nor run.json")
