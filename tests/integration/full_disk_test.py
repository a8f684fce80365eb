"""A disk that fills while a run writes to it: a small file system of the test's own, which later grows."""
import shlex
import subprocess

import pytest

from conftest import BINARY
from pretrain_test import assert_same_weights, metrics

MOUNTS = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True).returncode == 0
pytestmark = pytest.mark.skipif(not MOUNTS, reason="file systems cannot be mounted here")

SCRIPT = r"""
mount -t tmpfs -o size={size} tmpfs disk
{run} >out 2>err; echo $? >code
find disk -name '*.partial*' >partial; find disk -type f >files
tail -qc1 disk/run/*.jsonl | tr -d '\n' >cut
mount -o remount,size=64m disk
if [ -e disk/run ]; then {resume} >out.resumed 2>&1 || exit 1; cp -r disk/run resumed; fi
"""


def run_on_small_disk(folder, size, arguments):
    (folder / "disk").mkdir()
    quoted = [shlex.join([BINARY, *map(str, a)]) for a in (arguments + ["--output", "disk/run"],
                                                           ["pretrain", "--resume", "disk/run"])]
    script = SCRIPT.format(size=size, run=quoted[0], resume=quoted[1])
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], cwd=folder, env={"SAOBP_CACHE": str(folder / "cache")},
                          timeout=300)
    assert done.returncode == 0, (folder / "out.resumed").read_text()
    assert (folder / "code").read_text() == "1\n"
    assert (folder / "partial").read_text() == "" and (folder / "cut").read_text() == ""  # nothing half-written
    return (folder / "err").read_text().splitlines()[-1], (folder / "files").read_text().split()


@pytest.mark.parametrize("size, every, named", [("300k", 5, "checkpoints/step-000005"),
                                                ("700k", 5, "checkpoints/step-000010"),
                                                ("500k", 5, "run/model.safetensors"), ("128k", 100, ".jsonl")])
def test_the_run_says_so_and_goes_on_when_there_is_room(tmp_path, saobp, setting, size, every, named):
    common = [*setting, "--steps", 40, "--log-every", 1, "--checkpoint-every", every, "--validate-every", 10,
              "--tensorboard", "--record-batches", "--keep-best" if every < 100 else "--no-keep-best"]
    saobp(*common, "--output", "whole")
    message, files = run_on_small_disk(tmp_path, size, common)
    assert message.startswith("saobp: disk/run/") and "No space left on device" in message
    assert named in message
    assert "disk/run/metrics.jsonl" in files
    assert metrics(tmp_path / "resumed") == metrics(tmp_path / "whole")
    assert (tmp_path / "resumed/batches.jsonl").read_bytes() == (tmp_path / "whole/batches.jsonl").read_bytes()
    assert_same_weights(tmp_path / "resumed", tmp_path / "whole")


def test_no_folder_is_left_where_not_even_the_first_files_fit(tmp_path, setting):
    message, files = run_on_small_disk(tmp_path, "40k", [*setting, "--steps", 4])
    assert "No space left on device" in message and files == []
