"""Servers that run in a thread of the tests, and a client of few lines."""

import contextlib
import http.client
import json
import re
import threading
import uuid
from dataclasses import dataclass

from jsonschema import Draft202012Validator

from facesim.serve.app import make_app
from facesim.serve.openapi import DOCUMENT
from facesim.serve.server import listen, make_server


def form(photos, fields) -> tuple[bytes, str]:
    """Return a multipart form and its content type; `photos` are pairs of a name and bytes."""
    boundary = uuid.uuid4().hex
    parts = [(f'name="{name}"; filename="../../{name}.jpg"', data) for name, data in photos]
    parts += [(f'name="{name}"', str(value).encode()) for name, value in fields.items()]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def check_described(method: str, path: str, answer: Answer) -> None:
    """Fail where an answer is none of those that the API's description promises for its method and path."""
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if method.lower() in operations and re.fullmatch(pattern, path.partition("?")[0]):
            described = operations[method.lower()]["responses"][str(answer.status)]
            if "$ref" in described:
                described = DOCUMENT["components"]["responses"][str(answer.status)]
            ((kind, content),) = described["content"].items()
            assert answer.headers.get_content_type() == kind
            if "schema" in content:
                Draft202012Validator(content["schema"] | {"components": DOCUMENT["components"]}).validate(answer.json)


class Client:
    """Sends requests to a port of this machine, and checks each answer by the API's description."""

    def __init__(self, port: int, **headers: str):
        self.port, self.headers = port, {name.replace("_", "-"): value for name, value in headers.items()}

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        check_described(method, path, answer)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, path: str, *photos: tuple[str, bytes], **fields: object) -> Answer:
        body, content_type = form(photos, fields)
        return self.send("POST", path, body, Content_Type=content_type)


@contextlib.contextmanager
def running(verifier, **options):
    """Run a server, and yield a client of it."""
    with contextlib.closing(listen("127.0.0.1", 0)) as bound:
        server = make_server(make_app(verifier, **options))
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        try:
            yield Client(bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()
