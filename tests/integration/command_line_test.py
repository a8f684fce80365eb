"""What a newcomer meets first: help, slips of the keyboard, and completion."""
import os
import re
import resource
import shutil
import subprocess

import pytest

from bad_input_test import one_line
from conftest import BINARY, tiny_config
from progress_test import COLUMNS, on_terminal

VERBS = ["demo", "tokenizer train", "tokenizer encode", "tokenizer decode", "tokenizer convert", "pretrain",
         "finetune", "evaluate", "compare", "score", "tasks list", "tasks khop", "tasks rows", "analyze", "fill", "generate", "report", "bench attention", "bench train", "bench infer", "bench cost", "info", "completion"]


@pytest.mark.parametrize("verb", ["", "tokenizer", "tasks", "bench", *VERBS])
def test_help_has_one_style(saobp, verb):
    text = saobp(*verb.split(), "--help").out
    assert text.startswith(text[0].upper()) and f"\nUsage: saobp {verb}".rstrip() in text
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\{|\}|=\S+ *$|OPTIONAL|REQUIRED", text)
    assert saobp("help", *verb.split()).out == text
    if verb in VERBS:
        assert re.search(r"\nExamples?:\n  \S", text), "an example is missing"
        for value in re.findall(r"^  (?:-\w, )?--[\w\[\]-]+ (\w+)", text, re.MULTILINE):
            assert value.isupper(), value  # NAME, N, FILE …


def test_help_is_wrapped_to_the_terminal(tmp_path):
    code, seen, _ = on_terminal(tmp_path, ["pretrain", "--help"])
    assert code == 0
    lines = seen.split("\nExamples:")[0].splitlines()
    assert len(lines) > 200
    assert [line for line in lines if len(line) > COLUMNS and len(line.split()) > 2] == []  # no room for two words


def flags_with_limits(text):
    """(flag, lowest, highest) of those whose help names both ends."""
    text = re.sub(r"\s+", " ", text)
    for flag, low, high in re.findall(r"(--[\w-]+) (?:N|NUMBER) (?:(?!--).)*?\(([\d.e-]+) to ([\d.,e+-]+)\)", text):
        yield flag, float(low), float(high.replace(",", ""))


@pytest.mark.parametrize("verb", [["pretrain"], ["analyze", "run", "--text", "t"], ["bench", "cost"], ["demo"]])
def test_what_the_help_says_of_limits_holds(saobp, verb):
    found = list(flags_with_limits(saobp(*verb, "--help").out))
    assert len(found) >= 2
    for flag, low, high in found:
        above = saobp(*verb, flag, f"{int(high) + 1}", code=2)
        one_line(above, f"{flag}: {int(high) + 1} was given; a number from")
        if flag in ("--gtd-hops", "--dropout", "--steps"):
            one_line(saobp(*verb, flag, int(low) - 1, code=2), flag, "was expected")


@pytest.mark.parametrize("arguments, words", [
    (["pretain"], ["\"pretain\" is not a command", "did you mean pretrain?"]),
    (["bench", "trian"], ["\"trian\" is not a command", "did you mean train?"]),
    (["help", "pretain"], ["did you mean pretrain?"]),
    (["bench"], ["a command is missing", "attention, train, infer or cost"]),
    (["pretrain", "--stpes", 5, "--bacth", 2], ["--stpes: is no flag of saobp pretrain; did you mean --steps?"]),
    (["pretrain", "--colour", "red"], ["--colour: is no flag of saobp pretrain (saobp pretrain --help lists them)"]),
    (["analyze", "run", "--txt", "file"], ["--txt", "did you mean --text?"]),  # not: "--text is required"
    (["fill", "run", "more", "--text", "[MASK]"], ["\"more\"", "saobp fill takes no such argument"]),
    (["analyze", "run"], ["--text or --task was expected"]),
    (["pretrain", "--steps", "1.5"], ["--steps: \"1.5\" was given; a whole number was expected"]),
    (["pretrain", "--steps", ""], ["--steps: \"\" was given; a whole number was expected"]),
    (["pretrain", "--steps", "0x10"], ["--steps: \"0x10\" was given; a whole number was expected"]),
    (["pretrain", "--learning-rate", "fast"], ["--learning-rate: \"fast\" was given; a number was expected"]),
    (["pretrain", "--steps", 5, "--steps", 6], ["--steps: was given more than once"]),
    (["pretrain", "--steps"], ["--steps: its value is missing"]),
    (["pretrain", "--attention", "hihg"], ["--attention", "original, high, low or elemmul", "did you mean high?"]),
    (["analyze", "run", "--text", "t", "--gtd-hops", 1], ["--gtd-hops: 1 was given; a number from 2 to 64 was expected"]),
    (["bench", "train", "--model", "bert-min"], ["bert-min", "did you mean bert-mini?"]),
    (["demo", "--documents", 0], ["--documents: 0 was given"]),
    (["tokenizer", "encode", "--threads", -1], ["--threads: -1 was given"]),
])
def test_a_slip_is_explained(saobp, arguments, words):
    one_line(saobp(*arguments, code=2), *words)


def test_a_length_beyond_all_measure_is_what_is_blamed(saobp, setting):
    done = saobp(*[a if a != 32 else 1_000_000_000 for a in setting], "--output", "run", code=2)
    one_line(done, "--length: 1000000000 was given; a number from 3 to 1048576 was expected")


def test_an_empty_validation_is_blamed_itself(saobp, setting):
    setting[setting.index("--validation") + 1] = ""
    one_line(saobp(*setting, "--output", "run", code=2), "--validation")


def test_numbers_are_decimal(saobp, setting):
    assert saobp(*setting, "--steps", "010", "--output", "run", "--json").json["step"] == 10


def test_another_runs_settings_and_sizes(saobp, setting, tmp_path):
    saobp(*setting, "--steps", 2, "--seed", 5, "--output", "run")
    for config in ("run/run.json", "run"):
        done = saobp("pretrain", "--config", config, "--steps", 3, "--output", config.replace("/", "-") + "-again", "--json")
        assert done.json["step"] == 3
    done = saobp(*[("run" if a == "tiny.json" else a) for a in setting], "--steps", 1, "--output", "sized", "--json")
    assert done.json["parameters"] == saobp("info", "run", "--json").json["model"]["parameters"]
    (tmp_path / "odd.json").write_text('{"trian": {"steps": 3}}')
    one_line(saobp("pretrain", "--config", "odd.json", "--output", "x", code=1), "\"trian\" is no section; did you mean train?")


def test_plurals_and_quantities(saobp, setting, tmp_path):
    out = saobp(*setting, "--steps", 1, "--output", "run").out
    assert "1 file" in out and "1 files" not in out and "1 step of" in out
    (tmp_path / "one.txt").write_text("tom\n")
    out = saobp("tokenizer", "encode", "--tokenizer", "vocab.txt", "--input", "one.txt", "--output", "o.npy", "--threads", 1).out
    assert out.startswith("one.txt: 1 line, 4 bytes, 1 token, ") and "e-0" not in out and out.endswith("with 1 thread\n")
    done = saobp("tokenizer", "train", "--input", "text.txt", "--vocab-size", 5000, "--output", "t")
    assert re.search(r"learnt from [\d.]+ kB of text in [\d.]+ s\n", done.out), done.out
    assert "fewer than --vocab-size 5000: no two pieces stand side by side --min-frequency 2 times" in done.out
    assert "fewer" not in saobp("tokenizer", "train", "--input", "text.txt", "--vocab-size", 60, "--output", "u").out


def test_out_of_memory_says_how_much_was_asked(tmp_path):
    tiny_config(tmp_path / "wide.json", hidden_size=1024, max_position_embeddings=512, vocab_size=10)
    limit = 8 << 30
    done = subprocess.run([BINARY, "bench", "infer", "--model", "wide.json", "--batch", "8192", "--length", "512"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1 and re.match(r"saobp: out of memory: [\d.]+ GB more were asked for; ", done.stderr), done.stderr


def completed(script, *words):
    """What bash offers for the last word."""
    line = " ".join(f"'{w}'" for w in words)
    done = subprocess.run(["bash", "-c", f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _saobp; "
                           "printf '%s\\n' \"${COMPREPLY[@]}\""], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.split()


def test_completion_in_bash(saobp, tmp_path):
    script = tmp_path / "complete.bash"
    script.write_text(saobp("completion", "bash").out)
    assert {"pretrain", "tokenizer", "bench"} < set(completed(script, "saobp", ""))
    assert completed(script, "saobp", "pret") == ["pretrain"]
    assert completed(script, "saobp", "bench", "") == ["attention", "train", "infer", "cost", "-h", "--help"]
    assert completed(script, "saobp", "pretrain", "--attention", "") == ["original", "high", "low", "elemmul"]
    assert completed(script, "saobp", "pretrain", "--attention", "=", "h") == ["high"]
    assert completed(script, "saobp", "pretrain", "--steps", "") == []
    assert completed(script, "saobp", "completion", "z") == ["zsh"]
    (tmp_path / "notes.txt").write_text("")
    assert completed(script, "saobp", "pretrain", "--corpus", str(tmp_path / "no")) == [str(tmp_path / "notes.txt")]
    for verb in VERBS:  # every flag that the help lists
        listed = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", saobp(*verb.split(), "--help").out.split("\nExample")[0], re.MULTILINE))
        assert listed <= set(completed(script, "saobp", *verb.split(), "--")), verb


@pytest.mark.parametrize("shell, check", [("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_completion_is_valid(saobp, tmp_path, shell, check):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(saobp("completion", shell).out)
    subprocess.run([shell, *check, tmp_path / "script"], check=True, timeout=20, env=os.environ | {"HOME": str(tmp_path)})
