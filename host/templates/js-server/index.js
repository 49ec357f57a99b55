// A plain server, as a custom runtime has it. No socket is opened: wisp hands requests to the server inside the function,
// events as POST /invoke, and the initializer as POST /initialize.
const http = require('http');

let greeting = 'Hello';

const read = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

http
  .createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    if (request.method === 'POST' && pathname === '/initialize') {
      greeting = 'Welcome';
      return response.end();
    }
    if (request.method === 'POST' && pathname === '/invoke') {
      const event = await read(request);
      console.log(`${event.length} characters came`);
      return response.end(event.toUpperCase());
    }
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ greeting: `${greeting}, ${searchParams.get('name') ?? 'stranger'}!`, path: pathname }));
  })
  .listen(9000);
