"""Runs clang-tidy over source files, several at a time, with the compile commands that g++ was given.

clang cannot read g++'s precompiled headers and has no omp.h of its own, so a cleaned copy of compile_commands.json
is written to BUILD/tidy, which editors may use as well.
"""

import argparse
import concurrent.futures
import json
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = ROOT / ".venv" / "bin" / "clang-tidy"
# What g++ alone understands.
FOREIGN = {"-fpch-preprocess", "-Winvalid-pch"}


def cleaned(arguments, gcc_include):
    """The arguments of a g++ call as clang takes them."""
    result = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "-include":
            header = next(rest)
            if "cmake_pch" not in header:
                result += [argument, header]
        elif argument not in FOREIGN:
            result.append(argument)
    if pathlib.Path(result[0]).name == "ccache":
        result = result[1:]
    # Last, so that everything else of clang's own comes before g++'s.
    return result + ["-idirafter", gcc_include]


def write_commands(build):
    commands = json.loads((build / "compile_commands.json").read_text())
    gcc_include = subprocess.run(
        ["g++", "-print-file-name=include"], check=True, capture_output=True, text=True).stdout.strip()
    for command in commands:
        arguments = shlex.split(command.pop("command"))
        command["arguments"] = cleaned(arguments, gcc_include)
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(commands, indent=1))
    return folder, {pathlib.Path(command["file"]) for command in commands}


def check(folder, path):
    started = time.monotonic()
    done = subprocess.run(
        [TIDY, "--quiet", "-p", folder, path], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT)
    # Standard error holds the count of suppressed warnings, and what really went wrong only on failure.
    text = done.stdout + (done.stderr if done.returncode != 0 else "")
    return done.returncode, text.strip(), time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", help="source files, relative to the project's root")
    parser.add_argument("--build", default="build/release", help="build folder with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no new file is begun")
    options = parser.parse_args()

    build = ROOT / options.build
    if not (build / "compile_commands.json").exists():
        sys.exit(f"tidy.py: {build} holds no compile_commands.json; build that preset first")
    folder, known = write_commands(build)
    deadline = time.monotonic() + options.budget
    foreign = [name for name in options.files if ROOT / name not in known]
    files = [name for name in options.files if ROOT / name in known]

    def run(name):
        return check(folder, name) if time.monotonic() < deadline else None

    failed, left = [], []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, result in zip(files, pool.map(run, files)):
            if result is None:
                left.append(name)
                continue
            code, text, seconds = result
            print(f"clang-tidy: {name} ({seconds:.0f} s){'' if code == 0 else ' FAILED'}", flush=True)
            if code != 0:
                failed.append(name)
                print(text, flush=True)
    print(f"clang-tidy: {len(files) - len(left)} files checked, {len(failed)} with findings")
    if foreign:
        print(f"clang-tidy: not part of this build: {' '.join(foreign)}")
    if left:
        print(f"clang-tidy: left out, the time was up (scripts/lint.sh checks all): {' '.join(left)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
