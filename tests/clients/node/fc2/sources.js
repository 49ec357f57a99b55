'use strict';

// Code packages with sources, which the host builds.

const assert = require('node:assert/strict');
const { zip, step, crc64 } = require('../report');
const { refused } = require('./refused');

const package_ = (name) => ({ zipFile: zip(name).toString('base64') });

module.exports = async (fc) => {
  await fc.createService('js2-sources').catch(() => {});
  const create = (functionName, runtime, handler, name) =>
    fc.createFunction('js2-sources', { functionName, runtime, handler, code: package_(name) });
  const says = async (functionName, event) => (await fc.invokeFunction('js2-sources', functionName, event)).data;

  await step('a zip with index.js is built and served', async () => {
    const { data } = await create('js', 'nodejs20', 'index.handler', 'sources-js');
    assert.equal(data.codeChecksum, crc64(zip('sources-js')));
    assert.equal(await says('js', 'x'), 'index.js was told x and has data');
  });
  await step('another handler of the same sources is built when it is named', async () => {
    await fc.updateFunction('js2-sources', 'js', { handler: 'index.other' });
    assert.equal(await says('js', 'x'), 'the other');
  });
  await step('a zip with main.py is built and served', async () => {
    await create('py', 'python3.10', 'main.handler', 'sources-py');
    assert.equal(await says('py', 'x'), 'main.py was told x');
  });
  await step('an error in the sources names file and line', async () => {
    await refused(create('broken', 'nodejs20', 'index.handler', 'sources-js-broken'), 400, 'InvalidArgument', /index\.js:2:.*SyntaxError[\s\S]*const b = ;/);
    await refused(create('broken', 'python3.10', 'main.handler', 'sources-py-broken'), 400, 'InvalidArgument', /main\.py:2/);
  });
  await step('packages that the zip lacks are named with the way out', async () => {
    await refused(create('lacking', 'nodejs20', 'index.handler', 'sources-js-packages'), 400, 'InvalidArgument', /left-pad[\s\S]*node_modules/);
    await refused(create('lacking', 'python3.10', 'main.handler', 'sources-py-packages'), 400, 'InvalidArgument', /nowhere_to_be_found[\s\S]*pip install --target/);
  });
  await step('a handler that the sources do not have is named', async () => {
    await refused(create('lacking', 'nodejs20', 'other.handler', 'sources-js'), 400, 'InvalidArgument', /'other\.js'/);
  });
  for (const name of ['js', 'py']) await fc.deleteFunction('js2-sources', name).catch(() => {});
  await fc.deleteService('js2-sources').catch(() => {});
};
