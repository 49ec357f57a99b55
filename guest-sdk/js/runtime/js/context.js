// The `context` of handlers.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { logger } from '__wasm_rquickjs_builtin/wisp/console';
import { keepLayout } from '__wasm_rquickjs_builtin/wisp/invocation';

keepLayout(Object.prototype, 'requestId', 'credentials', 'function', 'service', 'region', 'accountId', 'logger', 'retryCount', 'tracing');
keepLayout(Object.prototype, 'openTracingSpanContext', 'jaegerEndpoint', 'openTracingSpanBaggages');

let identity;

// What stays the same for the life of an instance, asked for at the first use.
export function identityOf() {
  return (identity ??= JSON.parse(native.identity()));
}

export function forget() {
  identity = undefined;
}

export function contextOf(requestId, retryCount, traceParent) {
  const { credentials, function: self, service, region, accountId } = identity ?? identityOf();
  return {
    requestId,
    credentials,
    function: self,
    service,
    region,
    accountId,
    logger,
    retryCount,
    tracing: { openTracingSpanContext: traceParent ?? '', jaegerEndpoint: '', openTracingSpanBaggages: {} },
  };
}
