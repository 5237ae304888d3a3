"""The verbs of the command line, in the sections in which `facesim --help` lists them."""

from typing import NamedTuple


class Verb(NamedTuple):
    """What a verb does, in a line, and the extra that it needs."""

    does: str
    extra: str


SECTIONS = {
    "Compare photos": {
        "predict": Verb("compare two photos, one photo with a folder of them, or many pairs", ""),
    },
    "Galleries": {
        "enrol": Verb("add people, from one photo each or from many", "gallery"),
        "embed": Verb("add all faces of a collection, without names", "gallery"),
        "identify": Verb("say who is on a photo", "gallery"),
        "search": Verb("find the faces nearest to one", "gallery"),
        "watch": Verb("name the faces before a camera, or in a video", "watch"),
        "cluster": Verb("group photos by who is on them", "gallery"),
        "list": Verb("say who is enrolled", "gallery"),
        "rename": Verb("give a person another name, or make two people one", "gallery"),
        "forget": Verb("remove a person, a photo or everything, for good", "gallery"),
        "reembed": Verb("make a gallery again with another model", "gallery"),
        "stats": Verb("say what a gallery holds, and how large it is", "gallery"),
    },
    "Judge a model": {
        "evaluate": Verb("how accurate it is on people it never saw", "reports"),
        "sweep": Verb("what every threshold costs: a report with charts and the worst errors", "reports"),
        "compare": Verb("whether one model is better than another, or was lucky", "reports"),
        "map": Verb("which faces it takes to be similar, as a map", "reports"),
        "neighbours": Verb("the photos nearest to one", "reports"),
    },
    "Data and training": {
        "inspect": Verb("see what a data set holds: bad photos, copies, copies under two names", "reports"),
        "preview": Verb("see the crops that training reads", "train"),
        "train": Verb("train the network, choose its threshold, write the model file", "train"),
        "adopt": Verb("use another recogniser, an ONNX file", "adopt"),
    },
}
VERBS = {name: verb for verbs in SECTIONS.values() for name, verb in verbs.items()}
