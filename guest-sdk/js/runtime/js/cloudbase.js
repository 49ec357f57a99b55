// CloudBase: `exports.main = async (event, context)`, with an event that is parsed, and a result that is JSON.
import { begin } from '__wasm_rquickjs_builtin/wisp/invocation';
import { call } from '__wasm_rquickjs_builtin/wisp/event';
import { identityOf } from '__wasm_rquickjs_builtin/wisp/context';
import { Buffer } from 'node:buffer';

function parsed(bytes) {
  const text = Buffer.from(bytes).toString();
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function contextOf(requestId) {
  const { function: self, service, region, accountId } = identityOf();
  const environment = process.env;
  return {
    callbackWaitsForEmptyEventLoop: true,
    memory_limit_in_mb: self.memory,
    time_limit_in_ms: self.timeout * 1000,
    request_id: requestId,
    environ: Object.keys(environment).map((name) => name + '=' + environment[name]).join(';'),
    environment: JSON.stringify(environment),
    function_version: '$LATEST',
    function_name: self.name,
    namespace: service.name,
    tencentcloud_region: region,
    tencentcloud_appid: accountId,
    tencentcloud_uin: accountId,
  };
}

const json = (value) => JSON.stringify(value) ?? 'null';

export function invoke(main, bytes, requestId) {
  call(begin(requestId), main, parsed(bytes), contextOf(requestId), 3, json);
}
