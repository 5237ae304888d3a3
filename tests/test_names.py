import unicodedata

import pytest

from facesim.names import Spellings, name_key


@pytest.mark.parametrize(
    "other", [unicodedata.normalize("NFD", "Zoë Li"), "ZOË LI", " zoë li ", unicodedata.normalize("NFD", "ZOË Li\t")]
)
def test_spellings_of_a_name_are_one_name(other):
    assert other != "Zoë Li"
    assert name_key(other) == name_key("Zoë Li")
    assert Spellings(["Zoë Li"]).first(other) == "Zoë Li"


def test_names_that_differ_in_a_letter_are_two():
    assert len({name_key(name) for name in ("Zoë Li", "Zoe Li", "ZoëLi", "Zoë Liu")}) == 4
