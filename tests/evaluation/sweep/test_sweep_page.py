import csv
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from facesim.data.cache import CachedCrops
from facesim.data.dataset import Dataset
from facesim.data.pairs import Pairs
from facesim.data.source import Source
from facesim.detector.crop import cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.evaluation.protocol import Protocol
from facesim.evaluation.scoring import Scores
from facesim.evaluation.sweep.page import number, percent
from facesim.evaluation.sweep.report import as_text, write_report
from facesim.photo import open_photo

PHONE = {"width": 360, "height": 740}
WICKED = "<script>alert('Ana & \"Li\"')</script>"


@pytest.fixture(scope="module")
def faces(hopper, collins):
    photos = [open_photo(path) for path in (hopper, collins)]
    return [cut_wide_crop(photo, find_faces(photo)[0]) for photo in photos]


@pytest.fixture(scope="module")
def make_scores(faces, hopper, tmp_path_factory):
    """Scores of pairs with the given distances, NaN where the first photo shows no face; names that must be escaped."""

    def make(distances, same):
        distances, same = np.array(distances, np.float32), np.array(same, bool)
        root = tmp_path_factory.mktemp("photos")
        count = 2 * len(distances)
        shutil.copy(hopper, root / "0.jpg")
        problems = {2 * i: f"no face was found in {root / '0.jpg'}." for i in np.flatnonzero(np.isnan(distances))}
        names = np.array([f"{WICKED}_{i % 7}" for i in range(count)])
        dataset = Dataset(WICKED, root, ("0.jpg",) * count, names)
        shifted = np.stack([np.roll(faces[i % 2], i % 11, axis=0) for i in range(min(count, 22))])
        wide = shifted[np.arange(count) % len(shifted)]
        face_counts = np.array([i not in problems for i in range(count)], int)
        crops = CachedCrops(wide, problems, face_counts, np.full((count, 2), 250), np.full(count, "hog"))
        source = Source((dataset,), dataset, np.ones(count, bool), ())
        pairs = Pairs(np.arange(0, count, 2), np.arange(1, count, 2), same)
        return Scores(Protocol(WICKED, source, pairs), crops, distances, None)

    return make


@pytest.fixture(scope="module")
def report(make_scores, model, tmp_path_factory):
    """A report on 400 overlapping pairs, two of them without a face."""
    random = np.random.default_rng(0)
    same = np.arange(400) < 200
    distances = np.where(same, random.normal(0.35, 0.06, 400), random.normal(0.51, 0.06, 400))
    distances[[3, 399]] = np.nan
    return write_report(make_scores(distances, same), model, tmp_path_factory.mktemp("out") / "sweep", 50)


@pytest.fixture
def open_page(browser, report):
    """Opens a report's page and waits for its charts; what it asked for and complained of comes with it."""
    pages = []

    def open_page(folder=report.folder, **settings):
        page = browser.new_page(**settings)
        pages.append(page)
        page.requests, page.complaints = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console", lambda line: page.complaints.append(line.text) if line.type in ("error", "warning") else None
        )
        page.goto((folder / "index.html").as_uri())
        if settings.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for page in pages:
        page.close()


def rows_of(report):
    return list(csv.DictReader((report.folder / "sweep.csv").read_text().splitlines()))


def figures_on(page):
    return page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('td [data-show], td[data-show]')]"
        ".map(cell => [cell.dataset.show, cell.textContent]))"
    )


def figures_in(row):
    """What the page must say of a line of sweep.csv."""
    counts = {"trueMatches": "TP", "falseMatches": "FP", "trueNonMatches": "TN", "falseNonMatches": "FN"}
    rates = {"precision": "precision", "recall": "recall", "accuracy": "accuracy", "fmr": "FMR", "fnmr": "FNMR"}
    said = {name: f"{int(row[column]):,}" for name, column in counts.items()}
    said |= {name: percent(float(row[column] or "nan")).replace(" ", "\xa0") for name, column in rates.items()}
    return said | {"f1": number(float(row["F1"] or "nan"))}


def line_at(page, name):
    return page.evaluate("name => Bokeh.documents[0].get_model_by_name(name).location", name)


def marker_at(page, name):
    return page.evaluate(
        "name => {const {x, y} = Bokeh.documents[0].get_model_by_name(name).data_source.data; return [x[0], y[0]]}",
        name,
    )


def move_to(page, place):
    page.eval_on_selector("#threshold", "(s, i) => {s.value = i; s.dispatchEvent(new Event('input'))}", place)


def test_the_slider_moves_every_figure_and_every_marker(open_page, report):
    page, rows = open_page(), rows_of(report)
    assert figures_on(page) == figures_in(rows[report.sweep.stored])
    for place in (0, 77, 400, 650, len(rows) - 1):
        move_to(page, place)
        row = rows[place]
        assert figures_on(page) == figures_in(row)
        assert page.text_content("#value") == f"{float(row['threshold']):.4f}"
        assert line_at(page, "threshold line") == line_at(page, "distances line") == float(row["threshold"])
        assert marker_at(page, "roc marker") == pytest.approx([max(float(row["FMR"]), 0.0025), float(row["recall"])])
        assert len(marker_at(page, "det marker")) == 2


def test_the_keyboard_moves_it_and_the_button_goes_back(open_page, report):
    page, stored = open_page(), report.sweep.stored
    assert page.is_disabled("#reset")
    page.focus("#threshold")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#threshold") == str(stored + 1)
    page.keyboard.press("Home")
    assert figures_on(page) == figures_in(rows_of(report)[0])
    assert page.get_attribute("#threshold", "aria-valuetext") == "0.0000"
    page.get_by_role("button", name="Back to the stored threshold").click()
    assert page.input_value("#threshold") == str(stored)
    assert line_at(page, "threshold line") == report.summary.rates.threshold
    assert page.get_by_label("Threshold", exact=True).first.is_visible()


def test_a_pair_that_is_no_error_any_more_is_dimmed_and_says_so(open_page, report):
    page = open_page()
    shown = page.locator(".pair")
    assert shown.count() == len(report.errors.false_matches) + len(report.errors.false_non_matches) > 10
    assert page.locator(".pair.right").count() == 0
    move_to(page, 0)  # nothing is called the same
    assert page.locator(".pair.right").count() == len(report.errors.false_matches)
    assert page.locator(".mended:visible").count() == len(report.errors.false_matches)
    middle = len(report.sweep.thresholds) * 2 // 3
    move_to(page, middle)
    threshold = report.sweep.thresholds[middle]
    mended = page.locator(".pair[data-same='1'].right").evaluate_all("all => all.map(e => Number(e.dataset.distance))")
    assert mended
    assert max(mended) < threshold


def test_nothing_leaves_the_page_and_nothing_goes_wrong(open_page):
    page = open_page()
    move_to(page, 10)
    assert [url for url in page.requests if not url.startswith(("data:", "blob:"))] == [page.url]
    assert page.url.startswith("file://")
    assert page.complaints == []
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0 && image.alt)")
    assert page.locator(".plot canvas").count() >= 5


@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 800}])
def test_it_fits_its_width(open_page, size):
    page = open_page(viewport=size)
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    left, right = (page.locator(".grid .chart").nth(i).bounding_box() for i in (0, 1))
    assert (left["y"] == right["y"]) == (size["width"] > 700)


def test_the_dark_changes_page_and_charts_as_it_falls(open_page):
    page = open_page(color_scheme="light")
    colours = """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
        [...Bokeh.documents[0].get_model_by_name("roc").references()].find(m => m.type === "Grid").grid_line_color,
        Bokeh.documents[0].get_model_by_name("threshold line").line_color]"""
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => ({colours})()[3] !== before", arg=light[3])
    dark = page.evaluate(colours)
    assert all(before != after for before, after in zip(light, dark, strict=True))
    assert light[:2] == ["rgb(253, 253, 252)", "rgb(27, 27, 27)"]
    assert dark[:2] == ["rgb(19, 21, 24)", "rgb(236, 236, 234)"]


def test_without_javascript_headline_table_and_photos_still_read(open_page, report):
    page = open_page(java_script_enabled=False)
    rates = report.summary.rates
    assert f"{rates.false_non_matches} of 200 genuine pairs are missed" in page.inner_text(".headline").replace(
        "\n", " "
    )
    assert f"{rates.false_matches:,}" in page.inner_text(".confusion")
    assert page.locator(".pair img").first.is_visible()
    assert not page.locator("#threshold").is_visible()
    assert page.get_by_text("roc.png, beside this page").is_visible()


def test_names_are_escaped_and_pairs_without_a_face_explained(open_page, report):
    page = open_page()
    html = (report.folder / "index.html").read_text("utf-8")
    assert "<script>alert" not in html
    assert WICKED in page.inner_text("h1 + .sub")
    assert "ISO/IEC 19795-1" in page.inner_text(".headline")
    assert f"F1 would be {number(report.summary.strict.f1)}" in " ".join(page.inner_text(".headline").split())
    assert page.locator(".photo img").count() == 2
    assert "too few pairs to say" in page.inner_text(".figures-table")


def test_the_folder_holds_what_it_promises(report):
    for name in ("threshold", "distances", "roc", "det", "reliability", "errors"):
        with Image.open(report.folder / f"{name}.png") as picture:
            assert picture.format == "PNG"
    metrics = json.loads((report.folder / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(report.metrics))
    assert (metrics["pairs"], metrics["people"], metrics["seed"]) == (400, 7, None)
    assert metrics["summary"]["rates"]["f1"] == report.summary.rates.f1
    assert "oracle" in metrics["best_f1_on_these_pairs"]["note"]
    assert metrics["best_f1_on_these_pairs"]["f1"] >= metrics["summary"]["rates"]["f1"]
    assert f"F1            {report.summary.rates.f1:.4f}" in as_text(report)


def test_two_hundred_errors_stay_under_six_megabytes(make_scores, model, tmp_path):
    distances = np.tile([0.2, 0.6, 0.1], 100)  # a hundred wrongly matched, a hundred missed
    same = np.tile([False, True, True], 100)
    written = write_report(make_scores(distances, same), model, tmp_path / "sweep", errors=100)
    assert len(written.errors.false_matches) == len(written.errors.false_non_matches) == 100
    assert (tmp_path / "sweep" / "index.html").stat().st_size < 6_000_000


def test_the_page_does_not_grow_with_the_pairs(make_scores, model, tmp_path):
    sizes = []
    for count in (2_000, 60_000):
        random = np.random.default_rng(1)
        same = np.arange(count) % 2 == 0
        scores = make_scores([0.2, 0.4], [True, False])
        one = np.zeros(count, int)
        pairs = Pairs(one, one + 3, same)
        distances = np.where(same, 0.2, 0.36) + random.normal(0, 0.06, count)
        scores = Scores(Protocol("many", scores.protocol.source, pairs), scores.crops, distances, None)
        write_report(scores, model, tmp_path / str(count), errors=5)
        sizes.append((tmp_path / str(count) / "index.html").stat().st_size)
    assert sizes[1] < 1.05 * sizes[0]


@pytest.mark.parametrize(
    ("distances", "same", "charts"),
    [
        ([0.1, 0.2, 0.5], [True] * 3, 2),
        ([0.1, 0.2, 0.5], [False] * 3, 1),
        ([0.2], [True], 2),
        ([0.1, 0.2, 0.5, 0.6], [True, True, False, False], 5),  # no error at all
        ([np.nan, np.nan], [True, False], 0),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_hardly_any_pairs_still_make_a_report(make_scores, model, open_page, tmp_path, distances, same, charts):
    written = write_report(make_scores(distances, same), model, tmp_path / "sweep")
    page = open_page(tmp_path / "sweep", viewport=PHONE)
    move_to(page, 0)
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.locator(".plot canvas").count() >= charts
    assert page.locator(".chart .instead:visible").count() == 5 - charts
    assert "nan" not in page.inner_text("body").lower()
    assert len(list((tmp_path / "sweep").glob("*.png"))) == 6
    assert not re.search("NaN|Infinity", (tmp_path / "sweep" / "metrics.json").read_text())
    assert "report" in as_text(written)


def test_a_photo_that_cannot_be_opened_says_why(make_scores, model, tmp_path):
    scores = make_scores([0.2, np.nan], [True, True])
    (scores.protocol.source.dataset.root / "0.jpg").write_text("Dear reader")
    write_report(scores, model, tmp_path / "sweep")
    assert "0.jpg is not a photo" in (tmp_path / "sweep" / "index.html").read_text("utf-8")


def test_a_folder_that_cannot_be_made_is_named(make_scores, model, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FaceSimError, match=r"taken cannot be written: .+\.$"):
        write_report(make_scores([0.2], [True]), model, tmp_path / "taken")


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.0, "0.00 %"),
        (1.0, "100.00 %"),
        (1e-6, "< 0.01 %"),
        (1 - 1e-6, "> 99.99 %"),
        (0.00125, "0.13 %"),
        (np.nan, "–"),
    ],
)
def test_a_rate_is_never_said_to_be_nothing_or_all_where_it_is_not(rate, said):
    assert percent(rate) == said


def test_errors_by_group_are_drawn_on_the_page(open_page, make_scores, model, tmp_path):
    random = np.random.default_rng(2)
    same = np.arange(300) < 150
    scores = make_scores(np.where(same, 0.2, random.normal(0.3, 0.05, 300)), same)
    scores.crops.detectors[:50] = "cnn"
    report = write_report(scores, model, tmp_path / "groups", 5, by=("detector",))
    page = open_page(report.folder)
    assert page.complaints == []
    said = page.locator("section", has_text="Errors by detector").inner_text()
    assert "0 % (0 to 3" in said  # no genuine pair of the 125 that HOG found is missed
    assert "too few pairs to say (25)" in said
    for kind in ("group_fmr", "group_fnmr"):
        plot = page.evaluate(
            "name => {const plot = Bokeh.documents[0].get_model_by_name(name);"
            " return plot.renderers.map(one => one.data_source.data.rate ?? []).flatMap(said => [...said])}",
            kind,
        )
        assert len(plot) == len(model.info.operating_points)  # of HOG's pairs alone: the others are too few
