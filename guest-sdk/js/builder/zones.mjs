// Writes `runtime/src/zones.txt`, the names of time zones as Node.js shows them in English: node zones.mjs <chrono-tz>/src/prebuilt/timezones.rs
//
// A line is: name | name of daylight-saving time | zones. A zone is its identifier in CLDR, then other identifiers of it. No
// name: the zone is shown as its offset, such as GMT+03:00. Names are those of today; a zone that had others in the past is
// shown under its own.
import { readFileSync, writeFileSync } from 'node:fs';

const known = new Set(readFileSync(process.argv[2], 'utf8').match(/(?<==> ")[A-Za-z0-9_+/-]+(?=")/g));
const YEAR = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;

const shownAt = (timeZone) => {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'long' });
  return (time) => format.formatToParts(time).find(({ type }) => type === 'timeZoneName').value;
};

const plain = (name) => (name === undefined || name.startsWith('GMT') ? '' : name);

function namesOf(timeZone) {
  const shown = shownAt(timeZone);
  const year = [...new Set(Array.from({ length: 24 }, (_, i) => shown(YEAR + i * 15 * DAY)))];
  const isDaylight = (name) => /Daylight|Summer/.test(name);
  const standard = year.find((name) => !isDaylight(name));
  let daylight = year.find(isDaylight);
  // Zones without daylight-saving time today: what it was called when they last had it.
  for (let time = YEAR; daylight === undefined && time > 0; time -= 20 * DAY) {
    const name = shown(time);
    if (isDaylight(name)) daylight = name;
  }
  // There the law calls summer the standard time, and so do the rules of the database.
  if (timeZone === 'Europe/Dublin') return ['Irish Standard Time', 'Greenwich Mean Time'];
  return plain(standard) === '' ? ['', ''] : [plain(standard), plain(daylight)];
}

const lines = new Map();
for (const name of [...known].sort()) {
  let canonical;
  try {
    canonical = new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    continue;
  }
  // Greenwich Mean Time has a name of its own, although it is said to be UTC.
  const names = namesOf(/^(Etc\/)?(GMT([+-]?0)?|Greenwich)$/.test(name) ? 'Africa/Abidjan' : canonical).join('|');
  if (!lines.has(names)) lines.set(names, new Map());
  const zones = lines.get(names);
  if (!zones.has(canonical)) zones.set(canonical, []);
  if (name !== canonical) zones.get(canonical).push(name);
}
const text = [...lines].sort().map(([names, zones]) => names + '|' + [...zones].map(([canonical, others]) => [canonical, ...others].join(' ')).join(','));
writeFileSync(new URL('../runtime/src/zones.txt', import.meta.url), text.join('\n') + '\n');
