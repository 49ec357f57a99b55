"""Requests as the host hands them over: a list of texts, each its UTF-8 bytes read as Latin-1."""

# Between two texts; in Latin-1 the byte that no UTF-8 text has.
SEPARATOR = "\xff"

# The places of the context's texts and of the request's. The last is the rest, not yet split: the client's address, the
# number of queries, queries, headers. It is mostly the same for all requests of a client.
REQUEST_ID, DEADLINE, TRACE_PARENT, METHOD, PATH, URL, REST = range(7)


def client_and_headers(rest: str) -> tuple[str, list[str]]:
    """The client's address; names and values of the headers in turns."""
    client_ip, queries, *texts = rest.split(SEPARATOR)
    return client_ip, texts[2 * int(queries) :]


def decoded(text: str) -> str:
    return text.encode("latin-1").decode()
