'use strict';

// What both programs share: where the host is, steps that report themselves, and assertions on what a client got.
// A step is one line on standard output, `ok <name>` or `not ok <name>: <reason>`; the other lines belong to nobody.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const REQUEST_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads a variable that the test sets; without it no step can run. */
function setting(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`the environment has no ${name}; the integration tests set it (tests/it/official_sdks.rs)`);
    process.exit(2);
  }
  return value;
}

function key(name) {
  const [id, secret, token] = setting(name).split(':');
  return { id, secret, token };
}

const host = {
  api: setting('WISP_API'),
  triggers: setting('WISP_TRIGGERS'),
  account: setting('WISP_ACCOUNT'),
  region: setting('WISP_REGION'),
  admin: key('WISP_ADMIN_KEY'),
  invoke: key('WISP_INVOKE_KEY'),
  reader: key('WISP_READ_ONLY_KEY'),
  lent: key('WISP_TOKEN_KEY'),
};

/** A code package that the test has packed, in base64. */
function zip(name) {
  return fs.readFileSync(path.join(setting('WISP_PACKAGES'), `${name}.zip`));
}

const only = process.env.WISP_ONLY;
let group = '';

/** Runs one step and reports it; a failed one does not end the program. */
async function step(name, body) {
  try {
    await body();
    console.log(`ok ${group}: ${name}`);
  } catch (error) {
    const reason = String(error?.message ?? error).trim().replace(/\s*\n\s*/g, ' | ');
    const place = /\(?([^(\s]+\.js:\d+):\d+\)?/.exec(ownFrame(error))?.[1] ?? '';
    console.log(`not ok ${group}: ${name}: ${reason} [${path.basename(place)}]`);
  }
}

function ownFrame(error) {
  const frames = String(error?.stack ?? '').split('\n').filter((line) => line.includes(__dirname) && !line.includes('node_modules'));
  // The helpers that assert are not what failed.
  return frames.find((line) => !/(report|refused|shared)\.js/.test(line)) ?? frames[0] ?? '';
}

/** Runs the steps of one subject. */
async function subject(name, run, ...rest) {
  if (only && !name.startsWith(only)) return;
  group = name;
  await run(...rest);
}

/** That `actual` has everything that `expected` has; objects may have more. */
function has(actual, expected, where = 'it') {
  if (expected === null || typeof expected !== 'object') {
    assert.ok(actual === expected, `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
    return;
  }
  assert.ok(actual !== null && typeof actual === 'object', `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual) && actual.length === expected.length,
      `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
  for (const [name, value] of Object.entries(expected)) has(actual[name], value, `${where}.${name}`);
}

/** That a text is a moment not long ago. */
function recent(text, where) {
  const age = Date.now() - Date.parse(text);
  assert.ok(age > -60_000 && age < 3_600_000, `${where} is ${JSON.stringify(text)}`);
}

function requestId(text) {
  assert.match(String(text), REQUEST_ID, 'the request id');
}

/** Waits until `read` returns something that is neither false nor undefined. */
async function eventually(what, read) {
  const deadline = Date.now() + 15_000;
  let last;
  while (Date.now() < deadline) {
    last = await read();
    if (last) return last;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`it did not happen: ${what}`);
}

/** One plain HTTP request, with whatever `Host` the headers say. */
function plain(base, target, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(base, { path: target, method, headers, agent: false }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const bytes = Buffer.concat(parts);
        resolve({ status: response.statusCode, headers: response.headers, bytes, text: bytes.toString() });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A client that notes which of its methods were called. */
function recorded(client, called) {
  return new Proxy(client, {
    get(target, name) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      return (...args) => {
        called.add(name);
        return value.apply(target, args);
      };
    },
  });
}

// CRC-64 as the object storage of the same cloud computes it (ECMA-182, reflected, complemented at both ends).
const TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = BigInt(index);
  for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0xc96c5795d7870f42n : value >> 1n;
  return value;
});

/** The checksum of a code package, as decimal digits. */
function crc64(bytes) {
  const ones = 0xffffffffffffffffn;
  let value = ones;
  for (const byte of bytes) value = (value >> 8n) ^ TABLE[Number((value ^ BigInt(byte)) & 0xffn)];
  return String(value ^ ones);
}

module.exports = { host, zip, step, subject, has, recent, requestId, eventually, plain, recorded, crc64 };
