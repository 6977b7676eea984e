"""Asks a server, in whole requests and in halves."""

import concurrent.futures
import contextlib
import json
import socket
import urllib.error
import urllib.parse
import urllib.request


def ask(url, body=None, headers=None):
    """Status and JSON of the answer; POST if there is a body."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def head(path, header):
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode()


@contextlib.contextmanager
def unfinished(url, body=b'{"instances": [[1, 2, 3]]}'):
    """A request under way, of whose body one byte is still to come."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as stream:
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        stream.sendall(head.encode() + body[:-1])
        ask(url.replace(parts.path, "/healthz"))  # answered after this one is seen
        yield stream


def together(url, bodies):
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda body: ask(url, body), bodies))
