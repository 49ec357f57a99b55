"""The smallest Flask application, which gunicorn serves just the same."""

from flask import Flask, Response

app = Flask(__name__)


@app.get("/")
def hello():
    return Response("hello, world\n", mimetype="text/plain")
