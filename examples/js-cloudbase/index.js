// What a CloudBase function may return, one form an export.

exports.main = async (event, context) => {
  console.log('event: ', event)
  console.log('context: ', context)
  return { event, context }
}

exports.text = async function () {
  return "hello gateway"
}

exports.object = async function () {
  return { foo: "bar" }
}

exports.html = async function () {
  return {
    statusCode: 200,
    headers: { "content-type": "text/html" },
    body: "<h1>Hello</h1>"
  }
}

exports.script = async function () {
  return {
    statusCode: 200,
    headers: { "content-type": "application/javascript" },
    body: 'console.log("Hello!")'
  }
}

exports.image = async function () {
  return {
    isBase64Encoded: true,
    statusCode: 200,
    headers: { "content-type": "image/png" },
    // One pixel.
    body: "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
  }
}
