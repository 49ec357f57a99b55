// Initializers and the other hooks: `(context, callback)` or async. What they return is ignored.
import { begin } from '__wasm_rquickjs_builtin/wisp/invocation';
import { call } from '__wasm_rquickjs_builtin/wisp/event';
import { contextOf } from '__wasm_rquickjs_builtin/wisp/context';

const nothing = () => undefined;

export function invoke(hook, requestId, traceParent) {
  call(begin(requestId), hook, contextOf(requestId, 0, traceParent), undefined, 2, nothing);
}
