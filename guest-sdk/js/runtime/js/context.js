// The `context` of handlers.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { logger } from '__wasm_rquickjs_builtin/wisp/console';
import { copy, original } from '__wasm_rquickjs_builtin/wisp/copies';

let identity;
let context;
const TRACING = original(Object.prototype, { openTracingSpanContext: undefined, jaegerEndpoint: '', openTracingSpanBaggages: undefined });

// What stays the same for the life of an instance, asked for at the first use.
export function identityOf() {
  return (identity ??= JSON.parse(native.identity()));
}

export function forget() {
  identity = context = undefined;
}

function originalContext() {
  const { credentials, function: self, service, region, accountId } = identityOf();
  return original(Object.prototype, { requestId: undefined, credentials, function: self, service, region, accountId, logger, retryCount: undefined, tracing: undefined });
}

export function contextOf(requestId, retryCount, traceParent) {
  return copy((context ??= originalContext()), requestId, retryCount, copy(TRACING, traceParent ?? '', {}));
}
