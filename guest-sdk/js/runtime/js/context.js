// The `context` of handlers.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { logger } from '__wasm_rquickjs_builtin/wisp/console';
import { copy, original } from '__wasm_rquickjs_builtin/wisp/copies';
import { KEPT, keep } from '__wasm_rquickjs_builtin/wisp/invocation';

let identity;
let context;
const TRACING = original(Object.prototype, { openTracingSpanContext: undefined, jaegerEndpoint: '', openTracingSpanBaggages: undefined });

const FUNCTION = original(Object.prototype, { name: undefined, handler: undefined, memory: undefined, timeout: undefined, initializer: undefined, initializationTimeout: undefined });
const SERVICE = original(Object.prototype, { name: undefined, logProject: undefined, logStore: undefined, qualifier: undefined, versionId: undefined });
const CREDENTIALS = original(Object.prototype, { accessKeyId: undefined, accessKeySecret: undefined, securityToken: undefined });
const IDENTITY = original(Object.prototype, { function: undefined, service: undefined, credentials: undefined, region: undefined, accountId: undefined });
const CONTEXT = original(Object.prototype, { requestId: undefined, credentials: undefined, function: undefined, service: undefined, region: undefined, accountId: undefined, logger: undefined, retryCount: undefined, tracing: undefined });

// What stays the same for the life of an instance, asked for at the first use: most instances answer few requests.
export function identityOf() {
  if (identity !== undefined) return identity;
  const v = native.identity();
  return (identity = copy(
    IDENTITY,
    copy(FUNCTION, v[0], v[1], v[2], v[3], v[4], v[5]),
    copy(SERVICE, v[6], v[7], v[8], v[9], v[10]),
    copy(CREDENTIALS, v[11], v[12], v[13]),
    v[14],
    v[15],
  ));
}

export function forget() {
  identity = context = undefined;
  keep(KEPT.CONTEXT, undefined);
}

function originalContext() {
  const { credentials, function: self, service, region, accountId } = identityOf();
  return copy(CONTEXT, undefined, credentials, self, service, region, accountId, logger, undefined, undefined);
}

keep(KEPT.TRACING, TRACING);
keep(KEPT.MAKE_CONTEXT, () => (context ??= originalContext()));

export function contextOf(requestId, retryCount, traceParent) {
  return copy((context ??= originalContext()), requestId, retryCount, copy(TRACING, traceParent ?? '', {}));
}
