'use strict';

const assert = require('node:assert/strict');
const { host, step, has, recent, plain } = require('../report');
const { FC, request, wire, refused, gone, create } = require('./shared');
const { signed } = require('./signatures');

const ANONYMOUS = { authType: 'anonymous', methods: ['GET', 'POST'], disableURLInternet: false };

module.exports = async (fc) => {
  for (const name of ['js3-web', 'js3-clock']) await create(fc, name).catch(() => {});
  const make = (name, fields) => fc.createTrigger(name, request('CreateTrigger', { body: new FC.CreateTriggerInput(fields) }));
  const change = (name, trigger, fields) => fc.updateTrigger(name, trigger, request('UpdateTrigger', { body: new FC.UpdateTriggerInput(fields) }));
  const http = (config) => ({ triggerName: 'web', triggerType: 'http', triggerConfig: JSON.stringify(config) });
  const config = (trigger) => JSON.parse(trigger.triggerConfig);
  let url;
  // The address ends with a slash; what follows is the path inside the function.
  const target = (rest) => url.pathname.replace(/\/$/, '') + rest;

  await step('createTrigger makes an HTTP trigger, whose address serves', async () => {
    const it = wire(await make('js3-web', { ...http(ANONYMOUS), description: 'the door', qualifier: 'LATEST' }));
    has(it, { triggerName: 'web', triggerType: 'http', description: 'the door', qualifier: 'LATEST' });
    has(config(it), ANONYMOUS);
    recent(it.createdTime, 'createdTime');
    assert.ok(it.triggerId.length > 8, it.triggerId);
    url = new URL(it.httpTrigger.urlInternet);
    const answer = await plain(url.origin, target('/echo'), { method: 'POST', body: 'hello' });
    assert.deepEqual([answer.status, answer.text], [200, 'hello']);
  });
  await step('getTrigger, listTriggers and updateTrigger', async () => {
    has(wire(await fc.getTrigger('js3-web', 'web')), { triggerName: 'web', description: 'the door' });
    has(wire(await fc.listTriggers('js3-web', request('ListTriggers', { limit: 5, prefix: 'w' }))).triggers, [{ triggerName: 'web' }]);
    const it = wire(await change('js3-web', 'web', { triggerConfig: JSON.stringify({ ...ANONYMOUS, methods: ['GET'] }) }));
    has(config(it), { authType: 'anonymous', methods: ['GET'] });
    assert.equal(it.description, 'the door');
    assert.equal((await plain(url.origin, target('/echo'), { method: 'POST' })).status, 405);
  });
  await step('authType function demands an ACS3 signature on the URL as it is', async () => {
    await change('js3-web', 'web', { triggerConfig: JSON.stringify({ authType: 'function', methods: ['GET'] }) });
    const path = target('/request');
    const unsigned = await plain(url.origin, path);
    assert.ok([400, 403].includes(unsigned.status), `${unsigned.status} ${unsigned.text}`);
    const good = await plain(url.origin, path, { headers: signed(host.admin, { path, base: url.origin }) });
    assert.equal(good.status, 200, good.text);
    const wrong = await plain(url.origin, path, { headers: signed({ ...host.admin, secret: 'x'.repeat(20) }, { path, base: url.origin }) });
    assert.equal(wrong.status, 403, wrong.text);
  });
  await step('a timer trigger reads back as it was made', async () => {
    const timer = { cronExpression: '@every 4m', payload: 'wake up', enable: false };
    has(config(wire(await make('js3-clock', { triggerName: 'clock', triggerType: 'timer', triggerConfig: JSON.stringify(timer) }))), timer);
    has(config(wire(await fc.getTrigger('js3-clock', 'clock'))), timer);
  });
  await step('what is wrong with a trigger is named', async () => {
    await refused(make('js3-web', http(ANONYMOUS)), 409, 'TriggerAlreadyExists', /web/);
    await refused(make('js3-clock', { triggerName: 'x', triggerType: 'timer', triggerConfig: '{"cronExpression": "often"}' }), 400, 'InvalidArgument', /cron/i);
    await refused(make('js3-clock', { triggerName: 'x', triggerType: 'timer', triggerConfig: 'no JSON' }), 400, 'InvalidArgument', /triggerConfig/i);
    await refused(make('js3-clock', { triggerName: 'x', triggerType: 'pigeon', triggerConfig: '{}' }), 400, 'InvalidArgument', /pigeon/);
    await refused(make('js3-none', http(ANONYMOUS)), 404, 'FunctionNotFound');
    await refused(fc.getTrigger('js3-web', 'none'), 404, 'TriggerNotFound');
    await refused(change('js3-web', 'none', {}), 404, 'TriggerNotFound');
    await refused(fc.deleteTrigger('js3-web', 'none'), 404, 'TriggerNotFound');
  });
  await step('deleteTrigger answers 204', async () => {
    gone(await fc.deleteTrigger('js3-web', 'web'));
    gone(await fc.deleteTrigger('js3-clock', 'clock'));
  });
  for (const name of ['js3-web', 'js3-clock']) await fc.deleteFunction(name).catch(() => {});
};
