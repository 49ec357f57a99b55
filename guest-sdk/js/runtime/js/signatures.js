// The two forms of an ECDSA signature: DER, which the native code makes and reads, and r and s side by side (IEEE P1363), which
// the Web Cryptography API, JSON Web Tokens and the option `dsaEncoding: 'ieee-p1363'` mean.

// Bytes of r, and of s.
const SIZES = { prime256v1: 32, 'P-256': 32, secp256k1: 32, secp384r1: 48, 'P-384': 48, secp521r1: 66, 'P-521': 66 };

// How long r is if `options` ask for the form without DER; otherwise, and with a key that is not on a curve, undefined.
export function rawSize(options, key) {
  if (options?.dsaEncoding !== 'ieee-p1363' || key.asymmetricKeyType !== 'ec') return undefined;
  return SIZES[key.asymmetricKeyDetails.namedCurve];
}

// `der` is what the native code made: a sequence of two integers.
export function toRaw(der, size) {
  const raw = new Uint8Array(2 * size);
  // Behind the tag comes the length, in two bytes if it is 128 or more.
  let at = der[1] < 128 ? 2 : 3;
  for (const end of [size, 2 * size]) {
    const length = der[at + 1];
    let digits = der.subarray(at + 2, at + 2 + length);
    // A positive number whose first bit is set has a zero before it.
    if (digits.length > size) digits = digits.subarray(digits.length - size);
    raw.set(digits, end - digits.length);
    at += 2 + length;
  }
  return raw;
}

// Undefined for what cannot be a signature of that size.
export function toDer(raw, size) {
  if (raw.length !== 2 * size) return undefined;
  const content = [...integer(raw.subarray(0, size)), ...integer(raw.subarray(size))];
  return Uint8Array.from([0x30, ...(content.length < 128 ? [] : [0x81]), content.length, ...content]);
}

function integer(bytes) {
  let first = 0;
  while (first < bytes.length - 1 && bytes[first] === 0) first += 1;
  const digits = [...(bytes[first] < 128 ? [] : [0]), ...bytes.subarray(first)];
  return [0x02, digits.length, ...digits];
}
