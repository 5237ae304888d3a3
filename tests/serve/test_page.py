"""The page in a real browser, with real photos and a real server."""

import base64
import contextlib
import io

import numpy as np
import pytest
from PIL import Image
from serving import running

from facesim.drawing import palette
from facesim.verifier import Verifier

SOON = 10_000  # milliseconds

# What a file manager or a clipboard hands to a page, which a test cannot do by hand
HAND_OVER = """(element, {kind, files}) => {
  const data = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, {type: "image/jpeg"}));
  }
  const options = {bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data};
  element.dispatchEvent(kind === "paste" ? new ClipboardEvent(kind, options) : new DragEvent(kind, options));
}"""


@pytest.fixture
def open_page(browser):
    """Opens a server's page; at the end, nothing must have left this machine, and no script have failed."""
    with contextlib.ExitStack() as opened:

        def open_page(client, view="", width=1280, first="#scale", **options):
            context = browser.new_context(viewport={"width": width, "height": 800}, **options)
            opened.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(SOON)
            page.sent, page.failed = [], []
            page.on("request", lambda request: page.sent.append(request.url))
            page.on("pageerror", lambda error: page.failed.append(str(error)))
            page.on("console", lambda line: "Security Policy" in line.text and page.failed.append(line.text))
            opened.callback(check, page, f"http://127.0.0.1:{client.port}/")
            page.goto(f"http://127.0.0.1:{client.port}/{view}")
            page.locator(first).wait_for(state="attached" if view else "visible")
            return page

        def check(page, home):
            assert page.failed == []
            assert [url for url in page.sent if not url.startswith((home, "data:"))] == []

        yield open_page


@pytest.fixture
def print_of_hopper(repository):
    return repository / "examples" / "grace_hopper_print.jpg"


@pytest.fixture(scope="module")
def with_people(verifier, model, tmp_path_factory):
    """A server whose gallery is empty and may be written to."""
    store = pytest.importorskip("facesim.gallery.store", reason="the extra gallery is not installed")
    gallery = store.open_or_create_gallery(str(tmp_path_factory.mktemp("gallery") / "people"), model)
    with running(verifier, gallery=gallery, can_write=True) as client:
        client.gallery = gallery
        yield client


def hand_over(page, kind, place, *photos):
    files = [(photo.name, base64.b64encode(photo.read_bytes()).decode()) for photo in photos]
    page.locator(place).evaluate(HAND_OVER, {"kind": kind, "files": files})


def choose(page, **photos):
    for place, photo in photos.items():
        page.set_input_files(f"#{place} input", photo)


def says(page, place, words):
    page.locator(place, has_text=words).wait_for()


def test_two_dropped_photos_get_the_verdict_of_predict(client, open_page, verifier, hopper, print_of_hopper):
    page = open_page(client)
    hand_over(page, "drop", "#photo1 .hint", hopper)
    hand_over(page, "drop", "#photo2 .hint", print_of_hopper)
    says(page, "#verdict", "Same person.")
    says(page, "#reason", f"{verifier.verify(hopper, print_of_hopper).distance:.4f}")
    says(page, "#probability", "over 99.9 % that it is one person")
    assert page.locator(".face[aria-pressed=true]").count() == 2
    for crop in page.locator("#crops img").all():
        assert crop.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 160
    assert page.locator("#crops img").count() == 2


def test_photos_can_be_pasted_and_two_dropped_at_once(client, open_page, print_of_hopper, collins):
    page = open_page(client)
    hand_over(page, "paste", "body", collins)
    says(page, "#photo1 .state", "1 face found.")
    hand_over(page, "paste", "body", print_of_hopper)
    says(page, "#verdict", "Different people.")
    hand_over(page, "drop", "#photo2", collins, collins)
    says(page, "#verdict", "Same person.")


def test_the_camera_takes_a_photo_and_stops(client, open_page, collins):
    page = open_page(client)
    page.evaluate(
        """async (text) => {
          const image = new Image();
          image.src = "data:image/jpeg;base64," + text;
          await image.decode();
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.width, image.height];
          const draw = () => canvas.getContext("2d").drawImage(image, 0, 0);
          setInterval(draw, 20);
          navigator.mediaDevices.getUserMedia = async () => (window.seen = canvas.captureStream());
        }""",
        base64.b64encode(collins.read_bytes()).decode(),
    )
    page.click("#photo1 .camera")
    page.click("#camera .take")
    says(page, "#photo1 .state", "1 face found.")
    assert page.evaluate("seen.getTracks().map((track) => track.readyState)") == ["ended"]


def test_another_face_can_be_compared(client, open_page, verifier, hopper, both):
    page = open_page(client)
    choose(page, photo1=hopper, photo2=both)
    says(page, "#verdict", "Same person.")
    other = page.locator("#photo2 .face[aria-pressed=false]")
    other.focus()
    page.keyboard.press("Enter")
    says(page, "#verdict", "Different people.")
    box = verifier.embed_faces(both, "all").faces[1].box
    says(page, "#reason", f"{verifier.verify(hopper, both, box2=box).distance:.4f}")
    assert page.locator("#photo2 .face").last.get_attribute("aria-pressed") == "true"
    page.locator("#photo2 .face").first.click()
    says(page, "#reason", f"{verifier.verify(hopper, both).distance:.4f}")


def test_the_verdict_follows_the_threshold_without_a_request(client, open_page, model, print_of_hopper):
    page = open_page(client)
    choose(page, photo1=print_of_hopper, photo2=print_of_hopper)
    says(page, "#verdict", "Same person.")
    for place in ("#photo1", "#photo2"):
        says(page, f"{place} .state", "1 face found.")
    before = len(page.sent)
    page.locator("#threshold").focus()
    page.keyboard.press("Home")
    says(page, "#verdict", "Different people.")
    says(page, "#probability", "the threshold asks for more")
    assert [page.inner_text(rate) for rate in ("#fmr", "#fnmr")] == ["0 %", "100 %"]
    for point in model.info.operating_points:
        page.click(f"text='{point.name}'")
        says(page, "#verdict", "Same person.")
        says(page, "#reason", f"{point.threshold:.4f}")
        shown = [float(page.inner_text(rate).split(" ")[0]) / 100 for rate in ("#fmr", "#fnmr")]
        assert shown == pytest.approx([point.fmr, point.fnmr], rel=0.05)
    assert len(page.sent) == before


def test_between_stored_thresholds_rates_come_from_the_distances(client, open_page, model):
    page = open_page(client)
    page.locator("#threshold").fill("0.42")
    counts = model.info.distances
    edge = round(0.42 / counts.step)
    expected = [sum(counts.impostor[:edge]) / sum(counts.impostor), sum(counts.genuine[edge:]) / sum(counts.genuine)]
    shown = [float(page.inner_text(rate).split(" ")[0]) / 100 for rate in ("#fmr", "#fnmr")]
    assert shown == pytest.approx(expected, rel=0.05)
    says(page, "#rates-note", f"Measured on {counts.data}, {sum(counts.impostor):,} pairs of strangers")


def test_without_distances_the_nearest_stored_threshold_is_named(open_page, write_model):
    verifier = Verifier(write_model(distances=None))
    with running(verifier) as client:
        page = open_page(client)
        page.locator("#threshold").fill("0.38")
        nearest = min(verifier.model.info.operating_points, key=lambda point: abs(point.threshold - 0.38))
        says(page, "#rates-note", f"At the nearest stored threshold ({nearest.name}")
        assert page.locator("#chart path").count() == 0


def test_an_error_stands_at_its_photo(client, open_page, faceless, collins):
    page = open_page(client)
    choose(page, photo1=faceless, photo2=collins)
    says(page, "#photo1 .error", "No face was found in the photo")
    says(page, "#photo2 .state", "1 face found.")
    assert page.inner_text("#photo2 .error") == ""
    choose(page, photo1=collins)
    says(page, "#verdict", "Same person.")
    assert page.inner_text("#photo1 .error") == ""


def test_with_a_token_the_page_asks_for_it_once(verifier, open_page):
    with running(verifier, token="a token of many letters") as client:
        page = open_page(client, first="[name=token]")
        assert page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "12px"
        page.fill("[name=token]", "another token of letters")
        page.keyboard.press("Enter")
        says(page, "[role=alert]", "That is not the token")
        page.fill("[name=token]", "a token of many letters")
        page.keyboard.press("Enter")
        page.locator("#scale").wait_for()
        page.reload()
        page.locator("#scale").wait_for()


def test_a_large_photo_is_shown_small_and_upright_and_sent_whole(client, open_page, tmp_path, hopper):
    large = tmp_path / "large.jpg"
    with Image.open(hopper) as photo:
        turned = photo.resize((2560, 3000)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    turned.save(large, exif=exif)
    page = open_page(client)
    with page.expect_request("**/v1/faces") as sent:
        choose(page, photo1=large)
    says(page, "#photo1 .state", "1 face found.")
    assert sent.value.headers["content-type"].startswith("multipart/form-data")
    assert int(sent.value.all_headers()["content-length"]) > large.stat().st_size
    page.locator("#photo1.filled").wait_for()
    assert page.locator("#photo1 canvas").evaluate("({width, height}) => [width, height]") == [1195, 1400]
    face, picture = (page.locator(f"#photo1 {part}").bounding_box() for part in (".face", "canvas"))
    assert 0.3 < (face["x"] + face["width"] / 2 - picture["x"]) / picture["width"] < 0.7
    assert 0.3 < (face["y"] + face["height"] / 2 - picture["y"]) / picture["height"] < 0.6


def test_people_are_enrolled_found_renamed_merged_and_forgotten(with_people, open_page, hopper, collins, both):
    page, names = open_page(with_people, "#gallery"), with_people.gallery.names
    for name, photo in (("Grace", hopper), ("Eileen", collins)):
        page.fill("#enrol input[name=name]", name)
        page.set_input_files("#enrol input[type=file]", photo)
        page.click("#enrol button")
        says(page, "#people-state", f"{name} is enrolled, with 1 photo.")
    choose(page, photo=both)
    says(page, "#found", "Grace")
    assert page.locator("#photo .label").all_inner_texts() == ["Grace", "Eileen"]

    page.click("text=Rename >> nth=1")  # Grace: names are in order
    page.fill("#question input", "Grace Hopper")
    page.keyboard.press("Enter")
    says(page, "#found", "Grace Hopper")
    assert names() == {"Eileen": 1, "Grace Hopper": 1}

    page.click("text=Rename >> nth=0")
    page.fill("#question input", "grace hopper")
    page.click("#question .yes")
    says(page, "#question .error", "Are Eileen and Grace Hopper one person?")
    page.click("text=Merge them")
    says(page, "#people", "2 faces")
    assert names() == {"Grace Hopper": 2}

    page.click("#people .forget")
    page.click("#question .yes")
    says(page, "#question .error", "This cannot be undone")
    page.click("#question .no")
    assert names() == {"Grace Hopper": 2}
    page.click("#people .forget")
    page.click("#question .yes")
    page.click("text=Yes, forget Grace Hopper for good")
    says(page, "#people-state", "Nobody is enrolled yet.")
    assert names() == {}


def test_without_write_the_page_offers_no_changes(verifier, open_page, model, tmp_path, collins):
    store = pytest.importorskip("facesim.gallery.store", reason="the extra gallery is not installed")
    from facesim.gallery.enrol import enrol

    gallery = store.open_or_create_gallery(str(tmp_path / "people"), model)
    list(enrol(gallery, verifier, [(str(collins), "Eileen Collins")]))
    with running(verifier, gallery=gallery) as client:
        page = open_page(client, "#gallery")
        says(page, "#people", "Eileen Collins")
        picture = page.locator("#people img")
        assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 160
        assert page.locator("#enrol, .rename, .forget").count() == 0
        assert "is kept: nothing." in page.inner_text("footer")


@pytest.mark.parametrize("view", ["", "#gallery"])
def test_a_phone_needs_no_sideways_scrolling_and_axe_finds_nothing_serious(
    with_people, open_page, view, print_of_hopper, collins
):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(with_people, view, width=360, reduced_motion="reduce")
    choose(page, **({"photo": collins} if view else {"photo1": print_of_hopper, "photo2": collins}))
    says(page, "#found" if view else "#verdict", "Unknown" if view else "Different people.")
    says(page, "#photo .state" if view else "#photo2 .state", "1 face found.")
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours, reduced_motion="reduce")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
        assert (np.median(shot[:20]) < 64) == (colours == "dark")
        found = axe.Axe().run(page).response["violations"]
        serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in serious] == []


def test_the_keyboard_is_enough(client, open_page, print_of_hopper, collins):
    page = open_page(client)

    def tab_to(selector):
        for _ in range(30):
            if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {selector}")

    for place, photo in (("#photo1", print_of_hopper), ("#photo2", collins)):
        tab_to(f"{place} input")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Space")
        chooser.value.set_files(photo)
    says(page, "#verdict", "Different people.")
    tab_to("#threshold")
    page.keyboard.press("End")
    says(page, "#verdict", "Same person.")


def test_the_page_has_the_colours_of_the_pictures(client):
    style = client.get("/static/style.css").body.decode()
    for colour in (palette.INK, palette.GREEN, palette.RED, palette.BLUE):
        assert f": {colour};" in style
