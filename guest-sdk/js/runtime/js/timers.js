// Timers as plain objects, in place of tasks that hold a clock of the host: they survive a snapshot, and they wait while
// no invocation runs. The generated `timeout.js` calls the functions with underscores.
import { now, set_due } from '__wasm_rquickjs_builtin/wisp_native';

const timers = new Map();
let lastId = 0;

function arm() {
  let due = Infinity;
  for (const timer of timers.values()) if (timer.at < due) due = timer.at;
  set_due(due);
}

export function schedule(callback, delay, periodic, args) {
  const id = ++lastId;
  timers.set(id, { id, at: now() + delay, delay, periodic, callback, args, refed: true });
  arm();
  return id;
}

export function clear_schedule(id) {
  if (timers.delete(id)) arm();
}

export function ref_schedule(id) {
  const timer = timers.get(id);
  if (timer) timer.refed = true;
}

export function unref_schedule(id) {
  const timer = timers.get(id);
  if (timer) timer.refed = false;
}

export function ref_timer_count() {
  let count = 0;
  for (const timer of timers.values()) if (timer.refed) count++;
  return count;
}

// Runs the timer that is due for longest: each is a turn of its own, with its jobs before the next one.
export function fire(at) {
  let next;
  for (const timer of timers.values()) {
    if (timer.at <= at && (next === undefined || timer.at < next.at)) next = timer;
  }
  if (next === undefined) return arm();
  if (next.periodic) next.at = Math.max(next.at + Math.max(next.delay, 1), at);
  else timers.delete(next.id);
  arm();
  next.callback(...next.args);
}

// The clock of another instance starts anywhere: what is left of each delay goes into the snapshot.
export function park() {
  const at = now();
  for (const timer of timers.values()) timer.left = timer.at - at;
}

export function resume() {
  const at = now();
  for (const timer of timers.values()) timer.at = at + timer.left;
  arm();
}
