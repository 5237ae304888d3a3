"""The documentation builds into a site without a warning, and its pages load nothing from elsewhere."""

import re
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def site(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", "docs", ".", folder]
    built = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


def test_the_reference_holds_what_docstrings_say(site):
    page = (site / "docs" / "api.html").read_text("utf-8")
    for name in (
        "verifier.Verifier.verify",
        "model.Model.embed",
        "gallery.store.Gallery",
        "evaluation.summary.Summary",
    ):
        assert f'id="facesim.{name}"' in page


def test_a_page_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        loaded = re.findall(
            r"<(?:script|img|iframe)[^>]* src=\"([^\"]+)|<link[^>]* rel=\"stylesheet\"[^>]* href=\"([^\"]+)",
            page.read_text("utf-8"),
        )
        assert [address for pair in loaded for address in pair if "//" in address] == []
