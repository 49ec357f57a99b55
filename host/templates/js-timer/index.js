// Called by the clock: counts its ticks.

let ticks;

export function initialize() {
  ticks = 0;
}

export function handler(event) {
  const { triggerTime, payload } = JSON.parse(event.toString());
  ticks += 1;
  console.log(`tick ${ticks} of this instance, due at ${triggerTime}: ${payload}`);
  return { ticks };
}
