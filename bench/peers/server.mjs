// Node's own HTTP server with the answer that all have: node server.mjs PORT

import { createServer } from 'node:http';

const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 13 });
  response.end('hello, world\n');
});
// A load that pauses between its rounds keeps its connections.
server.keepAliveTimeout = 600_000;
server.listen(Number(process.argv[2]), '127.0.0.1');
