"""What HTML reports share: how their templates are filled in, and pictures and scripts within the page."""

import base64
import io
from pathlib import Path

import numpy as np
from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from PIL import Image

from facesim.detector.crop import centre_crop

CLEAR = {"background_fill_color": None, "border_fill_color": None, "outline_line_color": None}  # of a Bokeh chart


def page_environment(folder: Path) -> Environment:
    """Return the environment for the templates in `folder`, which extend page.html; it escapes every name."""
    loader = FileSystemLoader([folder, Path(__file__).parent])
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def bokeh_inside() -> Markup:
    """Return Bokeh's own script, so that the page fetches nothing."""
    return Markup(Resources(mode="inline", components=["bokeh"]).render_js())


def jpeg_uri(image: Image.Image, quality: int) -> Markup:
    """Return an image as a data URI."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality, optimize=True)
    return Markup("data:image/jpeg;base64,") + base64.b64encode(content.getvalue()).decode()


def face_uri(wide_crop: np.ndarray, side: int, quality: int) -> Markup:
    """Return the face in a wide crop, `(252, 252, 3) uint8`, as a data URI of `side` × `side` pixels."""
    return jpeg_uri(Image.fromarray(centre_crop(wide_crop)).resize((side, side), Image.Resampling.LANCZOS), quality)
