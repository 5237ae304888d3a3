"""The verbs of the command line, in the sections in which `facesim --help` lists them."""

from typing import NamedTuple


class Verb(NamedTuple):
    """What a verb does, in a line, and the extra that it needs."""

    summary: str
    extra: str


SECTIONS = {
    "Compare photos": {
        "predict": Verb("compare two photos, one photo with a folder of them, or many pairs", ""),
        "serve": Verb("compare photos in a browser, or from any program over HTTP", "serve"),
    },
    "Galleries": {
        "enrol": Verb("add people by name, from one photo each or more", "gallery"),
        "embed": Verb("add every face in a collection of photos, without names", "gallery"),
        "identify": Verb("name the people in a photo", "gallery"),
        "search": Verb("find the faces nearest to one", "gallery"),
        "watch": Verb("name the people in front of a camera, or in a video", "watch"),
        "cluster": Verb("group photos by person", "gallery"),
        "list": Verb("list who is enrolled, or show how large a gallery is", "gallery"),
        "rename": Verb("give a person another name, or merge two people into one", "gallery"),
        "export": Verb("sort the photos of a gallery into a folder per person", "gallery"),
        "forget": Verb("delete a person, a photo or everything, for good", "gallery"),
        "reembed": Verb("rebuild a gallery with another model", "gallery"),
    },
    "Evaluate a model": {
        "evaluate": Verb("measure how accurate a model is on people it has never seen", "reports"),
        "sweep": Verb("report what every threshold costs, with charts and the worst errors", "reports"),
        "calibrate": Verb("choose a threshold for your own photos, and check it", "reports"),
        "compare": Verb("test whether one model is better than another, or was lucky", "reports"),
        "map": Verb("draw which faces a model finds similar, as a map", "reports"),
        "neighbours": Verb("find the photos in a data set that are nearest to one", "reports"),
    },
    "Data and training": {
        "inspect": Verb("find a data set's bad photos, copies, and copies under two names", "reports"),
        "preview": Verb("draw the crops that training reads", "train"),
        "train": Verb("train the network, choose its threshold, write the model file", "train"),
        "adopt": Verb("use another recogniser, an ONNX file", "adopt"),
        "cache": Verb("list what facesim keeps on this machine, or clear it", "reports"),
    },
}
VERBS = {name: verb for verbs in SECTIONS.values() for name, verb in verbs.items()}
FORMER_VERBS = {"stats": ("list", "--totals")}  # they still work, but --help does not list them
OTHER_WORDS = {"verify": "predict", "enroll": "enrol"}  # words that people try
