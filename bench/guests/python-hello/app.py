"""The smallest HTTP function in Python: a WSGI application, which gunicorn serves just the same."""

BODY = b"hello, world\n"


def handler(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", str(len(BODY)))])
    return [BODY]
