'use strict';

// API 2016-08-15 through npm's @alicloud/fc2: every method of its client is called.

const FC = require('@alicloud/fc2');
const { host, recorded, step, subject } = require('./report');

// What the operations are made of.
const PARTS = ['constructor', 'buildHeaders', 'request', 'get', 'post', 'put', 'delete', 'websocket', 'largeFunctionHelper',
  'uploadCodeToTmpOssBucket', 'normalizeParams'];
const OPERATIONS = Object.getOwnPropertyNames(FC.prototype).filter((name) => !PARTS.includes(name));

const called = new Set();

/** A client with a key; `options` as its constructor takes them. */
function client(key, options = {}) {
  const config = { accessKeyID: key.id, accessKeySecret: key.secret, securityToken: key.token, region: host.region,
    endpoint: host.api, timeout: 120_000, ...options };
  return recorded(new FC(host.account, config), called);
}

async function main() {
  if (process.argv.includes('--operations')) {
    OPERATIONS.forEach((name) => console.log(name));
    return;
  }
  const fc = client(host.admin);
  for (const name of ['signatures', 'services', 'functions', 'sources', 'invocations', 'versions', 'triggers', 'domains', 'configs', 'async', 'tags', 'account', 'layers']) {
    await subject(name, require(`./fc2/${name}`), fc, client);
  }
  if (process.env.WISP_ONLY) return;
  await subject('coverage', () => step('every method of the client was called', () => {
    const missed = OPERATIONS.filter((name) => !called.has(name));
    if (missed.length > 0) throw new Error(missed.join(', '));
  }));
}

main();
