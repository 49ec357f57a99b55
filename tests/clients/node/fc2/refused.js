'use strict';

// What an error of @alicloud/fc2 looks like.

const assert = require('node:assert/strict');
const { requestId } = require('../report');

/** What a call that must fail says: its status, code and message. */
async function refusal(call) {
  let error;
  try {
    await call;
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error, 'it was not refused');
  const parts = /^(\w+) (\S+) failed with (\d+)\. requestid: (\S+), message: ([\s\S]*)\.$/.exec(error.message);
  assert.ok(parts, `it failed otherwise: ${error.message}`);
  requestId(parts[4]);
  assert.equal(error.name, `FC${error.code}Error`);
  return { status: Number(parts[3]), code: error.code, message: parts[5] };
}

/** That a call is refused with a status, a code and a message. */
async function refused(call, status, code, message) {
  const got = await refusal(call);
  assert.deepEqual([got.status, got.code], [status, code], `expected ${status} ${code}, got ${got.status} ${got.code}: ${got.message}`);
  if (message instanceof RegExp) assert.match(got.message, message);
  else if (message !== undefined) assert.equal(got.message, message);
  else assert.ok(got.message.length > 10, `the message says nothing: ${got.message}`);
}

/** That a call is refused because of what is there already; no public document names the code. */
async function clashes(call, message) {
  const got = await refusal(call);
  assert.ok([400, 403, 409].includes(got.status), `${got.status} ${got.code}: ${got.message}`);
  assert.match(got.code, /^[A-Z][A-Za-z]+$/);
  assert.match(got.message, message);
}

/** That a call is refused with a status. */
async function fails(call, status) {
  const got = await refusal(call);
  assert.equal(got.status, status, `${got.code}: ${got.message}`);
}

module.exports = { refused, clashes, fails };
