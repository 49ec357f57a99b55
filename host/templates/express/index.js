// An Express application. No socket is opened: wisp hands requests to the server inside the function.
const express = require('express');

const app = express();
app.use(express.json());

const notes = [];

app.get('/', (req, res) => res.json({ notes }));

app.post('/', (req, res) => {
  notes.push(req.body.text);
  res.status(201).json({ count: notes.length });
});

app.listen(9000);
