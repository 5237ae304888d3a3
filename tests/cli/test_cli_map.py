import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from facesim.verifier import Verifier

PEOPLE = ("Amelie_Mauresmo", "Hugo_Chavez", "Serena_Williams")
AWKWARD = "_Zoë <b>$x^2$ & co"


pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def people(tmp_path, lfw):
    """Six photos each of three people; one photo of a wall."""
    for name in PEOPLE:
        (tmp_path / "people" / name).mkdir(parents=True)
        for photo in sorted((lfw / name).iterdir())[:6]:
            shutil.copy(photo, tmp_path / "people" / name)
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "people" / PEOPLE[0] / "wall.png")
    return tmp_path / "people"


@pytest.fixture
def portraits(tmp_path, hopper, collins):
    """Portraits without a sub-folder, under names that a page must escape; one more in a sub-folder named so."""
    (tmp_path / "portraits" / AWKWARD).mkdir(parents=True)
    shutil.copy(hopper, tmp_path / "portraits" / "<script>alert(1)</script>.jpg".replace("/", "∕"))
    shutil.copy(collins, tmp_path / "portraits" / "$\\frac{ü}$ & 李.jpg")
    shutil.copy(collins, tmp_path / "portraits" / AWKWARD / "1.jpg")
    return tmp_path / "portraits"


def test_map_draws_a_page_and_a_picture_and_says_what_they_hold(run, people, tmp_path):
    status, printed, _ = run("map", people)
    assert status == 0
    assert printed.startswith(
        "18 photos of 3 identities; 1 more without a face is left out.\nPCA: component 1 explains "
    )
    with Image.open("people-map.png") as picture:
        assert picture.format == "PNG"
    assert "Hugo_Chavez" in (tmp_path / "here" / "people-map.html").read_text("utf-8")


def test_map_as_json_has_every_point(run, people):
    told = json.loads(run("map", people, "--json")[1])
    assert sorted(point["photo"] for point in told["points"]) == sorted(
        f"{path.parent.name}/{path.name}" for path in people.glob("*/*.jpg")
    )
    assert all(point["photo"].startswith(f"{point['identity']}/") for point in told["points"])
    assert (told["photos"], told["without_face"], told["method"]) == (19, 1, "pca")
    embeddings, _ = Verifier().embed(people / point["photo"] for point in told["points"])
    scale = np.linalg.svd(embeddings - embeddings.mean(0), compute_uv=False) ** 2
    np.testing.assert_allclose(told["explained_variance"], (scale / scale.sum())[:2], rtol=1e-3)
    spread = np.var([[point["x"], point["y"]] for point in told["points"]], axis=0)
    np.testing.assert_allclose(spread, scale[:2] / len(embeddings), rtol=1e-3)


def test_map_draws_some_photos_by_seed_and_says_so(run, people):
    first, again, other = (
        json.loads(run("map", people, "--photos", 9, "--seed", seed, "--json")[1])["points"] for seed in (1, 1, 2)
    )
    assert len(first) == 9
    assert first == again
    assert {point["photo"] for point in first} != {point["photo"] for point in other}
    assert run("map", people, "--photos", 9)[1].startswith("9 of 19 photos, drawn at random")


def test_tsne_is_said_to_explain_nothing(run, people):
    status, printed, _ = run("map", people, "--method", "tsne")
    assert status == 0
    assert "no share of the variance" in printed
    assert json.loads(run("map", people, "--method", "tsne", "--json")[1])["explained_variance"] is None


def test_a_browser_shows_every_face_and_asks_for_nothing(run, people, browser, tmp_path):
    run("map", people, "--output", tmp_path / "map.html")
    page, asked, complaints = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    points = page.evaluate("() => Bokeh.documents[0].roots()[0].renderers[0].data_source.data.file.length")
    assert points == 18
    place = _place_of_point(page, 0)
    page.mouse.move(*place)
    tooltip = page.locator(".bk-tooltip-content").first
    tooltip.wait_for(state="visible")
    assert PEOPLE[0] in tooltip.inner_text()
    assert tooltip.locator("img").first.evaluate("image => image.naturalWidth") == 56
    page.mouse.click(*place)
    page.locator("#face img").wait_for(state="visible")
    assert PEOPLE[0] in page.locator("#face").inner_text()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_legible_on_a_phone_and_in_the_dark(run, portraits, browser, tmp_path, scheme):
    run("map", portraits, "--output", tmp_path / "map.html")
    page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme, is_mobile=True, has_touch=True)
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 400
    paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("() => Bokeh.documents[0].roots()[0].below[0].axis_label_text_color")
    dark = scheme == "dark"
    assert (int(paper[4:].split(",")[0]) < 64) == dark
    assert ink == ("#ececea" if dark else "#1b1b1b")
    page.touchscreen.tap(*_place_of_point(page, 0))
    page.locator("#face img").wait_for(state="visible")


def test_awkward_names_are_shown_as_they_are(run, portraits, browser, tmp_path):
    status, printed, _ = run("map", portraits, "--output", tmp_path / "map.html")
    assert (status, printed.split(";")[0].split("\n")[0]) == (0, "3 photos of 1 identity.")
    page = browser.new_page()
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.locator("ul li").all_inner_texts() == [f"● {AWKWARD.replace(' ', '_')}", "● unknown"]
    files = page.evaluate("() => [...Bokeh.documents[0].roots()[0].renderers[0].data_source.data.file]")
    for point, file in enumerate(files):
        page.mouse.move(5, 5)
        page.mouse.move(*_place_of_point(page, point))
        page.locator(".bk-tooltip-content", has_text=file).wait_for(state="visible")


def _place_of_point(page, point):
    """Return where on the screen a point of the map lies."""
    return page.evaluate(
        """(i) => {
          const view = Object.values(Bokeh.index)[0] ?? [...Bokeh.index][0];
          const points = view.model.renderers[0].data_source.data, corner = view.el.getBoundingClientRect();
          return [corner.x + view.frame.x_scale.compute(points.x[i]),
                  corner.y + view.frame.y_scale.compute(points.y[i])];
        }""",
        point,
    )


def test_neighbours_finds_the_other_photos_of_the_person(run, people):
    query = people / "Hugo_Chavez" / "Hugo_Chavez_0001.jpg"
    status, printed, _ = run("neighbours", query, people, "--json")
    told = json.loads(printed)
    assert status == 0
    assert (told["query"]["identity"], told["searched"], told["without_face"]) == ("Hugo_Chavez", 17, 1)
    assert [one["identity"] for one in told["neighbours"]] == ["Hugo_Chavez"] * 5
    assert str(query) not in [one["photo"] for one in told["neighbours"]]
    first = told["neighbours"][0]
    verdict = Verifier().verify(query, first["photo"])
    assert first["distance"] == pytest.approx(verdict.distance, abs=1e-6)
    assert first["same"] == verdict.same
    with Image.open("neighbours.png") as picture:
        assert picture.format == "PNG"


def test_neighbours_prints_a_line_for_each(run, people, hopper, tmp_path):
    status, printed, _ = run("neighbours", hopper, people, "-k", 3, "--draw", tmp_path / "near.jpg")
    lines = printed.splitlines()
    assert status == 0
    assert lines[2].split() == ["rank", "distance", "verdict", "identity", "photo"]
    assert [line.split()[0] for line in lines[3:6]] == ["1", "2", "3"]
    assert all(line.split()[2] == "different" for line in lines[3:6])
    with Image.open(tmp_path / "near.jpg") as picture:
        assert picture.format == "JPEG"


def test_neighbours_gives_all_there_are_and_takes_the_querys_name(run, portraits, hopper):
    told = json.loads(run("neighbours", hopper, portraits, "-k", 100, "--identity", "Grace Hopper", "--json")[1])
    assert told["query"]["identity"] == "Grace_Hopper"
    assert [one["same_identity"] for one in told["neighbours"]] == [None, None, False]
    assert told["neighbours"][0]["distance"] == pytest.approx(0, abs=1e-6)  # a copy is another file
    assert (
        "nobody in portraits is called Grace_Hopper"
        in run("neighbours", hopper, portraits, "--identity", "Grace Hopper")[2]
    )


def test_a_link_to_the_query_is_the_query(run, portraits, tmp_path, collins):
    os.symlink(portraits / AWKWARD / "1.jpg", tmp_path / "query.jpg")
    told = json.loads(run("neighbours", tmp_path / "query.jpg", portraits, "--json")[1])
    assert told["query"]["identity"] == AWKWARD.replace(" ", "_")
    assert len(told["neighbours"]) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("map", "PHOTOS"),
        ("map nowhere", "nowhere is not a folder"),
        ("map EMPTY", "EMPTY holds no photo"),
        ("map ALONE", "ALONE has too few photos that show a face, 1"),
        ("map WALLS", "no face was found"),
        ("map PORTRAITS --output map.txt", "map.txt"),
        ("map PORTRAITS --output none/map.html", "none/map.html"),
        ("map PORTRAITS --photos 2", "--photos"),
        ("map PORTRAITS --method umap", "--method"),
        ("map PORTRAITS -w nowhere.onnx", "nowhere.onnx"),
        ("neighbours", "QUERY"),
        ("neighbours HOPPER", "PHOTOS"),
        ("neighbours nobody.jpg PORTRAITS", "nobody.jpg"),
        ("neighbours LETTER PORTRAITS", "LETTER"),
        ("neighbours WALLS/wall.png PORTRAITS", "no face was found in WALLS/wall.png"),
        ("neighbours HOPPER nowhere", "nowhere is not a folder"),
        ("neighbours HOPPER EMPTY", "EMPTY holds no photo"),
        ("neighbours ALONE/1.jpg ALONE", "no other photo that shows a face"),
        ("neighbours HOPPER PORTRAITS -k 0", "-k"),
        ("neighbours HOPPER PORTRAITS --draw near.txt", "near.txt"),
        ("neighbours HOPPER PORTRAITS --draw none/near.png", "none/near.png"),
    ],
)
def test_trouble_is_one_line_that_names_it(run, portraits, hopper, tmp_path, arguments, named):
    places = {name: tmp_path / name.lower() for name in ("EMPTY", "ALONE", "WALLS", "LETTER")}
    for name in ("EMPTY", "ALONE", "WALLS"):
        places[name].mkdir()
    shutil.copy(hopper, places["ALONE"] / "1.jpg")
    Image.new("RGB", (200, 200), "grey").save(places["WALLS"] / "wall.png")
    places["LETTER"] = tmp_path / "letter.jpg"
    places["LETTER"].write_text("Dear reader,\n")
    for name, path in {**places, "PORTRAITS": portraits, "HOPPER": hopper}.items():
        arguments, named = (words.replace(name, str(path)) for words in (arguments, named))
    status, printed, complaint = run(*arguments.split())
    assert status == 2
    assert printed == ""
    complaint = complaint[complaint.index("facesim: ") :]  # after the progress
    assert named in complaint
    assert complaint.count("\n") == 1
    assert complaint.endswith((".\n", "?\n"))
    assert list((tmp_path / "here").iterdir()) == []
