// A page that says what it was asked.

exports.handler = (req, resp, context) => {
  resp.setHeader('content-type', 'application/json');
  resp.send(JSON.stringify({
    method: req.method,
    path: req.path,
    queries: req.queries,
    requestId: context.requestId,
  }, null, 2) + '\n');
};
