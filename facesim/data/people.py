"""people.csv in a data set's folder: facts about each person, a column for each."""

import csv
from pathlib import Path

from facesim.data.dataset import identity_of
from facesim.errors import FaceSimError
from facesim.folder import PEOPLE_TABLE
from facesim.names import name_key


def read_people(folder: Path) -> dict[str, dict[str, str]]:
    """Return each column's value by `name_key` of the identity: `{"gender": {"ana_li": "female"}}`.

    Empty if there is no people.csv. Its first line names its columns; `identity` holds the people's folders.

    Raises FaceSimError if it makes no sense.
    """
    path = folder / PEOPLE_TABLE
    if not path.is_file():
        return {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [column for column in reader.fieldnames or () if column != "identity"]
            if "identity" not in (reader.fieldnames or ()):
                raise FaceSimError(f"{path} must begin with a line that names its columns, identity among them.")
            rows = [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]
    except OSError as error:
        raise FaceSimError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FaceSimError(f"{path} is not a CSV file in UTF-8 ({error}).") from error
    return {column: {name_key(identity_of(row["identity"])): row[column] for row in rows} for column in columns}
