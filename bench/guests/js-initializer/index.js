// A function whose initializer takes a tenth of a second.

let ready = false;

exports.initializer = function (context, callback) {
  const began = Date.now();
  while (Date.now() - began < 100);
  ready = true;
  callback(null, '');
};

exports.handler = function (request, response, context) {
  response.setStatusCode(ready ? 200 : 500);
  response.setHeader('content-type', 'text/plain');
  response.send('hello, world\n');
};
