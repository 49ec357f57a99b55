'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { composeStringToSign } = require('@alicloud/fc2/lib/helper');
const { host, zip, step, has, recent, plain } = require('../report');
const { refused, clashes } = require('./refused');

const SERVICE = 'js2-triggers';
const ANONYMOUS = { authType: 'anonymous', methods: ['GET', 'POST'] };
const http = (triggerConfig, rest = {}) => ({ triggerName: 'web', triggerType: 'http', triggerConfig, ...rest });
const timer = (triggerConfig, rest = {}) => ({ triggerName: 'clock', triggerType: 'timer', triggerConfig, ...rest });

/** The path and query of a URL that is good until `expires` (seconds of Unix time). */
function presigned(path, expires, key, queries = {}) {
  const all = { ...queries, 'x-fc-expires': String(expires), 'x-fc-access-key-id': key.id };
  const text = composeStringToSign('GET', path, { date: String(expires) }, all);
  const signature = crypto.createHmac('sha256', key.secret).update(text).digest('base64');
  return `${path}?${new URLSearchParams({ ...all, 'x-fc-signature': signature })}`;
}

module.exports = async (fc, client) => {
  const code = { zipFile: zip('misbehave').toString('base64') };
  await fc.createService(SERVICE).catch(() => {});
  for (const functionName of ['f', 'g', 'h']) {
    await fc.createFunction(SERVICE, { functionName, runtime: 'custom', handler: 'h', code, environmentVariables: { AGE: 'one' } }).catch(() => {});
  }
  // Triggers are served where `listen` says; clients know one endpoint, so the API's listener serves them as well.
  const web = client(host.admin, { endpoint: host.triggers });
  const path = (rest, qualifier = '', name = 'f') => `/2016-08-15/proxy/${SERVICE}${qualifier && `.${qualifier}`}/${name}${rest}`;
  const get = (rest, options, ...more) => plain(host.triggers, path(rest, ...more), options);

  await step('createTrigger makes an HTTP trigger, which has addresses', async () => {
    const { headers, data } = await fc.createTrigger(SERVICE, 'f', http(ANONYMOUS, { sourceArn: 'dropped', description: 'the door' }));
    has(data, { triggerName: 'web', triggerType: 'http', triggerConfig: ANONYMOUS, description: 'the door', sourceArn: null });
    assert.ok(data.triggerId.length > 8, `triggerId ${data.triggerId}`);
    recent(data.createdTime, 'createdTime');
    assert.ok(headers.etag, 'the answer has no etag');
    const url = new URL(data.urlInternet);
    for (const [base, target] of [[url.origin, `${url.pathname.replace(/\/$/, '')}/echo`], [host.triggers, path('/echo')]]) {
      const called = await plain(base, target, { method: 'POST', body: 'hello' });
      assert.deepEqual([called.status, called.text], [200, 'hello'], base + target);
    }
  });
  await step('getTrigger, listTriggers and updateTrigger', async () => {
    has((await fc.getTrigger(SERVICE, 'f', 'web')).data, { triggerName: 'web', triggerConfig: ANONYMOUS, description: 'the door' });
    has((await fc.listTriggers(SERVICE, 'f')).data.triggers, [{ triggerName: 'web', triggerType: 'http' }]);
    const before = await fc.getTrigger(SERVICE, 'f', 'web');
    await refused(fc.updateTrigger(SERVICE, 'f', 'web', { description: 'x' }, { 'if-match': 'stale' }), 412, 'PreconditionFailed');
    const { data } = await fc.updateTrigger(SERVICE, 'f', 'web', { triggerConfig: { ...ANONYMOUS, methods: ['GET'] } });
    has(data, { triggerConfig: { authType: 'anonymous', methods: ['GET'] }, description: 'the door', triggerId: before.data.triggerId });
    const refusal = await get('/echo', { method: 'POST', body: 'hello' });
    assert.equal(refusal.status, 405, refusal.text);
    await fc.updateTrigger(SERVICE, 'f', 'web', { triggerConfig: ANONYMOUS });
  });
  await step('authType function demands a signature of an HTTP trigger', async () => {
    await fc.updateTrigger(SERVICE, 'f', 'web', { triggerConfig: { authType: 'function', methods: ['GET', 'POST'] } });
    const unsigned = await get('/echo', { headers: { date: new Date().toUTCString() } });
    assert.deepEqual([unsigned.status, unsigned.headers['x-fc-error-type']], [400, 'FcCommonError'], unsigned.text);
    assert.match(unsigned.text, /authorization/i);
    for (const signed of [web, fc]) {
      const { data } = await signed.get(`/proxy/${SERVICE}/f/request`, { key1: ['xyz', 'abc'], b: 'x y&z', empty: '' });
      const seen = typeof data === 'string' ? JSON.parse(data) : data;
      assert.match(seen.url, /key1=xyz&key1=abc&b=x%20y%26z&empty=/);
    }
    assert.equal((await web.post(`/proxy/${SERVICE}/f/echo`, 'signed body', {}, { a: '1' })).data, 'signed body');
    const as = (key) => client(key, { endpoint: host.triggers }).get(`/proxy/${SERVICE}/f/request`);
    await assert.rejects(as({ ...host.admin, secret: 'x'.repeat(20) }), /failed with 403/);
    await assert.rejects(as(host.reader), /failed with 403/);
    await as(host.invoke);
  });
  await step('the query is part of an HTTP trigger\'s signature', async () => {
    const date = new Date().toUTCString();
    const authorization = require('@alicloud/fc2').getSignature(host.admin.id, host.admin.secret, 'GET', path('/request'), { date }, { a: '1' });
    assert.equal((await get('/request?a=1', { headers: { date, authorization } })).status, 200);
    assert.equal((await get('/request?a=2', { headers: { date, authorization } })).status, 403);
    assert.equal((await get('/request?a=1&b=2', { headers: { date, authorization } })).status, 403);
  });
  await step('a presigned URL works until it expires', async () => {
    const soon = Math.floor(Date.now() / 1000) + 60;
    const good = await plain(host.triggers, presigned(path('/request'), soon, host.admin, { a: 'b c' }));
    assert.equal(good.status, 200, good.text);
    const past = await plain(host.triggers, presigned(path('/request'), soon - 120, host.admin));
    assert.equal(past.status, 403, past.text);
    const stretched = presigned(path('/request'), soon, host.admin).replace(`x-fc-expires=${soon}`, `x-fc-expires=${soon + 9999}`);
    assert.equal((await plain(host.triggers, stretched)).status, 403);
    await fc.updateTrigger(SERVICE, 'f', 'web', { triggerConfig: ANONYMOUS });
  });
  await step('an HTTP trigger answers for versions and aliases', async () => {
    await fc.publishVersion(SERVICE);
    await fc.createAlias(SERVICE, 'prod', '1');
    await fc.updateFunction(SERVICE, 'f', { environmentVariables: { AGE: 'latest' } });
    for (const [qualifier, age] of [['1', 'one'], ['prod', 'one'], ['LATEST', 'latest'], ['', 'latest']]) {
      const answer = await get('/env:AGE', {}, qualifier);
      assert.deepEqual([answer.status, answer.text], [200, age], `qualifier ${qualifier}`);
    }
    assert.equal((await get('/echo', {}, '9')).status, 404);
  });
  await step('a function has one HTTP trigger and no other kind beside it', async () => {
    await clashes(fc.createTrigger(SERVICE, 'f', { ...http(ANONYMOUS), triggerName: 'second' }), /HTTP trigger/i);
    await clashes(fc.createTrigger(SERVICE, 'f', timer({ cronExpression: '@every 4m', enable: false })), /HTTP trigger/i);
    await refused(fc.createTrigger(SERVICE, 'f', http(ANONYMOUS)), 409, 'TriggerAlreadyExists', /web/);
    await fc.createTrigger(SERVICE, 'g', timer({ cronExpression: '@every 4m', enable: false }));
    await clashes(fc.createTrigger(SERVICE, 'g', http(ANONYMOUS)), /trigger/i);
  });
  await step('a timer trigger reads back as it was made, and timers page by name', async () => {
    const config = { cronExpression: 'CRON_TZ=Asia/Shanghai 0 0 4 * * *', payload: 'wake up', enable: true };
    has((await fc.updateTrigger(SERVICE, 'g', 'clock', { triggerConfig: config })).data, { triggerType: 'timer', triggerConfig: config });
    has((await fc.getTrigger(SERVICE, 'g', 'clock')).data, { triggerConfig: config });
    for (const triggerName of ['b', 'a', 'c']) await fc.createTrigger(SERVICE, 'g', { ...timer(config), triggerName });
    const names = ({ data }) => data.triggers.map((it) => it.triggerName);
    const first = await fc.listTriggers(SERVICE, 'g', { limit: 3 });
    assert.deepEqual(names(first), ['a', 'b', 'c']);
    assert.deepEqual(names(await fc.listTriggers(SERVICE, 'g', { limit: 3, nextToken: first.data.nextToken })), ['clock']);
    assert.deepEqual(names(await fc.listTriggers(SERVICE, 'g', { prefix: 'cl' })), ['clock']);
    assert.deepEqual(names(await fc.listTriggers(SERVICE, 'g', { startKey: 'c' })), ['c', 'clock']);
  });
  await step('what is wrong with a trigger is named', async () => {
    await refused(fc.createTrigger(SERVICE, 'h', { ...timer({ cronExpression: '@every 1m' }), triggerType: 'pigeon' }), 400, 'InvalidArgument', /pigeon/);
    await refused(fc.createTrigger(SERVICE, 'h', timer({ cronExpression: 'now and then' })), 400, 'InvalidArgument', /cron/i);
    await refused(fc.createTrigger(SERVICE, 'h', http({ authType: 'guess', methods: ['GET'] })), 400, 'InvalidArgument', /authType/i);
    await refused(fc.createTrigger(SERVICE, 'h', http({ authType: 'anonymous', methods: ['FETCH'] })), 400, 'InvalidArgument', /FETCH|methods/i);
    await refused(fc.createTrigger(SERVICE, 'h', { ...http(ANONYMOUS), triggerName: '1st' }), 400, 'InvalidArgument');
    await refused(fc.createTrigger(SERVICE, 'none', http(ANONYMOUS)), 404, 'FunctionNotFound');
    await refused(fc.createTrigger('js2-none', 'f', http(ANONYMOUS)), 404, 'ServiceNotFound');
    await refused(fc.getTrigger(SERVICE, 'h', 'none'), 404, 'TriggerNotFound');
    await refused(fc.getTrigger('js2-none', 'h', 'none'), 404, 'ServiceNotFound');
    await refused(fc.updateTrigger(SERVICE, 'h', 'none', {}), 404, 'TriggerNotFound');
    await refused(fc.deleteTrigger(SERVICE, 'h', 'none'), 404, 'TriggerNotFound');
  });
  await step('a function that has triggers is not deleted', async () => {
    await clashes(fc.deleteFunction(SERVICE, 'f'), /trigger/i);
  });
  await step('deleteTrigger answers 204 and the trigger serves no more', async () => {
    for (const [name, trigger] of [['f', 'web'], ['g', 'a'], ['g', 'b'], ['g', 'c'], ['g', 'clock']]) {
      assert.equal((await fc.deleteTrigger(SERVICE, name, trigger)).data, '');
    }
    assert.deepEqual((await fc.listTriggers(SERVICE, 'f')).data.triggers, []);
    const gone = await get('/echo');
    assert.ok(gone.status >= 400, `${gone.status} ${gone.text}`);
  });
  await fc.deleteAlias(SERVICE, 'prod').catch(() => {});
  await fc.deleteVersion(SERVICE, '1').catch(() => {});
  for (const name of ['f', 'g', 'h']) await fc.deleteFunction(SERVICE, name).catch(() => {});
  await fc.deleteService(SERVICE).catch(() => {});
};
