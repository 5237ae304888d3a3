import numpy as np
import pytest
from PIL import Image

from facesim.photo import Photo, open_photo

EYES = {"hopper": ((222, 190), (305, 188)), "collins": ((144, 101), (186, 103))}  # read off the photos by hand


@pytest.fixture(params=EYES)
def portrait(request) -> tuple[Image.Image, np.ndarray]:
    """A photo of one person, and where its two eyes are, (2, 2)."""
    return open_photo(request.getfixturevalue(request.param)).view(), np.array(EYES[request.param])


@pytest.fixture
def head(hopper) -> Image.Image:
    """Grace Hopper's head, 200×200."""
    return open_photo(hopper).view().crop((100, 60, 440, 400)).resize((200, 200))


@pytest.fixture
def views(monkeypatch) -> list[int | None]:
    """The longer sides at which photos are asked for, from here on."""
    asked, view = [], Photo.view

    def spy(photo, longer_side=None, enough=None):
        asked.append(longer_side)
        return view(photo, longer_side, enough)

    monkeypatch.setattr(Photo, "view", spy)
    return asked
