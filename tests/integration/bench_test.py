"""The benchmarks as scripts use them: what their JSON holds. Nothing here looks at the clock."""
import pytest

from conftest import tiny_config

VARIANTS = ["original", "high", "low", "elemmul"]


def test_cost_of_every_variant(tmp_path, saobp):
    tiny_config(tmp_path / "tiny.json", vocab_size=123)
    small = ["bench", "cost", "--steps", 1, "--length", 16, "--infer-batch", 2]
    done = saobp(*small, "--model", "tiny.json", "--json").json
    assert [row["attention"] for row in done["rows"]] == VARIANTS
    layers, length, hidden, wide, vocabulary = 2, 16, 32, 64, 123
    for row, products in zip(done["rows"], [2, 2, 2, 3]):
        body = layers * length * (4 * hidden**2 + 2 * hidden * wide + products * length * hidden)
        head = length * hidden * (hidden + vocabulary)
        assert row["ours"]["infer_gflops"] == pytest.approx(body / 1e9)
        assert row["ours"]["train_gflops"] == pytest.approx((body + head) / 1e9)
        assert row["ours"]["tokens_per_s"] == pytest.approx(16e3 / row["ours"]["train_ms"])
        assert "paper" not in row
    assert done["rows"][0]["ratio_to_original"] == {"train": 1, "infer": 1}

    table = saobp(*small, "--model", "bert-mini").out
    assert "bert-mini    high" in table and "1.33  1.41" in table  # the paper's ratios
    assert "--steps" in saobp(*small, "--steps", 0, code=2).err
    assert "bert-tiny" in saobp("bench", "cost", "--model", "bert-tiny", code=2).err


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_either_type(tmp_path, saobp, dtype):
    tiny_config(tmp_path / "tiny.json", vocab_size=123)
    common = ["--model", "tiny.json", "--length", 16, "--batch", 2, "--dtype", dtype, "--json"]
    for verb, rate in (("train", "tokens_per_s"), ("infer", "samples_per_s")):
        done = saobp("bench", verb, *common).json
        assert done["dtype"] == dtype and done[rate] > 0 and done["kernel"].startswith("cpu/")
        assert done["vocab_size"] == 123 and done["parameters"] < 40_000
        assert "tiny.json with 123 tokens" in saobp("bench", verb, *common).err
        (tmp_path / "folder").mkdir(exist_ok=True)
        tiny_config(tmp_path / "folder/config.json", vocab_size=77)
        assert saobp("bench", verb, "--model", "folder", *common[2:]).json["vocab_size"] == 77


def test_an_unknown_type(saobp):
    assert "--dtype: \"f16\" is not known; f32 or bf16 was expected" in saobp("bench", "train", "--dtype", "f16", code=2).err
