// What a Request or a Response is made of, and the form that one may hold. The generated classes call these.
import { Buffer } from 'node:buffer';
import { FormData, File, formDataToBlob } from '__wasm_rquickjs_builtin/http_form_data';

// The body to keep, with its type among the headers unless they name one.
export function takeBody(body, headers) {
  const { kept, type } = typed(body);
  if (type && !headers.has('content-type')) headers.set('content-type', type);
  return kept;
}

function typed(body) {
  if (body === undefined || body === null || body instanceof ReadableStream || body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    return { kept: body };
  }
  if (body instanceof URLSearchParams) return { kept: String(body), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  const blob = body instanceof FormData ? formDataToBlob(body) : body;
  if (blob instanceof Blob) return { kept: blob, type: blob.type };
  // As Node takes its own streams.
  if (typeof body[Symbol.asyncIterator] === 'function') return { kept: streamOf(body[Symbol.asyncIterator]()) };
  return { kept: String(body), type: 'text/plain;charset=UTF-8' };
}

function streamOf(chunks) {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => chunks.return?.(reason),
  });
}

// The form that a Request or a Response holds.
export async function readForm(message) {
  if (message.bodyUsed) throw new TypeError('Body is unusable: Body has already been read');
  const type = message.headers.get('content-type') ?? '';
  const form = new FormData();
  if (/^\s*application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    for (const [name, value] of new URLSearchParams(await message.text())) form.append(name, value);
    return form;
  }
  const boundary = /^\s*multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
  if (boundary === null) {
    throw new TypeError('Content-Type was not one of "multipart/form-data" or "application/x-www-form-urlencoded".');
  }
  for (const [name, value] of partsOf(Buffer.from(await message.arrayBuffer()), boundary[1] ?? boundary[2])) form.append(name, value);
  return form;
}

const END = '\r\n';

const malformed = () => new TypeError('Failed to parse body as FormData.');

// Names and values. Searched as text of one byte a character: the values may be any bytes.
function* partsOf(bytes, boundary) {
  const text = bytes.toString('latin1');
  const delimiter = END + '--' + Buffer.from(boundary).toString('latin1');
  // The first one may stand at the very start.
  let at = text.startsWith(delimiter.slice(END.length)) ? delimiter.length - END.length : endOf(text, delimiter, 0);
  while (!text.startsWith('--', at)) {
    const start = endOf(text, END, at);
    const headers = endOf(text, END + END, start - END.length);
    const behind = endOf(text, delimiter, headers - END.length);
    const value = bytes.subarray(headers, Math.max(headers, behind - delimiter.length));
    yield partOf(bytes.subarray(start, headers).toString(), value);
    at = behind;
  }
}

// Where a text ends that must be there.
function endOf(text, wanted, from) {
  const at = text.indexOf(wanted, from);
  if (at < 0) throw malformed();
  return at + wanted.length;
}

const unescaped = (name) => name.replace(/%0A/gi, '\n').replace(/%0D/gi, '\r').replace(/%22/g, '"');

function partOf(headers, value) {
  const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(headers)?.[1] ?? '';
  const name = /(?:^|[;\s])name="([^"]*)"/i.exec(disposition)?.[1];
  if (name === undefined) throw malformed();
  const file = /(?:^|[;\s])filename="([^"]*)"/i.exec(disposition)?.[1];
  if (file === undefined) return [unescaped(name), new TextDecoder().decode(value)];
  const type = /^content-type:\s*(.*?)\s*$/im.exec(headers)?.[1] ?? 'text/plain';
  return [unescaped(name), new File([value], unescaped(file), { type })];
}
