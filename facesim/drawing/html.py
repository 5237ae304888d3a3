"""What the pages of reports share: their template's setting, and pictures that lie inside them."""

import base64
import io
from pathlib import Path

from bokeh.resources import Resources
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from PIL import Image


def page_environment(folder: Path) -> Environment:
    """Return how the templates in `folder` are filled in: every name is escaped."""
    return Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def bokeh_inside() -> Markup:
    """Return Bokeh's own script, so that the page fetches nothing."""
    return Markup(Resources(mode="inline", components=["bokeh"]).render_js())


def jpeg_uri(image: Image.Image, quality: int) -> Markup:
    """Return an image as the address of itself."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality, optimize=True)
    return Markup("data:image/jpeg;base64,") + base64.b64encode(content.getvalue()).decode()
