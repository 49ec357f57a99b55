'use strict';

// API 2023-03-30 through npm's @alicloud/fc20230330: every method of its client is called.

const FC = require('@alicloud/fc20230330');
const { $OpenApiUtil } = require('@alicloud/openapi-core');
const { host, recorded, step, subject } = require('./report');

// Each operation has a second method that takes headers and options.
const OPERATIONS = Object.getOwnPropertyNames(FC.default.prototype)
  .filter((name) => !['constructor', 'getEndpoint'].includes(name) && !name.endsWith('WithOptions'));

const called = new Set();

/** A client with a key. */
function client(key, endpoint = host.api) {
  const config = new $OpenApiUtil.Config({ accessKeyId: key.id, accessKeySecret: key.secret, securityToken: key.token,
    endpoint: new URL(endpoint).host, protocol: 'HTTP', regionId: host.region, readTimeout: 120_000 });
  return recorded(new FC.default(config), called);
}

async function main() {
  if (process.argv.includes('--operations')) {
    OPERATIONS.forEach((name) => console.log(name));
    return;
  }
  const fc = client(host.admin);
  for (const name of ['signatures', 'functions', 'invocations', 'versions', 'triggers', 'domains', 'configs', 'async', 'tags', 'elsewhere']) {
    await subject(name, require(`./fc20230330/${name}`), fc, client);
  }
  if (process.env.WISP_ONLY) return;
  await subject('coverage', () => step('every method of the client was called', () => {
    const missed = OPERATIONS.filter((name) => !called.has(name) && !called.has(`${name}WithOptions`));
    if (missed.length > 0) throw new Error(missed.join(', '));
  }));
}

main();
