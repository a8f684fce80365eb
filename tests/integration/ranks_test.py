"""Pretraining on several ranks: what it equals, what it survives, and how it ends."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import BINARY, with_flags
from never_lose_work_test import as_if_killed_after
from pretrain_test import assert_same_weights, metrics

# Nothing of a launcher around the tests.
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith(("TORCHELASTIC_", "MASTER_")) and "RANK" not in name and name != "WORLD_SIZE"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(folder, command, **variables):
    environment = CLEAN | {"SAOBP_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"} | variables
    return subprocess.Popen([str(part) for part in command], cwd=folder, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def start_torchrun(folder, ranks, arguments, *flags):
    return start(folder, [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", ranks, "--master-port",
                          free_port(), *flags, "--no-python", BINARY, *arguments])


def torchrun(folder, ranks, arguments, *flags):
    """What the ranks print on standard output, and everything on standard error."""
    process = start_torchrun(folder, ranks, arguments, *flags)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return out, err


def start_ranks(folder, arguments_of_each):
    """Ranks without torchrun, which would add its own to what they say."""
    place = {"WORLD_SIZE": str(len(arguments_of_each)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [start(folder, [BINARY, *arguments], RANK=str(rank), LOCAL_RANK=str(rank), **place)
            for rank, arguments in enumerate(arguments_of_each)]


def workers_of(process):
    children = subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid=,args="], capture_output=True, text=True)
    return [int(line.split()[0]) for line in children.stdout.splitlines() if BINARY in line]


def wait_for_lines(log, lines, process):
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= lines):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def ranks_setting(setting):
    return with_flags(setting, threads=1)


def assert_equal_to_rounding(one, other):
    """Sums in another order: a float's rounding, 6e-8, grows with the updates' divisions by small moments."""
    for a, b in zip(metrics(one), metrics(other), strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert a[key] == pytest.approx(b[key], rel=1e-4), (a["step"], key)


def test_two_ranks_equal_one_process_with_twice_the_batch(tmp_path, saobp, ranks_setting):
    common = with_flags(ranks_setting, steps=6, log_every=1, validate_every=3, dropout=0)
    out, _ = torchrun(tmp_path, 2, with_flags(common, batch=4, accumulation=2, bucket_mb=1, output="two"))
    saobp(*with_flags(common, batch=8, accumulation=2, output="one"))
    assert_equal_to_rounding(tmp_path / "one", tmp_path / "two")
    assert out.count("model  ") == out.count("done  ") == 1 and "1 thread on each of 2 ranks" in out
    records = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("one", "two")]
    assert [record["ranks"] for record in records] == [1, 2]
    assert records[1]["final"]["loss"] == metrics(tmp_path / "two")[-2]["loss"]


def test_ranks_draw_dropout_as_the_passes_of_one_process_do(tmp_path, saobp, ranks_setting):
    common = with_flags(ranks_setting, steps=6, log_every=1, dropout=0.3)
    at = common.index("--validation")
    common = common[:at] + common[at + 2:]
    # Sources with weights are streams of their own, through which each rank has to find its rows.
    common = with_flags(common, corpus="text.txt:2") + ["--corpus", "valid.txt:1"]
    torchrun(tmp_path, 2, [*common, "--output", "two"])
    saobp(*common, "--accumulation", 2, "--output", "one")
    assert_equal_to_rounding(tmp_path / "one", tmp_path / "two")


def test_a_killed_rank_costs_the_work_since_the_last_checkpoint(tmp_path, ranks_setting):
    # With all that is neither weight nor moment and has to reach the other ranks from the checkpoint.
    common = [*ranks_setting, "--steps", 150, "--log-every", 1, "--checkpoint-every", 20, "--validate-every", 50,
              "--sigma-reparam", "--learn-strength", "head", "--entropy-reg", 1e-3, "--eigen-reg", 0.1]
    torchrun(tmp_path, 2, [*common, "--output", "whole"])
    process = start_torchrun(tmp_path, 2, [*common, "--output", "cut"], "--max-restarts", 1)
    wait_for_lines(tmp_path / "cut/metrics.jsonl", 1, process)
    lost = workers_of(process)[1]
    wait_for_lines(tmp_path / "cut/metrics.jsonl", 45, process)
    os.kill(lost, signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert "resuming cut from step " in out
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")


def test_a_signal_saves_and_a_run_goes_on_with_other_ranks(tmp_path, saobp, ranks_setting):
    common = [*ranks_setting, "--steps", 100000, "--log-every", 1, "--validate-every", 100000]
    process = start_torchrun(tmp_path, 2, [*common, "--output", "run"])
    wait_for_lines(tmp_path / "run/metrics.jsonl", 5, process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    said = [line for line in err.splitlines() if line.startswith("saobp: ")]
    assert len(said) == 1 and "the state is saved" in said[0], out + err
    checkpoint, = (tmp_path / "run/checkpoints").iterdir()
    state = json.loads((checkpoint / "state.json").read_text())
    assert state["step"] == metrics(tmp_path / "run")[-1]["step"] == state["rows"] / 8 and state["ranks"] == 2

    record = json.loads((tmp_path / "run/run.json").read_text())
    record["options"]["train"]["steps"] = state["step"] + 3
    del record["options"]["distributed"]  # as in a run from before there were ranks
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    done = saobp("pretrain", "--resume", "run")
    assert "1, and 2 before: a step sees 4 rows from here on, not 8" in done.out
    assert [m["tokens"] for m in metrics(tmp_path / "run") if "loss" in m][-3:] == [(state["rows"] + 4 * i) * 32 for i in (1, 2, 3)]


def test_a_signal_to_one_rank_ends_all_after_the_same_step(tmp_path, ranks_setting):
    arguments = [*ranks_setting, "--steps", 100000, "--log-every", 1, "--output", "run"]
    first, second = start_ranks(tmp_path, [arguments] * 2)
    wait_for_lines(tmp_path / "run/metrics.jsonl", 5, first)
    second.send_signal(signal.SIGINT)
    errors = [process.communicate(timeout=60)[1] for process in (first, second)]
    assert [first.returncode, second.returncode] == [130, 130], errors
    assert "--resume run" in errors[0] and errors[0].count("\n") == 1 and errors[1] == ""


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_rank_without_its_corpus_ends_all_with_a_line_each(tmp_path, ranks_setting, lacking):
    arguments = [[*ranks_setting, "--steps", 5, "--output", "run"] for _ in range(2)]
    arguments[lacking] = with_flags(arguments[lacking], corpus="nowhere.txt")
    processes = start_ranks(tmp_path, arguments)
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 1], errors
    assert errors[lacking].startswith(f"saobp: rank {lacking} of 2: ") and "nowhere.txt" in errors[lacking]
    assert errors[1 - lacking].endswith("Another rank has ended or cannot be reached; its own message says why\n")
    assert [error.count("\n") for error in errors] == [1, 1]
    assert not (tmp_path / "run").exists()


def test_a_rank_with_another_corpus_is_refused(tmp_path, ranks_setting):
    arguments = [[*with_flags(ranks_setting, corpus=corpus), "--steps", 5, "--output", "run"]
                 for corpus in ("text.txt", "valid.txt")]
    processes = start_ranks(tmp_path, arguments)
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert "saobp: rank 1 of 2: --corpus" in errors[1] and "than on rank 0" in errors[1]
    assert [process.returncode for process in processes] == [1, 1] and not (tmp_path / "run").exists()


def test_a_restart_looks_at_what_is_there(tmp_path, saobp, ranks_setting):
    again = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500",
             "TORCHELASTIC_RESTART_COUNT": "1"}
    command = [*ranks_setting, "--steps", 4, "--output", "run"]
    saobp(*command, env=again)  # there is nothing yet
    assert "finished before the restart" in saobp(*command, env=again).out
    done = saobp(*with_flags(command, steps=5), env=again, code=1)
    assert 'run.json: train: "steps" is 4 and this command says 5' in done.err and done.err.count("\n") == 1
    first = again | {"TORCHELASTIC_RESTART_COUNT": "0"}
    assert "exists already" in saobp(*command, env=first, code=1).err


def test_a_job_goes_on_with_its_own_run(tmp_path, saobp, ranks_setting):
    """As when machines join, or a batch system queues a job again: torchrun counts no restart then."""
    place = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500",
             "TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_RUN_ID": "4711"}
    command = [*ranks_setting, "--steps", 8, "--log-every", 1, "--checkpoint-every", 3, "--output", "whole"]
    saobp(*command, env=place)
    as_if_killed_after(tmp_path, "whole", "cut", "step-000008")
    command[-1] = "cut"
    assert "exists already" in saobp(*command, env=place | {"TORCHELASTIC_RUN_ID": "4712"}, code=1).err
    assert "resuming cut from step 6" in saobp(*command, env=place).out
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")
    assert "finished" in saobp("pretrain", "--resume", "cut", code=1).err


def test_bench_train_sums_over_the_ranks(tmp_path):
    arguments = ["bench", "train", "--model", "bert-mini", "--batch", 2, "--length", 16, "--steps", 1, "--threads", 1]
    out, _ = torchrun(tmp_path, 2, [*arguments, "--json"])
    assert out.count("\n") == 1
    result = json.loads(out)
    assert result["ranks"] == 2 and result["tokens_per_s"] == pytest.approx(2 * 2 * 16 / result["step_ms"] * 1e3)


@pytest.mark.parametrize("flag, values", [("--seed", ("1", "2")), ("--learning-rate", ("0.001", "0.0011")),
                                          ("--attention", ("high", "low")), ("--steps", ("5", "6")),
                                          ("--batch", ("4", "2")), ("--checkpoint-every", ("2", "3"))])
def test_ranks_with_other_options_end_at_once(tmp_path, ranks_setting, flag, values):
    name = flag[2:].replace("-", "_")
    arguments = [with_flags(ranks_setting, **({"steps": 5, "output": "run"} | {name: value})) for value in values]
    processes = start_ranks(tmp_path, arguments)
    errors = [process.communicate(timeout=60)[1] for process in processes]
    for rank, error in enumerate(errors):
        assert error == (f"saobp: rank {rank} of 2: {flag} is {values[1]} on rank 1 and {values[0]} on rank 0; "
                         "all ranks need the same\n")
    assert [process.returncode for process in processes] == [1, 1] and not (tmp_path / "run").exists()


def test_the_first_rank_that_differs_is_named_to_all(tmp_path, ranks_setting):
    arguments = [with_flags(ranks_setting, steps=5, output="run", seed=seed) for seed in (3, 3, 4, 5)]
    errors = [process.communicate(timeout=60)[1] for process in start_ranks(tmp_path, arguments)]
    assert all("--seed is 4 on rank 2 and 3 on rank 0" in error and error.count("\n") == 1 for error in errors), errors


def test_what_may_differ_between_machines_does(tmp_path, ranks_setting):
    os.link(tmp_path / "text.txt", tmp_path / "same.txt")
    arguments = [with_flags(ranks_setting, steps=2, output="run", corpus=corpus, cache=cache, threads=threads)
                 for corpus, cache, threads in (("text.txt", "here", 1), ("same.txt", "there", 2))]
    processes = start_ranks(tmp_path, arguments)
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said


def test_a_rank_that_resumes_another_way_is_refused(tmp_path, saobp, ranks_setting):
    common = [*ranks_setting, "--steps", 2, "--output", "run"]
    saobp(*common)
    resume = ["pretrain", "--resume", "run", "--steps"]
    for commands, word in ((([*resume, 4], [*resume, 5]), "--steps is 5 on rank 1 and 4 on rank 0"),
                           (([*resume, 2], common), "--output on rank 1 and --resume on rank 0")):
        processes = start_ranks(tmp_path, commands)
        errors = [process.communicate(timeout=60)[1] for process in processes]
        assert all(word in error and error.count("\n") == 1 for error in errors), errors


def test_bench_train_compares_options_too(tmp_path):
    common = ["bench", "train", "--model", "bert-mini", "--length", 16, "--steps", 1, "--threads", 1, "--batch"]
    errors = [process.communicate(timeout=60)[1] for process in start_ranks(tmp_path, [[*common, 2], [*common, 4]])]
    assert all("--batch is 4 on rank 1 and 2 on rank 0" in error and error.count("\n") == 1 for error in errors), errors
