// The call that runs. Each has an object of its own: what an earlier call still does cannot end a later one.
import { fail, request_functions, succeed as end } from '__wasm_rquickjs_builtin/wisp_native';
import { original } from '__wasm_rquickjs_builtin/wisp/copies';
import { documentOf, logError } from '__wasm_rquickjs_builtin/wisp/errors';

// What the engine does for every request, and what it is given for that once: see `runtime/engine/requests.c`, which has the
// same numbers.
const functions = request_functions();
export const { answer, begin, current, faster, keep, pending } = functions;
export const KEPT = { INVOCATION: 0, REQUEST: 1, REQUEST_WITH_BODY: 2, RESPONSE: 3, CONTEXT: 4, TRACING: 5, HANDLER: 6, MAKE_CONTEXT: 7, BUFFER_OF: 8, LATER: 9, FAIL: 10, TICKS: 11, REJECTIONS: 12 };

keep(KEPT.INVOCATION, original(Object.prototype, { requestId: undefined, settled: false }));
keep(KEPT.FAIL, failUnhandled);

export function currentRequestId() {
  return current()?.requestId;
}

// Whether a call is the one that runs: what the host keeps of a request is that of this one.
export function isCurrent(invocation) {
  return invocation === current();
}

// Whether the call waits for an outcome; marks it as having one.
function take(invocation) {
  if (invocation.settled || invocation !== current()) return false;
  invocation.settled = true;
  return true;
}

export function succeed(invocation, value) {
  if (take(invocation)) end(value);
}

export function respond(invocation, status, headers, body) {
  if (take(invocation)) functions.respond(status, headers, body);
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
  const invocation = current();
  if (invocation !== null && !invocation.settled) failUnhandled(invocation, error);
  else logError(error);
}
