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

export function resume(environment) {
  refreshEnvironment(environment);
  forget();
  timers.resume();
}
