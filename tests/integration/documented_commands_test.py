"""Commands in the documentation and in the help's examples: verbs and flags that are there."""
import re

import pytest

from command_line_test import VERBS
from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "configs/README.md"]


def commands_of(text):
    """Every command that begins with saobp, in code blocks; lines that end in a backslash go on."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if match := re.search(r"(?:^|[\s/])saobp ([a-z].*)", line):
                yield match.group(1)


@pytest.fixture(scope="module")
def flags():
    """Of each verb, from its help."""
    import subprocess

    from conftest import BINARY

    known = {}
    for verb in VERBS:
        text = subprocess.run([BINARY, *verb.split(), "--help"], capture_output=True, text=True, check=True).stdout
        listed = text.split("\nExample")[0]
        names = set(re.findall(r"--[\w-]+", re.sub(r"--\[no-\]([\w-]+)", r"--\1 --no-\1", listed)))
        known[verb] = names, text[len(listed):]
    return known


def complaints(command, flags):
    words = re.sub(r"\s#.*", "", command).replace("'", "").split()
    verb = next((v for v in flags if words[:len(v.split())] == v.split()), None)
    if verb is None:
        return [] if words[0] == "help" else [f"no such verb: {command}"]
    used = {w.split("=")[0] for w in words if w.startswith("--")}
    return [f"no such flag: {flag} in {command}" for flag in sorted(used - flags[verb][0])]


def test_the_documentation(flags):
    found = [command for page in PAGES for command in commands_of(page.read_text())]
    assert len(found) > 30
    assert [c for command in found for c in complaints(command, flags)] == []


def test_the_examples_of_the_help(flags):
    for verb, (_, example) in flags.items():
        found = list(commands_of("```\n" + re.sub(r"\nExamples?:", "", example) + "\n```\n"))
        assert found and all(command.startswith(verb) for command in found), verb
        assert [c for command in found for c in complaints(command, flags)] == []


def test_the_check_finds_what_it_looks_for(flags):
    text = "```\nsaobp pretrain --steps 1 \\\n  --stpes=2   # --not-this\nx | build/release/bin/saobp sing\n```\nsaobp dance\n"
    assert sum((complaints(c, flags) for c in commands_of(text)), []) == [
        "no such flag: --stpes in pretrain --steps 1  --stpes=2   # --not-this", "no such verb: sing"]
