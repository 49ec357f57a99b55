// The smallest HTTP function in JavaScript.

exports.handler = function (request, response, context) {
  response.setStatusCode(200);
  response.setHeader('content-type', 'text/plain');
  response.send('hello, world\n');
};
