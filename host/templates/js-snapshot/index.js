// Finds articles by their words: /?q=blue+wool.
//
// The index is made once, when the function is deployed, and every instance starts with it: `snapshot` in wisp.toml.

const fs = require('node:fs');

let articles;
let places; // word → numbers of articles
let indexed;

const wordsOf = (text) => text.toLowerCase().match(/\p{L}+/gu) ?? [];

// Runs once for all instances, with the files of this directory and the environment variables, but without network: what
// must be fresh or secret in each instance belongs into the handler, or into an after-restore hook.
exports.initialize = () => {
  const [, ...lines] = fs.readFileSync('/code/articles.csv', 'utf8').trim().split('\n');
  articles = lines.map((line) => line.split(';')).map(([name, price]) => ({ name, price: Number(price) }));
  places = new Map();
  for (const [number, { name }] of articles.entries()) {
    for (const word of wordsOf(name)) places.set(word, (places.get(word) ?? new Set()).add(number));
  }
  indexed = new Date().toISOString();
  console.log(`${articles.length} articles are indexed by ${places.size} words`);
};

exports.handler = (req, resp, context) => {
  const wanted = wordsOf([req.queries.q ?? ''].flat().join(' '));
  const found = articles.filter((_, number) => wanted.every((word) => places.get(word)?.has(number)));
  resp.setHeader('content-type', 'application/json');
  resp.send(JSON.stringify({ found, currency: process.env.CURRENCY, indexed, requestId: context.requestId }, null, 2) + '\n');
};
