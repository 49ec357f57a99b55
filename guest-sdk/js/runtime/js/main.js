// What the host calls, by way of `calls.rs`: each function begins a call and settles it, at once or later.
import * as native from '__wasm_rquickjs_builtin/wisp_native';
import * as cloudbase from '__wasm_rquickjs_builtin/wisp/cloudbase';
import * as console from '__wasm_rquickjs_builtin/wisp/console';
import * as event from '__wasm_rquickjs_builtin/wisp/event';
import * as hooks from '__wasm_rquickjs_builtin/wisp/hooks';
import '__wasm_rquickjs_builtin/wisp/http';
import * as server from '__wasm_rquickjs_builtin/wisp/server';
import * as web from '__wasm_rquickjs_builtin/wisp/web';
import * as timers from '__wasm_rquickjs_builtin/wisp_timers';
import { KEPT, answer, begin, failUnhandled, failWith, keep, pending, succeed, uncaught } from '__wasm_rquickjs_builtin/wisp/invocation';
import { describe, guess, load, loaded, prepare } from '__wasm_rquickjs_builtin/wisp/load';
import { park, refreshEnvironment, resume } from '__wasm_rquickjs_builtin/wisp/resume';

// Sources that are evaluated at the first call of each instance.
let waiting = null;

// Runs `go` when the sources are loaded.
function whenLoaded(requestId, go) {
  const source = waiting;
  const invocation = begin(requestId);
  loadHandler(source).then(
    () => {
      waiting = null;
      go();
    },
    (error) => failUnhandled(invocation, error),
  );
}

function refuse(requestId, kind) {
  failWith(begin(requestId), false, JSON.stringify({
    errorMessage: 'the function takes no ' + kind + ': its handler was found to be of style ' + loaded.style,
    errorType: 'HandlerNotFound',
  }));
}

// What the turn that a call began must still do; without anything, none of it is asked for.
const { ticks, rejections } = globalThis.__wasm_rquickjs_turn;
keep(KEPT.TICKS, ticks);
keep(KEPT.REJECTIONS, rejections);

// Loads the sources, and tells the engine the handler of requests, which it calls by itself from then on.
async function loadHandler(source) {
  await load(source);
  if (takesRequests()) keep(KEPT.HANDLER, loaded.handler);
}

function takesRequests() {
  return loaded.style === 'http' || (loaded.style === 'event' && loaded.http);
}

// What answers events and requests, found out at the first of them: comparing texts costs more than calling a function.
let answerEvent;
let answerRequest;

function takeEvent(bytes, requestId, retryCount, traceParent) {
  if (waiting !== null) return whenLoaded(requestId, () => takeEvent(bytes, requestId, retryCount, traceParent));
  (answerEvent ??= eventAnswer())(loaded.handler, bytes, requestId, retryCount, traceParent);
  return pending();
}

function eventAnswer() {
  if (loaded.style === 'event') return event.invoke;
  if (loaded.style === 'server') return (handler, bytes, requestId) => server.handleEvent(bytes, requestId);
  if (loaded.style === 'cloudbase') return cloudbase.invoke;
  return (handler, bytes, requestId) => refuse(requestId, 'events');
}

// `bytes` is undefined for a request without a body.
function takeRequest(bytes, method, path, url, requestId, traceParent) {
  if (waiting !== null) return whenLoaded(requestId, () => takeRequest(bytes, method, path, url, requestId, traceParent));
  (answerRequest ??= requestAnswer())(bytes, method, path, url, requestId, traceParent);
  return pending();
}

function requestAnswer() {
  if (takesRequests()) return answer;
  if (loaded.style === 'server') return (bytes, method, path, url, requestId) => server.handleHttp(method, path, url, bytes, requestId);
  return (bytes, method, path, url, requestId) => refuse(requestId, 'HTTP requests');
}

function runHook(name, requestId, traceParent) {
  if (waiting !== null) return whenLoaded(requestId, () => runHook(name, requestId, traceParent));
  if (loaded.style === 'server' && name !== 'afterRestore') server.handleHook(name, requestId);
  else if (typeof loaded[name] === 'function') hooks.invoke(loaded[name], requestId, traceParent);
  else succeed(begin(requestId), undefined);
  return pending();
}

native.register({
  load(source) {
    const invocation = begin(undefined);
    refreshEnvironment(source.environment);
    process.chdir(source.directory);
    prepare(source);
    if (!source.evaluate) {
      try {
        const description = guess(source);
        waiting = source;
        succeed(invocation, description);
      } catch (error) {
        failUnhandled(invocation, error);
      }
      return;
    }
    loadHandler(source).then(() => succeed(invocation, describe()), (error) => failUnhandled(invocation, error));
  },
  park() {
    park();
    succeed(begin(undefined), undefined);
  },
  resume(changes) {
    resume(changes);
    succeed(begin(undefined), undefined);
  },
  event: takeEvent,
  http: takeRequest,
  hook: runHook,
  fireTimers: timers.fire,
  nextTicks: globalThis.__wasm_rquickjs_drainNextTick,
  rejections: globalThis.__wasm_rquickjs_unhandled_rejection_checkpoint,
});

globalThis.__wasm_rquickjs_child_uncaught = uncaught;
// `process.exit` ends the instance, as it ends a process: the host tells the caller.
process.exit = process.reallyExit = (code) => native.exit(Number(code ?? process.exitCode ?? 0) | 0);
console.install();
server.install();
web.install();
