"""Rules of the house that a compiler does not check; CONTRIBUTING.md says why each is there."""

import ast
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 400
MAX_COLUMNS = 120
# Folders of one machine, which no file of the project may know. Put together here, so that this file passes itself.
_MACHINE = re.compile(r"(?<![\w.~$}-])/(?:%s)/" % "|".join(["work", "root", "farm"]))
_PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib"}
_TORCH_PICKLES = {"save", "load"}


def tracked_files():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project is not known")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def machine_paths(text):
    return [number for number, line in enumerate(text.splitlines(), 1) if _MACHINE.search(line)]


def pickles(text):
    """What in this Python source reads or writes pickles."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in _PICKLES]
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in _PICKLES:
                found.append(node.module)
            elif node.module == "torch":
                found += [f"torch.{alias.name}" for alias in node.names if alias.name in _TORCH_PICKLES]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "torch" and node.attr in _TORCH_PICKLES:
                found.append(f"torch.{node.attr}")
    return found


def header_problem(name, text):
    """Why the header may be included twice without harm, or what is missing."""
    if name.endswith("-inl.h"):  # compiled once for each instruction set, so it is guarded by Highway's toggle
        return None if "HWY_TARGET_TOGGLE" in text else "no HWY_TARGET_TOGGLE guard"
    return None if re.search(r"^#pragma once$", text, re.MULTILINE) else "no #pragma once"


def wide_lines(text):
    """Lines of Markdown that are wider than an editor's window; code and tables may be."""
    code, found = False, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code and not line.startswith("|") and len(line) > MAX_COLUMNS:
            found.append(number)
    return found


def problems(check, *suffixes):
    found = []
    for path in tracked_files():
        if path.suffix in suffixes or not suffixes:
            try:
                text = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # an image, a golden array
            found += [f"{path.relative_to(ROOT)}: {what}" for what in check(path.name, text)]
    return found


def test_files_are_short():
    def check(_, text):
        lines = len(text.splitlines())
        return [f"{lines} lines, at most {MAX_LINES}"] if lines > MAX_LINES else []

    assert problems(check, ".cpp", ".h", ".py", ".sh") == []


def test_markdown_is_narrow():
    assert problems(lambda _, text: [f"line {number}" for number in wide_lines(text)], ".md") == []


def test_no_paths_of_one_machine():
    assert problems(lambda _, text: [f"line {number}" for number in machine_paths(text)]) == []


def test_no_pickles():
    assert problems(lambda _, text: pickles(text), ".py") == []


def test_headers_are_guarded():
    def check(name, text):
        problem = header_problem(name, text)
        return [problem] if problem else []

    assert problems(check, ".h") == []


def test_the_checks_find_what_they_look_for():
    folder = "/" + "work/data"
    assert machine_paths(f"a\nread('{folder}')\n") == [2]
    assert machine_paths(f"see ..{folder}, a net{folder} or https://host.org{folder}") == []
    assert pickles("import pickle\nfrom torch import save\nx = torch.load('f')\n") == [
        "pickle", "torch.save", "torch.load"]
    assert pickles("import torch\nx = torch.zeros(2)\n'pickle'\n") == []
    wide = "x " * 61
    assert wide_lines(f"{wide}\n```\n{wide}\n```\n| {wide}\n{wide}") == [1, 6]
    assert header_problem("a.h", "// #pragma once is missing\n")
    assert header_problem("a.h", "// A\n#pragma once\n") is None
    assert header_problem("a-inl.h", "#pragma once\n")
