// Positions in translated files → positions in what the user wrote. Source maps, version 3.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

// Path of a translated file as it is loaded → { original, map text, decoded lines }.
const files = new Map();

export function addMap(loaded, original, text) {
  files.set(loaded, { original, text, lines: undefined });
}

function decode(mappings) {
  const lines = [];
  let sourceLine = 0, sourceColumn = 0;
  for (const line of mappings.split(';')) {
    let column = 0;
    const segments = [];
    for (const segment of line === '' ? [] : line.split(',')) {
      const [columns, , lineDelta, columnDelta] = numbers(segment);
      column += columns;
      if (lineDelta === undefined) continue;
      sourceLine += lineDelta;
      sourceColumn += columnDelta;
      segments.push([column, sourceLine, sourceColumn]);
    }
    lines.push(segments);
  }
  return lines;
}

function numbers(segment) {
  const values = [];
  let value = 0, shift = 0;
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    values.push(value & 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return values;
}

function position(file, line, column) {
  if (file.text === '') return [line, column];
  file.lines ??= decode(JSON.parse(file.text).mappings);
  let found;
  for (const segment of file.lines[line - 1] ?? []) {
    if (segment[0] > column - 1) break;
    found = segment;
  }
  return found === undefined ? [line, column] : [found[1] + 1, found[2] + 1];
}

// A line of a stack, in the user's own file and position.
export function mapLine(line) {
  return line.replace(/(file:\/\/)?(\/[^\s():]+):(\d+)(?::(\d+))?/, (all, scheme, path, at, column) => {
    const file = files.get(path);
    if (file === undefined) return scheme === undefined ? all : all.slice(scheme.length);
    const [originalLine, originalColumn] = position(file, Number(at), Number(column ?? 1));
    return `${file.original}:${originalLine}:${originalColumn}`;
  });
}
