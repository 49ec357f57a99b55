// The call that runs. Each has an object of its own: what an earlier call still does cannot end a later one.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { forgetStores } from 'node:async_hooks';
import { documentOf, logError } from '__wasm_rquickjs_builtin/wisp/errors';

let current = null;

export function begin(requestId) {
  current = { requestId, settled: false };
  forgetStores();
  return current;
}

export function currentRequestId() {
  return current === null ? undefined : current.requestId;
}

// Whether the call waits for an outcome; marks it as having one.
function take(invocation) {
  if (invocation.settled || invocation !== current) return false;
  invocation.settled = true;
  return true;
}

export function succeed(invocation, value) {
  if (take(invocation)) native.succeed(value);
}

export function respond(invocation, status, headers, body) {
  if (take(invocation)) native.respond(status, headers, body);
}

// The function reported an error: the first argument of a callback.
export function failHandled(invocation, error) {
  if (take(invocation)) native.fail(true, documentOf(error));
}

// The function did not expect the error.
export function failUnhandled(invocation, error) {
  if (!take(invocation)) return;
  logError(error);
  native.fail(false, documentOf(error));
}

export function failWith(invocation, handled, document) {
  if (take(invocation)) native.fail(handled, document);
}

// Errors that nobody catches, in timers, ticks, events and promises, end the call that runs.
export function uncaught(error) {
  if (current !== null && !current.settled) failUnhandled(current, error);
  else logError(error);
}
