#!/usr/bin/env python3
"""The experiment of docs/experiments/tasks-first.md: fine-tuning plain and refined models on every task, and its page.

    .venv/bin/python bench/tasks_first.py run --data TASKS --output RUNS --minilm FOLDER --mini-original RUN --mini-high RUN
    .venv/bin/python bench/tasks_first.py pack --output RUNS --mini-original RUN --mini-high RUN [--beside RUN]
    .venv/bin/python bench/tasks_first.py page

`run` leaves what is done and goes on with what was stopped; RUNS/ARM/TASK holds a suite of saobp finetune. `pack` puts records,
analyses and predictions of each arm (without lists of n best, options and weights), and the records of its pretraining, into
docs/experiments/tasks-first/ARM.tar.xz, so that every score can be made again; with `--beside` those of a pretraining run that
led to no arm go into beside.tar.xz. `page` writes docs/experiments/tasks-first.md from
these archives, compares arms by saobp compare, and keeps what the page says under "What it shows".
"""
import argparse
import concurrent.futures
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/experiments/tasks-first.md"
ARCHIVES = ROOT / "docs/experiments/tasks-first"
SMALL, LARGE = 5, 3  # seeds of training sets below and above 10,000 examples

# Task: (examples that MiniLM is trained on, and a BERT-Mini, which is three times as fast; 0: all), epochs, tokens a row, seeds.
TASKS = {"squad": ((4000, 20000), 2, 384, LARGE),
         "race-middle": ((150, 1500), 2, 384, LARGE),
         "sst2": ((3000, 10000), 3, 64, LARGE),
         "rte": ((0, 0), 3, 128, SMALL),
         "mrpc": ((1500, 0), 3, 128, SMALL),
         "stsb": ((1500, 0), 3, 128, SMALL),
         "cola": ((2000, 0), 3, 64, SMALL),
         "qnli": ((1000, 3000), 3, 128, SMALL),
         "wnli": ((0, 0), 3, 128, SMALL),
         "boolq": ((800, 3000), 3, 256, SMALL),
         "hellaswag": ((600, 3000), 2, 96, SMALL)}
LOOKED_INTO = ["squad", "race-middle", "sst2"]  # whose weights are kept: bench/paper_figures.py analyses them
# Arm: (model, options). λ of MiniLM by its size is 0.0967.
ARMS = {"minilm-original": ("minilm", ["--attention", "original"]),
        "minilm-high": ("minilm", ["--attention", "high", "--strength", "0.0967"]),
        "minilm-high-quarter": ("minilm", ["--attention", "high", "--strength", "0.0242"]),
        "mini-original": ("mini_original", []),
        "mini-high": ("mini_high", []),
        "mini-high-length": ("mini_high", ["--strength-length", "128"])}
ONLY = {"mini-high-length": ["squad", "race-middle", "boolq"]}  # rows of more than 128 tokens
PAIRS = [("minilm-original", "minilm-high"), ("minilm-original", "minilm-high-quarter"), ("mini-original", "mini-high"),
         ("mini-high", "mini-high-length")]
BESIDE = "beside"  # the archive of pretraining runs that were not gone on with
RATES = {"minilm": "5e-5", "mini_original": "3e-4", "mini_high": "3e-4"}  # 3e-4: the highest that Turc et al. 2019 tried


def tasks_of(arm):
    return ONLY.get(arm, list(TASKS))


def finetune(options, arm, task):
    """A suite of runs, unless it is there; what it printed where it failed."""
    model, extra = ARMS[arm]
    caps, epochs, length, seeds = TASKS[task]
    target = pathlib.Path(options.output, arm, task)
    if (target / "suite.json").exists():
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [options.program, "finetune", getattr(options, model), "--task", task, "--data", options.data, "--output", target, *extra,
               "--train-rows", caps[0 if model == "minilm" else 1], "--epochs", epochs, "--length", length, "--seeds", seeds, "--batch", 32,
               "--learning-rate", RATES[model], "--dtype", "bf16", "--validate-every", 10**6,
               "--checkpoint-every", 200, "--keep-checkpoints", 1,
               "--threads", max(1, os.cpu_count() // options.jobs), "--extend-positions"]
    print(arm, task, flush=True)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return f"{arm} {task}: {' '.join(done.stderr.strip().splitlines()[-1:])}"
    for weights in target.glob("*/seed-*/**/*.safetensors"):
        if task not in LOOKED_INTO or "checkpoints" in weights.parts:
            weights.unlink()
    return None


def run(options):
    todo = [(arm, task) for task in TASKS for arm, (model, _) in ARMS.items()
            if getattr(options, model) and task in tasks_of(arm) and (not options.arms or arm in options.arms)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        failed = [words for words in pool.map(lambda job: finetune(options, *job), todo) if words]
    if failed:
        sys.exit("\n".join(failed))


def lean(path):
    """A file as it goes into an archive: of predictions what scores are made of, of paths their ends."""
    if not path.name.endswith(".predictions.jsonl"):
        return re.sub(r'"/[^"\n]*?([^"/\n]+/[^"/\n]+)"', r'"…/\1"', path.read_text()).encode()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    wanted = ("id", "gold", "prediction", "tokens", "groups")
    return "".join(json.dumps({key: row[key] for key in wanted if key in row}, ensure_ascii=False) + "\n" for row in rows).encode()


def pretraining(folder):
    """The records of a run, of the run that it came from, and so on: (name in an archive, file)."""
    folder = pathlib.Path(folder)
    while folder and (folder / "run.json").exists():
        for path in [folder / "run.json", folder / "metrics.jsonl", *sorted(folder.glob("analysis/*.json"))]:
            if not path.name.endswith(".maps.json"):
                yield pathlib.Path("pretraining", folder.name, path.relative_to(folder)), path
        start = json.loads((folder / "run.json").read_text()).get("from")
        folder = start and pathlib.Path(start["folder"])


def records_of(options, arm):
    """What goes into the archive of an arm: (name there, file)."""
    root = pathlib.Path(options.output, arm)
    for pattern in ["*/suite.json", "*/*/seed-*/run.json", "*/*/seed-*/metrics.jsonl", "*/*/seed-*/eval/*-dev.json",
                    "*/*/seed-*/eval/*.predictions.jsonl", "*/*/seed-*/analysis/*-dev.json"]:
        yield from ((path.relative_to(root), path) for path in sorted(root.glob(pattern)))
    if arm in ("mini-original", "mini-high") and getattr(options, ARMS[arm][0]):
        yield from pretraining(getattr(options, ARMS[arm][0]))


def pack(options):
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    for arm in [*ARMS, BESIDE]:
        files = [found for run in options.beside for found in pretraining(run)] if arm == BESIDE else list(records_of(options, arm))
        if not files:
            continue
        aside = ARCHIVES / f"{arm}.tar.xz.part"
        with tarfile.open(aside, "w:xz", preset=9) as archive:
            for name, path in files:
                content = lean(path)
                entry = tarfile.TarInfo(str(pathlib.Path(arm, name)))
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        aside.replace(ARCHIVES / f"{arm}.tar.xz")
        print(f"{arm}: {len(files)} files, {(ARCHIVES / f'{arm}.tar.xz').stat().st_size:,} bytes")


def suite_of(output, arm, task):
    path = pathlib.Path(output, arm, task, "suite.json")
    return json.loads(path.read_text())["tasks"][task] if path.exists() else None


def cell(found):
    if found is None:
        return "–"
    name, score = next(iter(found["scores"].items()))
    if score["value"] is None:
        return "undefined"
    text = f"{100 * score['value']:.2f} ± {100 * (score['standard_deviation'] or 0):.2f}"
    baseline = found["baselines"].get("majority", {}).get(name)
    if baseline is not None and score["value"] - 2 * (score["standard_error"] or 0) <= baseline:
        text += " ≈"
    return text + (f" ({found['failed_seeds']} failed)" if found["failed_seeds"] else "")


def scores_table(options, arms):
    arms = [arm for arm in arms if any(suite_of(options.output, arm, task) for task in TASKS)]
    if not arms:
        return ""
    lines = ["| task (score) | examples trained on, epochs, seeds | standard error | majority | " + " | ".join(arms) + " |",
             "|---" * (4 + len(arms)) + "|"]
    for task, (caps, epochs, _, seeds) in TASKS.items():
        examples = caps[0 if "minilm" in arms[0] else 1]
        found = [suite_of(options.output, arm, task) for arm in arms]
        first = next((f for f in found if f), None)
        if first is None:
            continue
        name, score = next(iter(first["scores"].items()))
        baseline = first["baselines"].get("majority", {}).get(name)
        lines.append(f"| {task} ({name}) | {examples or 'all'}, {epochs}, {seeds} | {100 * (score['standard_error'] or 0):.1f} | "
                     f"{'–' if baseline is None else f'{100 * baseline:.2f}'} | " + " | ".join(map(cell, found)) + " |")
    return "\n".join(lines)


def comparisons_table(options):
    lines = ["| task | second less first | difference, points | 95 % interval | p |", "|---|---|---|---|---|"]
    for first, second in PAIRS:
        for task in TASKS:
            folders = [pathlib.Path(options.output, arm, task) for arm in (first, second)]
            if not all((folder / "suite.json").exists() for folder in folders):
                continue
            done = subprocess.run([options.program, "compare", *map(str, folders), "--task", task, "--json"], capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])["comparisons"][0]["difference"]
            low, high = found["low"], found["high"]
            lines.append(f"| {task} | {second} − {first} | {100 * found['value']:+.2f} | {100 * low:+.2f} to {100 * high:+.2f} | "
                         f"{found['p']:.3f} |")
    return "\n".join(lines)


def pretraining_in_words(options, arm):
    """What a BERT-Mini was pretrained on, from the oldest run on."""
    runs = [json.loads(path.read_text()) for path in pathlib.Path(options.output, arm).glob("pretraining/*/run.json")]
    words, tokens = [], 0
    for run in sorted(runs, key=lambda run: run["started"]):
        train, model = run["options"]["train"], run["options"]["model"]
        tokens += train["steps"] * train["batch"] * train["length"]
        grows = f", λ growing from 0 over {model['strength_warmup_steps']:,} of them," if model["strength_warmup_steps"] else ""
        if arm == BESIDE and model["attention"] != "original" and not grows:
            grows = ", its λ from the first of them on,"
        words.append(f"{train['steps']:,} steps of {train['batch']} rows of {train['length']} tokens{grows} to a masked-LM perplexity of "
                     f"{run['final']['masked_lm_perplexity']:.1f}")
    name = "Not gone on with" if arm == BESIDE else f"`{arm}`"
    return f"{name}: {', then '.join(words)}; {tokens / 1e6:.1f} M tokens." if words else ""


def records(options):
    """A run.json of each arm, for what the page says of models and machine."""
    for arm in ARMS:
        path = next(iter(sorted(pathlib.Path(options.output, arm).glob("*/*/seed-*/run.json"))), None)
        if path:
            yield arm, json.loads(path.read_text())


def page(options):
    kept = re.search(r"## What it shows\n(.*)", PAGE.read_text(), re.S) if PAGE.exists() else None
    models = ["| arm | parameters | attention | rate |", "|---|---|---|---|"]
    host = ""
    for arm, record in records(options):
        model = record["model"]
        length = f", for rows of {model['strength_length']}" if model.get("strength_length") else ""
        strength = f", λ = {model['strength']:.4g}" if model["attention"] not in ("original", "elemmul") else ""
        models.append(f"| {arm} | {model['parameters']:,} | {model['attention']}{strength}{length} | "
                      f"{record['options']['optimizer']['learning_rate']:g} |")
        host = f"{record['host']['processor']}, {record['host']['cores']} cores"
    pretrained = "\n".join(textwrap.fill(f"- {words}", 120, subsequent_indent="  ")
                           for words in map(lambda arm: pretraining_in_words(options, arm), [*ARMS, BESIDE]) if words)
    scores = "\n\n".join(filter(None, (scores_table(options, [arm for arm in ARMS if arm.startswith(model)]) for model in ("minilm", "mini-"))))
    minilm = "MiniLM is all-MiniLM-L6-v2, which was trained with plain attention. " if any("minilm" in line for line in models) else ""
    intro = textwrap.fill("Made by `bench/tasks_first.py` from run folders: `run` fine-tunes, `pack` keeps the records and predictions in "
                          f"`docs/experiments/tasks-first/`, `page` writes this. {minilm}The BERT-Minis were pretrained on the same novels, "
                          "web pages and Wikipedia, for as many tokens, `mini-original` with plain attention, `mini-high` with refinement; "
                          "the longer rows with their position tables stretched:", 120)
    return f"""# Tasks, plain and refined: a first look

{intro}

{pretrained}

One setting for all tasks and arms of a model: batch 32, a linear schedule with a warm-up of a tenth, bf16, dropout 0.1.
Large training sets are capped, which the table says; QNLI's is a part of 8,999 rows. Nothing was chosen on the dev sets
that scores are of, but for what first runs of `mini-original` led to: SQuAD with 6,000 questions at rate 1e-4 (batch
32: F1 11.0) and at 3e-4 (batch 16: 11.3), and RACE-Middle with 300, were hardly learned, so that the BERT-Minis' rate
is 3e-4 and their caps of SQuAD, RACE-Middle, BoolQ and HellaSwag were raised. Fine-tuning seeds say nothing about other
pretraining runs: each BERT-Mini is one.

{chr(10).join(models)}

Processor: {host}.

## Scores on the dev sets

Means over seeds ± their standard deviation, in points; the standard error is that over examples. ≈: not above always
giving the most frequent answer, within two standard errors. HellaSwag's dev set here is 1,000 of its validation rows,
913 of them from ActivityNet, and its training set other validation rows: not to be set beside published figures.

{scores}

## Differences

`saobp compare`: seeds and examples drawn anew together, in pairs with the same seed (the Multi-Bootstrap of Sellam et
al. 2022). With this many comparisons one in twenty has p < 0.05 by chance.

{comparisons_table(options)}

## What it shows
{kept[1] if kept else chr(10) + 'Not written yet.' + chr(10)}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "pack", "page"])
    parser.add_argument("--output", help="where the runs are")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, which share the processor's cores")
    parser.add_argument("--data", help="a folder with the tasks' published files")
    parser.add_argument("--minilm", help="all-MiniLM-L6-v2")
    parser.add_argument("--mini-original", help="the run of a BERT-Mini with plain attention")
    parser.add_argument("--mini-high", help="the run of a BERT-Mini with refined attention")
    parser.add_argument("--beside", action="append", default=[], help="a pretraining run that led to no arm")
    parser.add_argument("--arms", type=lambda text: text.split(","), help="some of the arms")
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    options = parser.parse_args()
    if options.what != "page" and not options.output:
        parser.error(f"{options.what} needs --output")
    if options.what == "page":
        with tempfile.TemporaryDirectory() as options.output:
            for archive in sorted(ARCHIVES.glob("*.tar.xz")):
                with tarfile.open(archive) as packed:
                    packed.extractall(options.output, filter="data")
            text = page(options)
        aside = PAGE.with_suffix(".md.part")
        aside.write_text(text)
        aside.replace(PAGE)
    else:
        (run if options.what == "run" else pack)(options)


if __name__ == "__main__":
    main()
