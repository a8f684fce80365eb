"""The public headers are a list that is closed: none includes one that is not public."""
import re

from conftest import ROOT


def test_the_public_headers_include_no_other():
    text = (ROOT / "cmake/Library.cmake").read_text()
    listed = [line.strip(" )") for line in text.splitlines() if line.startswith("  saobp/")]
    assert listed == sorted(listed) and len(listed) > 20
    for header in listed:
        for name in re.findall(r'#include "(saobp/[^"]+)"', (ROOT / header).read_text()):
            assert name in listed, f"{header} is public and includes {name}, which is not"
