"""A page that says what it was asked: a WSGI function."""

import json


def handler(environ, start_response):
    answer = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ.get("QUERY_STRING", ""),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer, indent=2).encode() + b"\n"]
