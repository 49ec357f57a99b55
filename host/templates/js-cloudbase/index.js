// A CloudBase function behind an HTTP trigger: `event` has the request, and what is returned is the answer, a text, an
// object, or all of it with status and headers.
exports.main = async (event, context) => {
  const { httpMethod, path, queryStringParameters: query = {} } = event;
  console.log(httpMethod, path);
  if (path === '/page') {
    return {
      statusCode: 200,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      body: `<h1>Hello, ${(query.name ?? 'stranger').replace(/[^\w ]/g, '')}</h1>`,
    };
  }
  return { path, query, requestId: context.requestId };
};
