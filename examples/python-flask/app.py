"""A Flask application as it would run under any WSGI server."""

from flask import Flask, abort, jsonify, render_template_string, request

app = Flask(__name__)
guests: list[str] = []

PAGE = """<!doctype html>
<title>Guests</title>
<h1>{{ guests | length }} guests</h1>
<ul>{% for guest in guests %}<li>{{ guest }}</li>{% endfor %}</ul>
"""


@app.get("/")
def page():
    return render_template_string(PAGE, guests=guests)


@app.get("/guests")
def listed():
    return jsonify(guests=guests)


@app.post("/guests")
def added():
    name = (request.get_json(silent=True) or {}).get("name")
    if not isinstance(name, str) or not name.strip():
        abort(400, description='send a JSON object such as {"name": "Ada"}')
    guests.append(name.strip())
    app.logger.warning("%s came", name.strip())
    return jsonify(count=len(guests)), 201
