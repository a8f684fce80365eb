#!/usr/bin/env python3
"""Does fast training lose quality? The largest difference of losses between the program and a plain PyTorch loop on the
same batches, beside that between the PyTorch loop on one thread and on two, which is what rounding alone does.

  .venv/bin/python bench/training_parity.py --corpus TEXT --tokenizer TOKENIZER [--attention high] [--dtype bf16]

Rounding grows by chance from step to step, so that one run says little: with several --seeds the ratio is that of the
largest differences of all runs. Prints one JSON object; progress goes to standard error."""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch

import plain_training

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pretrain(args, seed, folder, steps, rate, *more):
    command = [args.saobp, "pretrain", "--model", args.model, "--attention", args.attention, "--corpus", *args.corpus,
               "--tokenizer", args.tokenizer, "--steps", steps, "--batch", args.batch, "--length", args.length,
               "--learning-rate", rate, "--warmup-steps", args.steps // 10, "--dropout", 0, "--dtype", args.dtype,
               "--threads", 1, "--seed", seed, "--log-every", 1, "--checkpoint-every", 1000000, "--output", folder,
               *more]
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


def plain(run, first, threads, dtype):
    torch.set_num_threads(threads)

    def progress(step, steps, loss):
        if step % 20 == 0:
            print(f"PyTorch, {dtype}, {threads} threads: step {step}/{steps}  loss {loss:.4f}", file=sys.stderr, flush=True)

    return plain_training.train(run, first, dtype, progress)


def largest(a, b):
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b))


def differences(args, seed):
    with tempfile.TemporaryDirectory() as folder:
        run, first = pathlib.Path(folder) / "run", pathlib.Path(folder) / "first"
        pretrain(args, seed, run, args.steps, args.learning_rate, "--record-batches")
        pretrain(args, seed, first, 1, 0)
        ours = plain_training.losses_of(run)
        one, two = (plain(run, first, threads, args.dtype) for threads in (1, 2))
        found = {"seed": seed, "first_loss": ours[0], "last_loss": ours[-1], "saobp_against_pytorch": largest(ours, one),
                 "pytorch_one_against_two_threads": largest(one, two)}
        if args.float64:
            exact = plain(run, first, 2, "f64")
            found |= {"saobp_against_float64": largest(ours, exact), "pytorch_against_float64": largest(one, exact)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saobp", default=str(ROOT / "build/release/bin/saobp"))
    parser.add_argument("--corpus", nargs="+", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--model", default="bert-mini")
    parser.add_argument("--attention", default="high", choices=["original", "high"])
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16", "f64"])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--float64", action="store_true", help="how far either is from a PyTorch loop in float64, too")
    args = parser.parse_args()
    runs = [differences(args, seed) for seed in args.seeds]
    difference, rounding = (max(run[key] for run in runs)
                            for key in ("saobp_against_pytorch", "pytorch_one_against_two_threads"))
    print(json.dumps({"model": args.model, "attention": args.attention, "dtype": args.dtype, "steps": args.steps,
                      "batch": args.batch, "length": args.length, "runs": runs, "saobp_against_pytorch": difference,
                      "pytorch_one_against_two_threads": rounding,
                      "ratio": difference / rounding if rounding else None}))


if __name__ == "__main__":
    main()
