// The order of texts for people: `Intl.Collator` and `localeCompare`. The engine compares code points, so that Z comes before a.
//
// It is the root order of the Unicode collation algorithm as far as that needs no tables: signs, digits, letters; among equal
// letters accents decide, then case. Han characters are in the order of their code points, not of their pronunciation.

// From the least: the signs that ASCII has, and the digits.
const ORDER = '\t\n\v\f\r _-,;:!?.\'"()[]{}@*/\\&#%`^+<=>|~$0123456789';
const LETTERS = 100;
const OTHER_SIGNS = ORDER.indexOf('`') + 0.5;
// Letters that do not decompose.
const ALIKE = { ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', đ: 'd', ł: 'l', ı: 'i', þ: 'th' };
const ZERO = ORDER.indexOf('0') + 1;

// What the characters of ASCII weigh: 0 for control characters, which count for nothing.
const WEIGHTS = Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code).toLowerCase();
  return character >= 'a' && character <= 'z' ? LETTERS + character.charCodeAt(0) : ORDER.indexOf(character) + 1;
});

function weigh(character) {
  const code = character.codePointAt(0);
  if (code < 128) return WEIGHTS[code];
  if (/[\p{P}\p{S}\p{Z}]/u.test(character)) return OTHER_SIGNS + code / 0x400000;
  return LETTERS + code;
}

// What is compared of a text: the weight of each letter, then its accents, then whether it is a capital.
function elements(text, { numeric, ignorePunctuation }) {
  const found = [];
  const marks = numeric ? /\p{M}|[0-9]+|[^]/gu : /\p{M}|[^]/gu;
  for (const [part] of text.normalize('NFKD').matchAll(marks)) {
    if (/^\p{M}/u.test(part)) {
      if (found.length > 0) found.at(-1).accents += part;
      continue;
    }
    if (numeric && part >= '0' && part <= '9\uffff') {
      found.push({ weight: ZERO, number: part.replace(/^0+(?=.)/, ''), accents: '', capital: 0 });
      continue;
    }
    if (ignorePunctuation && /[\p{P}\p{Z}]/u.test(part)) continue;
    const small = part.toLowerCase();
    const letters = ALIKE[small];
    for (const letter of letters ?? small) {
      const weight = weigh(letter);
      if (weight > 0) found.push({ weight, number: undefined, accents: letters === undefined ? '' : small, capital: part === small ? 0 : 1 });
    }
  }
  return found;
}

const sign = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// Numbers as texts: the longer one is the greater.
const byNumber = (a, b) => (a === undefined || b === undefined ? sign(a !== undefined, b !== undefined) : sign(a.length, b.length) || sign(a, b));

// The first difference of that kind.
function difference(a, b, compare) {
  for (let i = 0; i < a.length && i < b.length; i += 1) {
    const result = compare(a[i], b[i]);
    if (result !== 0) return result;
  }
  return sign(a.length, b.length);
}

function compareWith(options, a, b) {
  const [left, right] = [elements(a, options), elements(b, options)];
  const { sensitivity, caseFirst } = options;
  const letters = difference(left, right, (x, y) => sign(x.weight, y.weight) || byNumber(x.number, y.number));
  if (letters !== 0 || sensitivity === 'base') return letters;
  const accents = sensitivity === 'case' ? 0 : difference(left, right, (x, y) => sign(x.accents, y.accents));
  if (accents !== 0 || sensitivity === 'accent') return accents;
  const capitals = difference(left, right, (x, y) => sign(x.capital, y.capital));
  return caseFirst === 'upper' ? -capitals : capitals;
}

// As `compareWith` without options, for two texts of ASCII; undefined if one of them has other characters.
function compareAscii(a, b) {
  let capitals = 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x > 127 || y > 127 || WEIGHTS[x] === 0 || WEIGHTS[y] === 0) return undefined;
    if (WEIGHTS[x] !== WEIGHTS[y]) return restIsAscii(a, i) && restIsAscii(b, i) ? sign(WEIGHTS[x], WEIGHTS[y]) : undefined;
    // A small letter has the greater code, and comes first.
    if (capitals === 0) capitals = sign(y, x);
  }
  if (!restIsAscii(a, length) || !restIsAscii(b, length)) return undefined;
  return sign(a.length, b.length) || capitals;
}

// A mark behind the letter belongs to it, so one more character is enough to know what differs.
function restIsAscii(text, from) {
  return !(text.charCodeAt(from) > 127 || text.charCodeAt(from + 1) > 127);
}

const isPlain = ({ numeric, ignorePunctuation, sensitivity, caseFirst }) => !numeric && !ignorePunctuation && sensitivity === 'variant' && caseFirst !== 'upper';

export class Collator {
  #name;
  #options;
  #bound;

  constructor(name, { usage = 'sort', sensitivity = 'variant', ignorePunctuation = false, numeric = false, caseFirst = 'false' }) {
    if (!['base', 'accent', 'case', 'variant'].includes(sensitivity)) throw new RangeError(`Value ${sensitivity} out of range for Intl.Collator options property sensitivity`);
    this.#name = name;
    this.#options = { usage, sensitivity, ignorePunctuation: Boolean(ignorePunctuation), collation: 'default', numeric: Boolean(numeric), caseFirst };
  }

  // Bound, because it is what people give to `sort`.
  get compare() {
    return (this.#bound ??= (a, b) => {
      const [left, right] = [String(a), String(b)];
      return (isPlain(this.#options) ? compareAscii(left, right) : undefined) ?? compareWith(this.#options, left, right);
    });
  }

  resolvedOptions() {
    return { locale: this.#name, ...this.#options };
  }
}
