"""`facesim watch`: name the people in front of a camera, or in a video."""

import contextlib
import json
import os

import click

from facesim.cli import verb
from facesim.cli.identification import (
    IDENTIFIED_COLUMNS,
    identified_line,
    note_highest_fmr,
    note_named_strangers,
    open_identifier,
)
from facesim.cli.options import (
    FMR,
    GALLERY,
    GPU,
    JSON_LINES,
    MODEL,
    check_one_threshold,
    draw_option,
    faces_option,
    threshold_option,
)


@verb(status="0 somebody known was seen, 1 nobody known was seen, 2 trouble (the video is damaged, say).")
@GALLERY
@click.argument("source")
@click.option("--every", type=click.FloatRange(0), default=0, metavar="SECONDS", help="Look only this often.")
@FMR
@threshold_option("as --fmr picks it")
@faces_option("all")
@MODEL
@GPU
@JSON_LINES
@draw_option("Write an .mp4 of the frames with their faces and names.", former=["--show"])
def watch(address, source, every, fmr, threshold, selection, model, gpu, as_json, draw):
    """Name the people in front of a camera, or in a video, who are enrolled in GALLERY.

    \b
    facesim watch GALLERY 0                      the first camera, until Ctrl-C
    facesim watch GALLERY clip.mp4 --every 0.5   a video, two frames of each second

    SOURCE is the number of a camera of this machine, or a video file (./0 names a file). Each face in each frame gets a
    line, at once, so that a program can act on it; --json prints a line for each frame, even without a face.

    Faces must be upright and 75 pixels wide (in frames over 1280 pixels wide, a seventeenth of the width). A camera's
    frames are skipped while one is looked at. In a video, every frame is looked at, some 15 to 30 a second: with
    --every 1, an hour takes 3,600 frames instead of 90,000.

    In every frame, a stranger has another chance to match: never act on a single frame. Threshold and probability are
    those of facesim identify.
    """
    check_one_threshold(threshold, fmr)
    from facesim.gallery.reading import check_gallery
    from facesim.gallery.video_file import check_source, check_video_path

    check_gallery(address)
    check_source(source)
    if draw:
        check_video_path(draw, source)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # facesim reports damaged videos itself
    from tqdm import tqdm

    from facesim.gallery.picture import draw_identified
    from facesim.gallery.video import CutShortError, Video, write_video
    from facesim.gallery.watch import identify_frames

    identifier = open_identifier(address, model, gpu, fmr, threshold, selection, quick=True)
    known, cut_short = False, None
    with contextlib.ExitStack() as stack:
        video = stack.enter_context(Video(source))
        rate = min(video.rate, 1 / every) if every else video.rate
        writer = stack.enter_context(write_video(draw, rate)) if draw else None
        if fmr is None:
            note_named_strangers(identifier, threshold)
        if not as_json:
            note_highest_fmr(identifier)
            click.echo(f"seconds  {IDENTIFIED_COLUMNS}")
        disable = video.is_camera or None  # None: unless stderr is a terminal
        bar = stack.enter_context(tqdm(total=video.count, desc="watching", unit="frame", disable=disable))
        try:
            for frame, found in identify_frames(video, identifier, every):
                with tqdm.external_write_mode():
                    if as_json:
                        seen = [face.as_dict() for face in found]
                        click.echo(json.dumps({"frame": frame.number, "seconds": frame.seconds, "faces": seen}))
                    else:
                        for face in found:
                            click.echo(f"{frame.seconds:>7.2f}  {identified_line(face)}")
                known = known or any(face.name for face in found)
                if writer:
                    writer.add(draw_identified(frame.pixels, found), frame.seconds)
                bar.update(frame.number + 1 - bar.n)
        except CutShortError as error:  # what was seen still counts
            cut_short = error
        except KeyboardInterrupt:
            if not video.is_camera:
                raise
    if cut_short:
        raise cut_short
    return 0 if known else 1
