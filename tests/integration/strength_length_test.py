"""--strength-length, from option to config.json and back."""
import json

import pytest

from bad_input_test import one_line
from finetune_test import QUICK, model, write_sst2  # noqa: F401 (a fixture)
from learned_strength_test import assert_resumes, block
from never_lose_work_test import gpt2_setting  # noqa: F401 (a fixture)


def test_of_an_encoder(tmp_path, saobp, setting):
    log = assert_resumes(tmp_path, saobp, *setting, "--attention", "high", "--strength", 0.5, "--strength-length", 8)
    assert block(tmp_path / "whole")["strength_length"] == 8
    assert "λ = 0.5, for rows of 8" in saobp("info", "whole").out
    saobp(*setting, "--steps", 12, "--log-every", 1, "--attention", "high", "--strength", 0.5, "--output", "without")
    assert "strength_length" not in block(tmp_path / "without")
    losses = [[json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()
               if "loss" in json.loads(line)] for run in ("whole", "without")]
    assert losses[0] == [m["loss"] for m in log if "loss" in m] and losses[0] != losses[1]


def test_of_a_decoder_that_learns_its_strengths(tmp_path, saobp, gpt2_setting):  # noqa: F811
    assert_resumes(tmp_path, saobp, *gpt2_setting, "--learn-strength", "head", "--strength-length", 4)
    saobp("generate", "whole", "--prompt", "a", "--max-new-tokens", 8, "--seed", 1)


def test_fine_tuning_and_evaluating_take_it_over_or_change_it(tmp_path, saobp, model):  # noqa: F811
    write_sst2(tmp_path / "data/SST-2")
    tune = lambda output, *options, **kwargs: saobp("finetune", *options, "--task", "sst2", "--data", "data", "--output", output,
                                                    *QUICK, **kwargs)
    tune("run", model, "--attention", "high", "--strength", 5, "--strength-length", 3)
    assert block(tmp_path / "run")["strength_length"] == 3
    tune("on", "run")
    assert block(tmp_path / "on")["strength_length"] == 3
    tune("plain", "run", "--attention", "original")
    assert "strength_length" not in block(tmp_path / "plain")
    shares = []
    for options in ((), ("--strength-length", 0)):
        saobp("evaluate", "run", "--task", "sst2", "--data", "data", "--output", "eval", *options)
        shares.append([json.loads(line)["probabilities"] for line in
                       (tmp_path / "eval/sst2-dev.predictions.jsonl").read_text().splitlines()])
        assert json.loads((tmp_path / "eval/sst2-dev.json").read_text())["settings"]["strength_length"] == (0 if options else 3)
    assert shares[0] != shares[1]
    one_line(tune("x", model, "--strength-length", 3, code=2), "--strength-length: 3", "original")
    one_line(tune("x", model, "--attention", "elemmul", "--strength-length", 3, code=2), "--strength-length: 3", "elemmul")
    one_line(tune("x", model, "--attention", "high", "--strength-length", -1, code=2), "--strength-length")


@pytest.mark.parametrize("wrong, words", [(-3, ["strength_length", "-3"]), ("x", ["strength_length"])])
def test_a_config_that_is_wrong_is_told(tmp_path, saobp, setting, wrong, words):
    saobp(*setting, "--steps", 1, "--output", "run")
    config = json.loads((tmp_path / "run/config.json").read_text())
    config["refined_attention"]["strength_length"] = wrong
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    one_line(saobp("info", "run", code=1), "config.json", *words)
