'use strict';

// What the subjects of API 2023-03-30 share: requests as plain objects, bodies as they are on the wire, and errors.

const assert = require('node:assert/strict');
const FC = require('@alicloud/fc20230330');
const { Readable } = require('node:stream');
const { requestId, zip } = require('../report');

/** A request of the SDK by the name of its operation; `body` and the fields of its query as plain objects. */
function request(operation, fields = {}) {
  return new FC[`${operation}Request`](fields);
}

/** The body of an answer as it is on the wire. */
function wire({ body }) {
  return body.toMap();
}

/** That a call is refused with a status, a code and a message; returns the error. */
async function refused(call, status, code, message) {
  let error;
  try {
    await call;
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error, `it was not refused; expected ${status} ${code}`);
  assert.deepEqual([error.statusCode, error.code], [status, code], error.message);
  const body = error.data;
  assert.deepEqual(Object.keys(body).sort(), ['Code', 'Message', 'RequestId'], JSON.stringify(body));
  requestId(body.RequestId);
  if (message instanceof RegExp) assert.match(body.Message, message);
  else if (message !== undefined) assert.equal(body.Message, message);
  else assert.ok(body.Message.length > 10, `the message says nothing: ${body.Message}`);
  return error;
}

/** That an answer is a 204 with a request id. */
function gone({ statusCode, headers }) {
  assert.equal(statusCode, 204);
  requestId(headers['x-fc-request-id']);
}

const code = (name = 'misbehave') => ({ zipFile: zip(name).toString('base64') });

/** Creates a function of the test guest. */
function create(fc, functionName, fields = {}) {
  const body = new FC.CreateFunctionInput({ functionName, runtime: 'custom', handler: 'index.handler', code: code(), ...fields });
  return fc.createFunction(request('CreateFunction', { body }));
}

/** Changes a function. */
function update(fc, functionName, fields) {
  return fc.updateFunction(functionName, request('UpdateFunction', { body: new FC.UpdateFunctionInput(fields) }));
}

/** Invokes a function; the answer's body is text. */
async function invoke(fc, functionName, event, { qualifier, headers = {} } = {}) {
  const body = event === undefined ? undefined : Readable.from([Buffer.from(event)]);
  const answer = await fc.invokeFunctionWithOptions(functionName, request('InvokeFunction', { body, qualifier }),
    new FC.InvokeFunctionHeaders(headers), {});
  const parts = [];
  for await (const part of answer.body) parts.push(Buffer.from(part));
  const bytes = Buffer.concat(parts);
  return { status: answer.statusCode, headers: answer.headers, bytes, text: bytes.toString() };
}

module.exports = { FC, request, wire, refused, gone, code, create, update, invoke };
