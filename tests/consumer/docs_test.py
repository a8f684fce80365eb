"""The reference of the public headers is made without a warning, and says what the headers say."""
import re
import subprocess

from conftest import ROOT


def test_the_reference_is_made_without_a_warning():
    done = subprocess.run([ROOT / "scripts/docs.sh"], capture_output=True, text=True)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr[-2000:]
    page = (ROOT / "build/docs/html/encoding_8h.html").read_text()
    assert "The row of a text, or of a pair" in re.sub(r"<[^>]+>", "", page)
