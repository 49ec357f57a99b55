// The call that runs. Each has an object of its own: what an earlier call still does cannot end a later one.
import { fail, responder, succeed as end } from '__wasm_rquickjs_builtin/wisp_native';
import { forgetStores } from 'node:async_hooks';
import { copy, original } from '__wasm_rquickjs_builtin/wisp/copies';
import { documentOf, logError } from '__wasm_rquickjs_builtin/wisp/errors';

const answer = responder();

let current = null;

const INVOCATION = original(Object.prototype, { requestId: undefined, settled: false });

export function begin(requestId) {
  current = copy(INVOCATION, requestId);
  forgetStores();
  return current;
}

export function currentRequestId() {
  return current === null ? undefined : current.requestId;
}

// Whether a call is the one that runs: what the host keeps of a request is that of this one.
export function isCurrent(invocation) {
  return invocation === current;
}

// Whether the call waits for an outcome; marks it as having one.
function take(invocation) {
  if (invocation.settled || invocation !== current) return false;
  invocation.settled = true;
  return true;
}

export function succeed(invocation, value) {
  if (take(invocation)) end(value);
}

export function respond(invocation, status, headers, body) {
  // As `take` does: most calls end here, and a call more would be felt.
  if (invocation.settled || invocation !== current) return;
  invocation.settled = true;
  answer(status, headers, body);
}

// The function reported an error: the first argument of a callback.
export function failHandled(invocation, error) {
  if (take(invocation)) fail(true, documentOf(error));
}

// The function did not expect the error.
export function failUnhandled(invocation, error) {
  if (!take(invocation)) return;
  logError(error);
  fail(false, documentOf(error));
}

export function failWith(invocation, handled, document) {
  if (take(invocation)) fail(handled, document);
}

// Errors that nobody catches, in timers, ticks, events and promises, end the call that runs.
export function uncaught(error) {
  if (current !== null && !current.settled) failUnhandled(current, error);
  else logError(error);
}
