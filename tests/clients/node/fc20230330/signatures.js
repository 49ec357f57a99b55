'use strict';

const assert = require('node:assert/strict');
const { OpenApiUtil } = require('@alicloud/openapi-core');
const { host, plain, step } = require('../report');
const { request, refused, create, invoke } = require('./shared');

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const PATH = '/2023-03-30/functions';

/** The headers of a signed GET; `change` alters them after they were signed. */
function signed(key, { date = new Date(), query = {}, change = {}, path = PATH, base = host.api } = {}) {
  const headers = { host: new URL(base).host, 'x-acs-version': '2023-03-30', 'x-acs-action': 'ListFunctions',
    'x-acs-date': date.toISOString().replace(/\.\d+Z/, 'Z'), 'x-acs-signature-nonce': 'n0nce', 'x-acs-content-sha256': EMPTY };
  const authorization = OpenApiUtil.getAuthorization({ method: 'GET', pathname: path, query, headers }, 'ACS3-HMAC-SHA256', EMPTY, key.id, key.secret);
  return { ...headers, authorization, ...change };
}

module.exports = async (fc, client) => {
  const list = (who) => who.listFunctions(request('ListFunctions', { limit: 1 }));
  await step('a key that is not configured, and a wrong secret, is refused', async () => {
    await refused(list(client({ id: 'invalidAccessKeyID', secret: 'x'.repeat(20) })), 403, 'InvalidAccessKeyID', "invalid access key ID 'invalidAccessKeyID'");
    await refused(list(client({ ...host.admin, secret: 'x'.repeat(20) })), 403, 'SignatureNotMatch', /does not match the signature you provided/);
  });
  await step('a request without a signature is refused', async () => {
    const answer = await plain(host.api, PATH);
    assert.deepEqual([answer.status, JSON.parse(answer.text).Code], [400, 'MissingRequiredHeader'], answer.text);
  });
  await step('a clock that is 16 minutes off is refused, one that is 14 minutes off is not', async () => {
    const at = async (minutes) => (await plain(host.api, PATH, { headers: signed(host.admin, { date: new Date(Date.now() + minutes * 60_000) }) })).status;
    assert.deepEqual([await at(-16), await at(16), await at(-14), await at(14)], [403, 403, 200, 200]);
  });
  await step('what was changed after signing is refused', async () => {
    const status = async (options, target = PATH) => (await plain(host.api, target, { headers: signed(host.admin, options) })).status;
    assert.equal(await status({ query: { limit: '1' } }, `${PATH}?limit=1`), 200);
    assert.equal(await status({ query: { limit: '1' } }, `${PATH}?limit=2`), 403);
    assert.equal(await status({ change: { 'x-acs-signature-nonce': 'another' } }), 403);
    assert.equal(await status({ change: { 'x-acs-date': new Date(Date.now() + 60_000).toISOString().replace(/\.\d+Z/, 'Z') } }), 403);
  });
  await step('a body other than the signed one is refused', async () => {
    const body = '{"smuggled": true}';
    const headers = { ...signed(host.admin), 'content-length': body.length };
    const answer = await plain(host.api, PATH, { headers, body });
    assert.ok([400, 403].includes(answer.status), `${answer.status} ${answer.text}`);
  });
  await step('a list of signed headers that leaves the date out is refused', async () => {
    const headers = signed(host.admin);
    const { 'x-acs-date': date, authorization: _, ...rest } = headers;
    const authorization = OpenApiUtil.getAuthorization({ method: 'GET', pathname: PATH, query: {}, headers: rest }, 'ACS3-HMAC-SHA256', EMPTY, host.admin.id, host.admin.secret);
    const answer = await plain(host.api, PATH, { headers: { ...rest, 'x-acs-date': date, authorization } });
    assert.ok([400, 403].includes(answer.status), `${answer.status} ${answer.text}`);
  });
  await step('a key with a security token works with that token only', async () => {
    await list(client(host.lent));
    await assert.rejects(list(client({ ...host.lent, token: 'another' })), (error) => error.statusCode === 403);
  });
  await step('scopes: a reader reads, an invoker invokes', async () => {
    await create(fc, 'js3-scopes');
    await list(client(host.reader));
    await refused(list(client(host.invoke)), 403, 'AccessDenied');
    await refused(create(client(host.reader), 'js3-by-reader'), 403, 'AccessDenied');
    assert.equal((await invoke(client(host.invoke), 'js3-scopes', 'echo')).text, 'echo');
    await refused(invoke(client(host.reader), 'js3-scopes', 'echo'), 403, 'AccessDenied');
    await fc.deleteFunction('js3-scopes');
  });
};

module.exports.signed = signed;
