"""What a release consists of agrees with the version and the package."""

import re
import subprocess
import sys
from pathlib import Path

import skae

ROOT = Path(__file__).parents[1]
HEADING = re.compile(r"(\d+\.\d+\.\d+(?:\.dev\d+|rc\d+)?)(?: - (\d{4}-\d\d-\d\d))?")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def headings(level):
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(rf"^{'#' * level} (.+)$", text, re.MULTILINE)


def test_changelog_has_a_section_for_each_version():
    matches = [HEADING.fullmatch(heading) for heading in headings(2)]
    assert None not in matches, headings(2)
    assert matches[0][1] == skae.__version__
    versions = [tuple(map(int, match[1].split(".")[:3])) for match in matches]
    assert versions == sorted(set(versions), reverse=True)
    dates = [match[2] for match in matches if match[2]]
    assert dates == sorted(dates, reverse=True)


def test_changelog_sections_are_of_known_kinds():
    others = set(headings(3)) - KINDS
    assert all(heading.startswith("How to move from ") for heading in others)


def test_citation_names_the_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {skae.__version__}\n" in text


def test_show_versions(capsys):
    skae.show_versions()
    out = capsys.readouterr().out
    for name in ["python", "skae", "keras", "scikit-learn", "tensorflow", "onnx"]:
        assert re.search(rf"^ *{name}: \S+", out, re.MULTILINE), name
    assert f"skae: {skae.__version__}\n" in out


def test_show_versions_does_not_import_tensorflow():
    code = "import sys, skae; skae.show_versions(); assert 'keras' not in sys.modules; "
    code += "assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
