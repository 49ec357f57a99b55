'use strict';

const FC = require('@alicloud/fc2');
const assert = require('node:assert/strict');
const { host, plain, step } = require('../report');
const { refused, fails } = require('./refused');

const NO_MATCH = 'The request signature we calculated does not match the signature you provided. Check your access key and signing method';

module.exports = async (fc, client) => {
  await step('a key that is not configured is refused', async () => {
    const stranger = client({ id: 'invalidAccessKeyID', secret: 'x'.repeat(20) });
    await refused(stranger.listServices(), 403, 'InvalidAccessKeyID', "invalid access key ID 'invalidAccessKeyID'");
  });
  await step('a wrong secret is refused', async () => {
    await refused(client({ ...host.admin, secret: 'x'.repeat(20) }).listServices(), 403, 'SignatureNotMatch', new RegExp(NO_MATCH));
  });
  await step('a request without Authorization, and one without Date, is refused', async () => {
    const bare = await plain(host.api, '/2016-08-15/services', { headers: { date: new Date().toUTCString() } });
    assert.deepEqual([bare.status, JSON.parse(bare.text)], [400, { ErrorCode: 'MissingRequiredHeader',
      ErrorMessage: 'required HTTP header Authorization was not specified' }]);
    const undated = await plain(host.api, '/2016-08-15/services', { headers: { authorization: `FC ${host.admin.id}:c2ln` } });
    assert.deepEqual([undated.status, JSON.parse(undated.text)], [400, { ErrorCode: 'MissingRequiredHeader',
      ErrorMessage: 'required HTTP header Date was not specified' }]);
  });
  await step('a clock that is 16 minutes off is refused, one that is 14 minutes off is not', async () => {
    for (const minutes of [-16, 16]) {
      const date = new Date(Date.now() + minutes * 60_000).toUTCString();
      await fails(fc.listServices({}, { date }), 403);
    }
    for (const minutes of [-14, 14]) {
      await fc.listServices({}, { date: new Date(Date.now() + minutes * 60_000).toUTCString() });
    }
  });
  await step('headers under x-fc- are part of the signature', async () => {
    const headers = { date: new Date().toUTCString(), 'x-fc-trace-id': 'a' };
    const authorization = FC.getSignature(host.admin.id, host.admin.secret, 'GET', '/2016-08-15/services', headers);
    const good = await plain(host.api, '/2016-08-15/services', { headers: { ...headers, authorization } });
    assert.equal(good.status, 200, good.text);
    const changed = await plain(host.api, '/2016-08-15/services', { headers: { ...headers, 'x-fc-trace-id': 'b', authorization } });
    assert.deepEqual([changed.status, JSON.parse(changed.text).ErrorCode], [403, 'SignatureNotMatch']);
  });
  await step('a key with a security token works with that token only', async () => {
    await client(host.lent).listServices();
    await fails(client({ ...host.lent, token: 'another' }).listServices(), 403);
  });
  await step('a read-only key reads and changes nothing, an invoke key does neither', async () => {
    await client(host.reader).listServices();
    await refused(client(host.reader).createService('js2-by-reader'), 403, 'AccessDenied');
    await refused(client(host.invoke).listServices(), 403, 'AccessDenied');
    await refused(client(host.invoke).createService('js2-by-invoker'), 403, 'AccessDenied');
  });
};
