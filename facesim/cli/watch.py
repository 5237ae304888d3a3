"""`facesim watch`: name the faces before a camera, or in a video."""

import contextlib
import json
import os
from pathlib import Path

import click

from facesim.cli import GPU, HELP, MODEL, Command
from facesim.cli.gallery_options import (
    ALL_FACES,
    FMR,
    GALLERY,
    IDENTIFIED_COLUMNS,
    THRESHOLD,
    identified_line,
    open_identifier,
    say_how_many_strangers_pass,
)


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@click.argument("source")
@click.option(
    "--every", type=click.FloatRange(0), default=0, metavar="SECONDS", help="Look at a frame so often, not at each."
)
@FMR
@THRESHOLD
@ALL_FACES
@MODEL
@GPU
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each frame, with a face or without.")
@click.option("--show", type=click.Path(dir_okay=False), metavar="VIDEO.mp4", help="Write the frames, named, here.")
def watch(address, source, every, fmr, threshold, selection, model, gpu, as_json, show):
    """Name the faces before a camera, or in a video, by who is enrolled in GALLERY.

    \b
    facesim watch GALLERY 0                      the first camera, until Ctrl-C
    facesim watch GALLERY clip.mp4 --every 0.5   a video, two frames of each second

    SOURCE is the number of a camera of this machine, or a video file (./0 names a file). Each face of each frame
    gets its line, at once, so that a program can act on it.

    A frame gets one quick look: faces must be upright, and 75 pixels wide (of a frame over 1280 pixels, a seventeenth
    of it). A camera's frames that come while one is looked at are passed over. A video's are all looked at, some 15 to
    30 in a second: of an hour of them, --every 1 takes 3,600 in place of 90,000.

    A stranger has a chance in every frame to be taken for somebody: give --fmr, and act on no single frame. The
    threshold and the probability are those of facesim identify.

    Exit status: 0 somebody known was seen, 1 nobody known was, 2 trouble (the video is damaged, say).
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong with a video is ours to tell, in a sentence
    from tqdm import tqdm

    from facesim.gallery.picture import draw_identified
    from facesim.gallery.video import CutShortError, Video, check_video_path, write_video
    from facesim.gallery.watch import identify_frames

    if show:
        check_video_path(Path(show), source)
    identifier = open_identifier(address, model, gpu, fmr, threshold, selection, quick=True)
    known, cut_short = False, None
    with contextlib.ExitStack() as stack:
        video = stack.enter_context(Video(source))
        rate = min(video.rate, 1 / every) if every else video.rate
        writer = stack.enter_context(write_video(Path(show), rate)) if show else None
        if fmr is None:
            say_how_many_strangers_pass(identifier)
        if not as_json:
            click.echo(f"seconds  {IDENTIFIED_COLUMNS}")
        hidden = video.is_camera or None  # None: unless stderr is a terminal
        bar = stack.enter_context(tqdm(total=video.count, desc="watching", unit="frame", disable=hidden))
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
        except CutShortError as error:  # what was seen counts
            cut_short = error
        except KeyboardInterrupt:
            if not video.is_camera:
                raise
    if cut_short:
        raise cut_short
    return 0 if known else 1
