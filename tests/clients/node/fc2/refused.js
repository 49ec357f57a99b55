'use strict';

// What an error of @alicloud/fc2 looks like.

const assert = require('node:assert/strict');
const { requestId } = require('../report');

/** That a call is refused with a status, a code and a message; returns the error. */
async function refused(call, status, code, message) {
  let error;
  try {
    await call;
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error, `it was not refused; expected ${status} ${code}`);
  const parts = /^(\w+) (\S+) failed with (\d+)\. requestid: (\S+), message: ([\s\S]*)\.$/.exec(error.message);
  assert.ok(parts, `it failed otherwise: ${error.message}`);
  assert.deepEqual([Number(parts[3]), error.code], [status, code], error.message);
  assert.equal(error.name, `FC${code}Error`);
  requestId(parts[4]);
  if (message instanceof RegExp) assert.match(parts[5], message);
  else if (message !== undefined) assert.equal(parts[5], message);
  else assert.ok(parts[5].length > 10, `the message says nothing: ${parts[5]}`);
  return error;
}

module.exports = { refused };
