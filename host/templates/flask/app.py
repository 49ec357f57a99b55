"""A Flask application, as it is."""

from flask import Flask, jsonify, request

app = Flask(__name__)
notes = []


@app.get("/")
def index():
    return jsonify(notes=notes)


@app.post("/")
def add():
    notes.append(request.get_json()["text"])
    return jsonify(count=len(notes)), 201
