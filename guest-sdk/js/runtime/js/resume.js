// What differs from instance to instance.
import { forget } from '__wasm_rquickjs_builtin/wisp/context';
import * as timers from '__wasm_rquickjs_builtin/wisp_timers';

const refresh = Symbol.for('__wasm_rquickjs_refresh_process_state');

export function refreshEnvironment(environment) {
  process[refresh]([...process.argv], environment);
}

export function park() {
  timers.park();
}

// `changes` has names and values of variables in turn; one without a value goes.
export function resume(changes) {
  for (let i = 0; i < changes.length; i += 2) {
    if (changes[i + 1] === undefined) delete process.env[changes[i]];
    else process.env[changes[i]] = changes[i + 1];
  }
  forget();
  timers.resume();
}
