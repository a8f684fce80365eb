#!/usr/bin/env python3
"""The experiment of docs/experiments/tasks-first.md: fine-tuning plain and refined models on every task, and its page.

    .venv/bin/python bench/tasks_first.py run --data TASKS --output RUNS --minilm FOLDER --mini-original RUN --mini-high RUN
    .venv/bin/python bench/tasks_first.py page --output RUNS > docs/experiments/tasks-first.md

`run` leaves what is done and goes on with what was stopped; RUNS/ARM/TASK holds a suite of saobp finetune. `page` reads these
folders alone, compares arms by saobp compare, and keeps the paragraphs under "What it shows" that the page has already.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/experiments/tasks-first.md"
SMALL, LARGE = 5, 3  # seeds of training sets below and above 10,000 examples

# Task: (examples that MiniLM is trained on, and a BERT-Mini, which is four times as fast; 0: all), epochs, tokens a row, seeds.
TASKS = {"squad": ((4000, 10000), 2, 384, LARGE), "rte": ((0, 0), 3, 128, SMALL), "mrpc": ((1500, 0), 3, 128, SMALL),
         "stsb": ((1500, 0), 3, 128, SMALL), "cola": ((2000, 0), 3, 64, SMALL), "wnli": ((0, 0), 3, 128, SMALL),
         "sst2": ((3000, 10000), 3, 64, LARGE), "boolq": ((800, 3000), 3, 256, SMALL), "hellaswag": ((600, 2000), 2, 96, LARGE),
         "race-middle": ((150, 1000), 2, 384, LARGE)}
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
RATES = {"minilm": "5e-5", "mini_original": "1e-4", "mini_high": "1e-4"}


def tasks_of(arm):
    return ONLY.get(arm, list(TASKS))


def run(options):
    for task in TASKS:
        for arm, (model, extra) in ARMS.items():
            folder = getattr(options, model)
            if folder is None or task not in tasks_of(arm) or (options.arms and arm not in options.arms):
                continue
            caps, epochs, length, seeds = TASKS[task]
            examples = caps[0 if model == "minilm" else 1]
            target = pathlib.Path(options.output, arm, task)
            if (target / "suite.json").exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            command = [options.program, "finetune", folder, "--task", task, "--data", options.data, "--output", target, *extra,
                       "--train-rows", examples, "--epochs", epochs, "--length", length, "--seeds", seeds, "--batch", 32,
                       "--learning-rate", RATES[model], "--dtype", "bf16", "--validate-every", 10**6, "--checkpoint-every", 10**6,
                       "--extend-positions"]
            print(arm, task, flush=True)
            done = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                sys.exit(f"{arm} {task}: {done.stderr.strip().splitlines()[-1:]}")
            for weights in [*target.glob("*/seed-*/model.safetensors"), *target.glob("*/seed-*/checkpoints/*/*.safetensors")]:
                weights.unlink()  # figures and predictions are what counts


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
    print(f"""# Tasks, plain and refined: a first look

Made by `bench/tasks_first.py` from run folders: `run` fine-tunes, `page` writes this. MiniLM is all-MiniLM-L6-v2, a
model that was trained with plain attention; the BERT-Minis were pretrained for the same number of tokens each on
novels, web pages and Wikipedia, `mini-original` with plain attention, `mini-high` with refinement. One setting for all
tasks and arms of a model: batch 32, a linear schedule with a warm-up of a tenth, bf16, dropout 0.1. Large training sets
are capped, which the table says; nothing was chosen on the dev sets that scores are of. Fine-tuning seeds say nothing
about other pretraining runs: each BERT-Mini is one.

{chr(10).join(models)}

Processor: {host}.

## Scores on the dev sets

Means over seeds ± their standard deviation, in points; the standard error is that over examples. ≈: not above always
giving the most frequent answer, within two standard errors. HellaSwag's dev set here is 1,000 of its validation rows,
913 of them from ActivityNet, and its training set other validation rows: not to be set beside published figures.

{scores_table(options, [arm for arm in ARMS if arm.startswith("minilm")])}

{scores_table(options, [arm for arm in ARMS if arm.startswith("mini-")])}

## Differences

`saobp compare`: seeds and examples drawn anew together, in pairs with the same seed (the Multi-Bootstrap of Sellam et
al. 2022). With this many comparisons one in twenty has p < 0.05 by chance.

{comparisons_table(options)}

## What it shows
{kept[1] if kept else chr(10) + 'Not written yet.' + chr(10)}""", end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "page"])
    parser.add_argument("--output", required=True, help="where the runs are")
    parser.add_argument("--data", help="a folder with the tasks' published files")
    parser.add_argument("--minilm", help="all-MiniLM-L6-v2")
    parser.add_argument("--mini-original", help="the run of a BERT-Mini with plain attention")
    parser.add_argument("--mini-high", help="the run of a BERT-Mini with refined attention")
    parser.add_argument("--arms", type=lambda text: text.split(","), help="some of the arms")
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/saobp"))
    options = parser.parse_args()
    run(options) if options.what == "run" else page(options)


if __name__ == "__main__":
    main()
