// Dates and numbers as people write them in the languages of LOCALES; the engine's own Intl knows en-US alone. Other languages
// are formatted as en-US, and `supportedLocalesOf` says so.
//
// A pattern is text in which letters stand for fields, as in CLDR: y M d E (weekday) h m s P (morning or afternoon).

import * as native from '__wasm_rquickjs_builtin/wisp_native';
import { Collator } from '__wasm_rquickjs_builtin/wisp/collate';

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');
const cut = (names, length = 3) => names.map((name) => name.slice(0, length));

const ENGLISH = {
  months: { long: MONTHS, short: cut(MONTHS) },
  days: { long: DAYS, short: cut(DAYS) },
  periods: ['AM', 'PM'],
  numeric: { yMd: 'M/d/y', Md: 'M/d', yM: 'M/y' },
  text: { yMd: 'M d, y', Md: 'M d', yM: 'M y' },
  weekday: ['E, ', ''],
  h12: true,
  period: 'h P',
  glue: ', ',
  // Between a date with the month's name in full and a time, where a style asks for both.
  at: ' at ',
  styles: { full: 'Elong M=long', long: 'M=long', medium: 'M=short', short: 'y=2-digit' },
  number: [',', '.'],
  symbols: { CNY: 'CN¥' },
};

const HAN_DAYS = '日一二三四五六'.split('');
const HAN = {
  months: null,
  days: { long: HAN_DAYS.map((day) => '星期' + day), short: HAN_DAYS.map((day) => '周' + day) },
  periods: ['上午', '下午'],
  numeric: { yMd: 'y/M/d', Md: 'M/d', yM: 'y/M' },
  text: { yMd: 'y年M月d日', Md: 'M月d日', yM: 'y年M月' },
  alone: { y: 'y年', M: 'M月', d: 'd日', h: 'h时' },
  weekday: ['', 'E'],
  h12: false,
  padsHour: true,
  period: 'Ph',
  glue: ' ',
  at: ' ',
  zone: ['Z ', ''],
  styles: { full: 'Elong M=long', long: 'M=long', medium: 'M=long', short: '' },
  number: [',', '.'],
  symbols: { CNY: '¥', JPY: 'JP¥', USD: 'US$', CAD: 'CA$' },
};

const GERMAN_DAYS = 'Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag'.split(' ');
const FRENCH_DAYS = 'dimanche lundi mardi mercredi jeudi vendredi samedi'.split(' ');
const SWEDISH_DAYS = 'söndag måndag tisdag onsdag torsdag fredag lördag'.split(' ');

export const LOCALES = {
  'en-US': ENGLISH,
  'en-GB': {
    ...ENGLISH,
    months: { long: MONTHS, short: cut(MONTHS).with(8, 'Sept') },
    periods: ['am', 'pm'],
    numeric: { yMd: 'd/M/y', Md: 'd/M', yM: 'M/y' },
    pads: true,
    text: { yMd: 'd M y', Md: 'd M', yM: 'M y' },
    h12: false,
    padsHour: true,
    styles: { ...ENGLISH.styles, short: '' },
    symbols: { USD: 'US$', JPY: 'JP¥', CNY: 'CN¥' },
  },
  'en-CA': {
    ...ENGLISH,
    periods: ['a.m.', 'p.m.'],
    numeric: { yMd: 'y-M-d', Md: 'M-d', yM: 'y-M' },
    pads: true,
    styles: { ...ENGLISH.styles, short: '' },
  },
  'zh-CN': HAN,
  'zh-TW': {
    ...HAN,
    days: { ...HAN.days, short: HAN_DAYS.map((day) => '週' + day) },
    alone: { ...HAN.alone, h: 'h時' },
    numericWeekday: ['', '（E）'],
    fullWeekday: ['', ' E'],
    h12: true,
    // Only where hours count to 24.
    padsHour: undefined,
    zone: ['', ' [Z]'],
    symbols: { ...HAN.symbols, TWD: '$', CNY: 'CN¥', JPY: '¥' },
  },
  'ja-JP': {
    ...HAN,
    days: { long: '日月火水木金土'.split('').map((day) => day + '曜日'), short: '日月火水木金土'.split('') },
    periods: ['午前', '午後'],
    alone: { ...HAN.alone, h: 'h時' },
    weekday: ['', '(E)'],
    fullWeekday: ['', 'E'],
    padsHour: false,
    zone: ['', ' Z'],
    styles: { full: 'Elong M=long', long: 'M=long', medium: 'M=2-digit d=2-digit', short: 'M=2-digit d=2-digit' },
    symbols: { JPY: '￥', CNY: '元', USD: '$', CAD: 'CA$' },
  },
  'de-DE': {
    ...ENGLISH,
    months: {
      long: 'Januar Februar März April Mai Juni Juli August September Oktober November Dezember'.split(' '),
      short: 'Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.'.split(' '),
    },
    days: { long: GERMAN_DAYS, short: cut(GERMAN_DAYS, 2).map((day) => day + '.') },
    daysAlone: { long: GERMAN_DAYS, short: cut(GERMAN_DAYS, 2) },
    numeric: { yMd: 'd.M.y', Md: 'd.M.', yM: 'M/y' },
    text: { yMd: 'd. M y', Md: 'd. M', yM: 'M y' },
    alone: { h: 'h Uhr' },
    h12: false,
    padsHour: true,
    at: ' um ',
    styles: { full: 'Elong M=long', long: 'M=long', medium: 'M=2-digit d=2-digit', short: 'y=2-digit M=2-digit d=2-digit' },
    number: ['.', ','],
    unitsBehind: true,
    symbols: { JPY: '¥', CNY: 'CN¥', USD: '$', CAD: 'CA$' },
  },
  'fr-FR': {
    ...ENGLISH,
    months: {
      long: 'janvier février mars avril mai juin juillet août septembre octobre novembre décembre'.split(' '),
      short: 'janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.'.split(' '),
    },
    days: { long: FRENCH_DAYS, short: cut(FRENCH_DAYS).map((day) => day + '.') },
    numeric: { yMd: 'd/M/y', Md: 'd/M', yM: 'M/y' },
    pads: true,
    text: { yMd: 'd M y', Md: 'd M', yM: 'M y' },
    alone: { h: 'h h' },
    weekday: ['E ', ''],
    h12: false,
    padsHour: true,
    glue: ' ',
    textGlue: ', ',
    at: ' à ',
    gmt: 'UTC',
    styles: { ...ENGLISH.styles, short: '' },
    number: ['\u202f', ','],
    unitsBehind: true,
    percent: '\u202f%',
    symbols: { JPY: 'JPY', CNY: 'CNY', USD: '$US', CAD: '$CA', GBP: '£GB' },
  },
  'sv-SE': {
    ...ENGLISH,
    months: {
      long: 'januari februari mars april maj juni juli augusti september oktober november december'.split(' '),
      short: 'jan. feb. mars apr. maj juni juli aug. sep. okt. nov. dec.'.split(' '),
    },
    days: { long: SWEDISH_DAYS, short: cut(SWEDISH_DAYS) },
    periods: ['fm', 'em'],
    numeric: { yMd: 'y-M-d', Md: 'd/M', yM: 'y-M' },
    pads: 'with a year',
    text: { yMd: 'd M y', Md: 'd M', yM: 'M y' },
    weekday: ['E ', ''],
    numericWeekday: ['E, ', ''],
    h12: false,
    padsHour: true,
    glue: ' ',
    at: ' kl. ',
    styles: { ...ENGLISH.styles, short: '' },
    number: ['\u00a0', ','],
    minus: '\u2212',
    unitsBehind: true,
    symbols: { SEK: 'kr', JPY: 'JPY', CNY: 'CNY', USD: 'US$', CAD: 'CAN$' },
  },
};

const DEFAULTS = { en: 'en-US', zh: 'zh-CN', 'zh-Hans': 'zh-CN', 'zh-Hant': 'zh-TW', ja: 'ja-JP', de: 'de-DE', fr: 'fr-FR', sv: 'sv-SE' };

// The engine's own says `en-US`, whatever it is asked.
function canonical(locales) {
  const list = locales === undefined ? [] : typeof locales === 'string' ? [locales] : Array.from(locales, String);
  return list.map((locale) => {
    if (!/^[a-z]{2,8}(-[a-z0-9]{1,8})*$/i.test(locale)) throw new RangeError('Incorrect locale information provided');
    const [language, ...rest] = locale.toLowerCase().split('-');
    const extension = rest.findIndex((part) => part.length === 1);
    const named = rest.map((part, i) => {
      if (extension >= 0 && i >= extension) return part;
      return part.length === 4 && !/^\d/.test(part) ? part[0].toUpperCase() + part.slice(1) : part.length === 2 ? part.toUpperCase() : part;
    });
    return [language, ...named].join('-');
  });
}

// The first of the wanted locales that is known, or undefined.
export function known(locales) {
  for (const locale of canonical(locales)) {
    const tag = locale.split('-u-')[0];
    const found = tag in LOCALES ? tag : (DEFAULTS[tag] ?? DEFAULTS[tag.split('-').slice(0, 2).join('-')] ?? DEFAULTS[tag.split('-')[0]]);
    if (found !== undefined) return found;
  }
  return undefined;
}

const DATE_FIELDS = ['weekday', 'year', 'month', 'day'];
const TIME_FIELDS = ['hour', 'minute', 'second', 'fractionalSecondDigits'];
const FIELDS = [...DATE_FIELDS, 'dayPeriod', ...TIME_FIELDS, 'timeZoneName'];
const LETTERS = { y: 'year', M: 'month', d: 'day', E: 'weekday', h: 'hour', P: 'dayPeriod', Z: 'timeZoneName' };

const pad = (number) => String(number).padStart(2, '0');
const literal = (value) => ({ type: 'literal', value });

// The fields that a style stands for: `Elong` is a long weekday, `M=long` a long month.
function fieldsOfStyle(locale, { dateStyle, timeStyle }) {
  const fields = {};
  if (dateStyle !== undefined) {
    Object.assign(fields, { year: 'numeric', month: 'numeric', day: 'numeric' });
    for (const word of locale.styles[dateStyle].split(' ')) {
      if (word === 'Elong') fields.weekday = 'long';
      else if (word !== '') fields[LETTERS[word[0]]] = word.slice(2);
    }
  }
  if (timeStyle !== undefined) {
    Object.assign(fields, { hour: locale.padsHour ? '2-digit' : 'numeric', minute: '2-digit' });
    if (timeStyle !== 'short') fields.second = '2-digit';
    if (timeStyle === 'full' || timeStyle === 'long') fields.timeZoneName = 'short';
  }
  return fields;
}

// A pattern with the values of its letters, as parts.
function fill(pattern, values) {
  const parts = [];
  for (const letter of pattern) {
    const type = LETTERS[letter];
    if (type !== undefined && values[type] !== undefined) parts.push({ type, value: values[type] });
    else if (parts.at(-1)?.type === 'literal') parts.at(-1).value += letter;
    else parts.push(literal(letter));
  }
  return parts;
}

const around = ([before, behind], letter, value, parts) => [...fill(before, { [LETTERS[letter]]: value }), ...parts, ...fill(behind, { [LETTERS[letter]]: value })];

export class Dates {
  #locale;
  #name;
  #options;
  #fields;
  // The zone that was asked for; otherwise the local one as it was when this was made, or that of a new instance.
  #given;
  #local = native.local_zone();
  #era = native.zone_era();
  #bound;

  constructor(name, options) {
    this.#name = name;
    this.#locale = LOCALES[name];
    const { timeZone, dateStyle, timeStyle } = options;
    this.#options = options;
    if (timeZone !== undefined) {
      this.#given = native.zone_identifier(String(timeZone));
      if (this.#given === undefined) throw new RangeError(`Invalid time zone specified: ${timeZone}`);
    }
    const styled = dateStyle !== undefined || timeStyle !== undefined;
    this.#fields = styled ? fieldsOfStyle(this.#locale, options) : Object.fromEntries(FIELDS.filter((it) => options[it] !== undefined).map((it) => [it, options[it]]));
    if (!styled && Object.keys(this.#fields).every((it) => it === 'timeZoneName')) Object.assign(this.#fields, { year: 'numeric', month: 'numeric', day: 'numeric' });
  }

  get format() {
    return (this.#bound ??= (date) => this.formatToParts(date).map((part) => part.value).join(''));
  }

  formatRange(from, to) {
    return `${this.format(from)} – ${this.format(to)}`;
  }

  formatToParts(date) {
    const instant = date === undefined ? Date.now() : Number(date);
    if (!Number.isFinite(instant)) throw new RangeError('Invalid time value');
    const now = this.#there(instant);
    const day = this.#date(now);
    const time = this.#time(now);
    if (day.length === 0 || time.length === 0) return [...day, ...time];
    return [...day, literal(this.#glue()), ...time];
  }

  resolvedOptions() {
    const { dateStyle, timeStyle } = this.#options;
    const zone = this.#zoneNow();
    // A local zone that is only an offset has no name, in Node either.
    const found = { locale: this.#name, calendar: 'gregory', numberingSystem: 'latn', timeZone: /^[+-]/.test(zone) ? undefined : zone };
    if (this.#fields.hour !== undefined) Object.assign(found, { hourCycle: this.#isH12() ? 'h12' : 'h23', hour12: this.#isH12() });
    return Object.assign(found, dateStyle === undefined && timeStyle === undefined ? this.#fields : { dateStyle, timeStyle });
  }

  #zoneNow() {
    if (this.#given !== undefined) return this.#given;
    const era = native.zone_era();
    if (this.#era !== era) {
      this.#local = native.local_zone();
      this.#era = era;
    }
    return this.#local;
  }

  // What clocks in the zone show.
  #there(instant) {
    const offset = native.zone_offset(this.#zoneNow(), instant);
    const shown = new Date(instant + offset * 1000);
    return {
      instant,
      offset,
      year: String(shown.getUTCFullYear()),
      month: shown.getUTCMonth() + 1,
      day: shown.getUTCDate(),
      hour: shown.getUTCHours(),
      minute: shown.getUTCMinutes(),
      second: shown.getUTCSeconds(),
      weekday: shown.getUTCDay(),
    };
  }

  #isH12() {
    const { hour12, hourCycle } = this.#options;
    return hour12 ?? (hourCycle === undefined ? this.#locale.h12 : hourCycle === 'h12' || hourCycle === 'h11');
  }

  #hasText() {
    const { month } = this.#fields;
    return month === 'long' || month === 'short' || month === 'narrow';
  }

  #glue() {
    const { glue, textGlue = glue, at } = this.#locale;
    if (this.#fields.month === 'long') return at;
    if (DATE_FIELDS.every((field) => field === 'weekday' || this.#fields[field] === undefined)) return ' ';
    return this.#hasText() ? textGlue : glue;
  }

  #date(now) {
    const { weekday, year, month, day } = this.#fields;
    const locale = this.#locale;
    const hasText = this.#hasText();
    const which = (year === undefined ? '' : 'y') + (month === undefined ? '' : 'M') + (day === undefined ? '' : 'd');
    const pads = locale.pads === true || (locale.pads !== undefined && year !== undefined);
    const number = (value, style) => (style === '2-digit' || (pads && which.length > 1 && !hasText) ? pad(value) : String(Number(value)));
    const values = {
      year: year === '2-digit' ? pad(now.year % 100) : now.year,
      month: hasText ? this.#month(now, month) : number(now.month, month),
      day: hasText ? (day === '2-digit' ? pad(now.day) : String(Number(now.day))) : number(now.day, day),
    };
    const name = weekday === undefined ? undefined : this.#weekday(now, weekday, which === '');
    if (which === '') return name === undefined ? [] : [{ type: 'weekday', value: name }];
    const pattern = (hasText ? locale.text : locale.numeric)[which] ?? locale.alone?.[which] ?? [...which].join(' ');
    const parts = fill(pattern, values);
    if (name === undefined) return parts;
    const place = hasText ? (weekday === 'long' && locale.fullWeekday) || locale.weekday : (locale.numericWeekday ?? locale.weekday);
    return around(place, 'E', name, parts);
  }

  #month(now, style) {
    const { months } = this.#locale;
    // Where months have no names, a pattern has the word behind the number.
    if (months === null) return String(Number(now.month));
    return style === 'narrow' ? months.long[now.month - 1][0] : months[style][now.month - 1];
  }

  #weekday(now, style, isAlone) {
    const { days, daysAlone } = this.#locale;
    const names = (isAlone && daysAlone) || days;
    return style === 'narrow' ? names.short[now.weekday][0] : names[style][now.weekday];
  }

  #time(now) {
    const { hour, minute, second, fractionalSecondDigits: digits, timeZoneName } = this.#fields;
    const locale = this.#locale;
    let parts = [];
    const add = (type, value, before = ':') => parts.push(...(parts.length > 0 ? [literal(before)] : []), { type, value });
    if (hour !== undefined) add('hour', this.#hour(now));
    if (minute !== undefined) add('minute', hour === undefined && second === undefined ? String(Number(now.minute)) : pad(now.minute));
    if (second !== undefined) add('second', minute === undefined ? String(Number(now.second)) : pad(now.second));
    if (digits !== undefined) add('fractionalSecond', String(((now.instant % 1000) + 1000) % 1000).padStart(3, '0').slice(0, digits), second === undefined ? ':' : locale.number[1]);
    if (hour !== undefined && this.#isH12()) {
      const [before, behind] = locale.period.split('h');
      parts = around([before, behind], 'P', locale.periods[now.hour % 24 < 12 ? 0 : 1], parts);
    }
    if (hour !== undefined && minute === undefined && locale.alone?.h !== undefined) parts.push(literal(locale.alone.h.slice(1)));
    if (timeZoneName === undefined) return parts;
    const zone = this.#zone(now);
    return parts.length === 0 ? [{ type: 'timeZoneName', value: zone }] : around(locale.zone ?? ['', ' Z'], 'Z', zone, parts);
  }

  #hour(now) {
    const { hour, minute } = this.#fields;
    const value = now.hour % 24;
    const shown = this.#isH12() ? value % 12 || 12 : value;
    const complete = minute !== undefined && this.#fields.second !== undefined && this.#fields.fractionalSecondDigits === undefined;
    const pads = !this.#isH12() && (complete || this.#fields.timeZoneName !== undefined) && (this.#locale.padsHour ?? this.#locale.h12);
    return hour === '2-digit' || pads ? pad(shown) : String(shown);
  }

  #zone(now) {
    const gmt = this.#locale.gmt ?? 'GMT';
    const minutes = Math.round(now.offset / 60);
    if (minutes === 0) return this.#zoneNow() === 'UTC' ? 'UTC' : gmt;
    const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
    return `${gmt}${minutes < 0 ? '-' : '+'}${hours}${rest === 0 ? '' : ':' + pad(rest)}`;
  }
}

// A number of the engine's own format in the signs of a locale.
export function numberParts(parts, name, { style, currency, currencyDisplay = 'symbol' }) {
  const { number: [group, decimal], minus, symbols, unitsBehind, percent = '\u00a0%' } = LOCALES[name];
  const shown = parts.map((part) => {
    if (part.type === 'group') return { ...part, value: group };
    if (part.type === 'minusSign' && minus !== undefined) return { ...part, value: minus };
    if (part.type === 'decimal') return { ...part, value: decimal };
    if (part.type === 'currency' && currencyDisplay === 'symbol') return { ...part, value: symbols?.[currency] ?? part.value };
    return part;
  });
  if (!unitsBehind) return shown;
  if (style === 'percent') return shown.map((part) => (part.type === 'percentSign' ? { ...part, value: percent } : part));
  if (style !== 'currency') return shown;
  const rest = shown.filter((part) => part.type !== 'currency' && !(part.type === 'literal' && part.value.trim() === ''));
  return [...rest, literal('\u00a0'), shown.find((part) => part.type === 'currency')];
}

export class Numbers {
  #base;
  #name;
  #options;
  #bound;

  // `Base` is the engine's own, which knows how to round.
  constructor(name, options, Base) {
    this.#base = new Base('en-US', options);
    this.#name = name;
    this.#options = options;
  }

  get format() {
    return (this.#bound ??= (number) => this.formatToParts(number).map((part) => part.value).join(''));
  }

  formatToParts(number) {
    return numberParts(this.#base.formatToParts(number), this.#name, this.#options);
  }

  resolvedOptions() {
    return { ...this.#base.resolvedOptions(), locale: this.#name };
  }
}

const DATE = { year: 'numeric', month: 'numeric', day: 'numeric' };
const TIME = { hour: 'numeric', minute: '2-digit', second: '2-digit' };

// Date's own methods: what each of them shows unless the options name a field of that kind.
const METHODS = {
  toLocaleString: [[...DATE_FIELDS, ...TIME_FIELDS], { ...DATE, ...TIME }],
  toLocaleDateString: [DATE_FIELDS, DATE],
  toLocaleTimeString: [TIME_FIELDS, TIME],
};

// A constructor that may be called without `new`, as those of Intl may. `Base` is the engine's own, if it is of use.
function constructor(name, Class, Base) {
  function make(locales, options) {
    return new Class(known(locales) ?? 'en-US', { ...options }, Base);
  }
  const define = (object, key, value) => Object.defineProperty(object, key, { value, writable: true, configurable: true });
  define(make, 'name', name);
  make.prototype = Class.prototype;
  define(Class.prototype, 'constructor', make);
  define(Class.prototype, Symbol.toStringTag, `Intl.${name}`);
  make.supportedLocalesOf = (locales) => canonical(locales).filter((locale) => known(locale) !== undefined);
  return make;
}

export function install() {
  Intl.getCanonicalLocales = canonical;
  Intl.DateTimeFormat = constructor('DateTimeFormat', Dates);
  Intl.NumberFormat = constructor('NumberFormat', Numbers, Intl.NumberFormat);
  Intl.Collator = constructor('Collator', Collator);
  const plain = new Intl.Collator();
  const localeCompare = {
    localeCompare(that, locales, options) {
      return (locales === undefined && options === undefined ? plain : new Intl.Collator(locales, options)).compare(this, that);
    },
  }.localeCompare;
  Object.defineProperty(String.prototype, 'localeCompare', { value: localeCompare, writable: true, configurable: true });
  for (const [method, [fields, defaults]] of Object.entries(METHODS)) {
    Date.prototype[method] = {
      [method](locales, options) {
        if (Number.isNaN(this.getTime())) return 'Invalid Date';
        const { dateStyle, timeStyle } = options ?? {};
        const isGiven = dateStyle !== undefined || timeStyle !== undefined || fields.some((field) => options?.[field] !== undefined);
        return new Intl.DateTimeFormat(locales, isGiven ? options : { ...options, ...defaults }).format(this);
      },
    }[method];
    Object.defineProperty(Date.prototype, method, { enumerable: false });
  }
}
