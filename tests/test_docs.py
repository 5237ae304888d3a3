"""The pages link to files that exist, and show commands whose verbs and options exist, as `--help` spells them."""

import re
import shlex
from pathlib import Path

import pytest

from facesim.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "models").glob("*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PROGRAMS = {"predict.py": "predict", "train.py": "train"}


def commands(page: Path) -> list[list[str]]:
    """Return the words of each command of facesim that a page shows, the verb first."""
    found = []
    for line in page.read_text("utf-8").splitlines():
        words = line.split("  #")[0] if line.startswith("    ") else ""
        for part in re.split(r"[|>;]|&&", re.sub(r"(?<=\S)   +.*", "", words.strip())):
            try:
                program, *arguments = shlex.split(part) or [""]
            except ValueError:
                continue
            if program in ("python", "torchrun"):
                names = [word for word in arguments if word in PROGRAMS]
                if names:
                    found.append([PROGRAMS[names[0]], *arguments[arguments.index(names[0]) + 1 :]])
            elif program == "facesim":
                found.append(arguments)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    targets = [link.split("#")[0] for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_shown_has_the_verb_and_the_options(page):
    for verb, *arguments in commands(page):
        command = main.get_command(None, verb)
        assert command, verb
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        shown = {word.split("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}
        assert shown <= known | {"--help"}, (verb, arguments)


def test_the_pages_show_commands():
    assert sum(len(commands(page)) for page in PAGES) > 50


def test_every_page_is_in_the_contents():
    contents = (ROOT / "docs" / "README.md").read_text("utf-8")
    names = [path.name for path in (ROOT / "docs").glob("*.md")]
    assert [name for name in names if name not in ("README.md", "index.md") and f"({name})" not in contents] == []


def test_continuous_integration_runs_the_command_that_the_readme_shows():
    command = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/python -m pytest\n"
    assert f"    {command}" in (ROOT / "README.md").read_text("utf-8")
    assert f"\n{command}" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_pages_agree_on_how_fast_photos_are_embedded():
    readme, speed, gallery = (
        (ROOT / name).read_text("utf-8") for name in ("README.md", "docs/benchmarks.md", "docs/gallery.md")
    )
    count, seconds = re.search(r"\| ([\d,]+) LFW photos embedded \| ([\d.]+) s \|", speed).groups()
    assert f"| {count} photos of LFW | {seconds} s |" in readme  # on two cores
    by_core = int(count.replace(",", "")) / float(seconds) / 2
    assert f"A core embeds {by_core:.0f} photos of LFW a second with their main faces" in gallery
    by_stages = float(re.search(r"\| 2 \|.*\| ([\d.]+) \|\n\| 2 megapixels", speed)[1]) / 2
    assert by_stages == pytest.approx(by_core, rel=0.1)


def test_the_sums_for_millions_of_photos_follow_from_the_figures_above_them():
    page = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    main, every = map(
        float, re.search(r"embeds ([\d.]+) photos.*main faces.*or ([\d.]+) with all faces", page).groups()
    )
    face, index = map(float, re.search(r"takes ([\d.]+) KB of disk,\s+and ([\d.]+) KB of index", page).groups())
    stated = r"takes ([\d.]+) GB of memory, ([\d.]+) GB × √\(millions of faces\) .*, and (\d+) bytes\s+for each"
    own, making, known = map(float, re.search(stated, page).groups())
    for millions in (1, 10, 100):
        times = (millions * 1e6 / speed / cores for speed in (main, every) for cores in (8, 100))
        disk, memory = (face + index) * millions, own + making * millions**0.5 + known * millions / 1e3
        sums = (*map(duration, times), f"{float(f'{disk:.2g}'):g} GB", f"{memory:.1f} GB")
        assert f"| {millions} million | {' | '.join(sums)} |" in page


def duration(seconds: float) -> str:
    """Return seconds as the pages say them, in two digits."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size or unit == "minutes":
            return f"{seconds / size:#.2g} {unit}".replace(". ", " ")
