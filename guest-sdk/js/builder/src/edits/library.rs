//! Edits of the generated crate's JavaScript and Rust where it answers otherwise than Node: signatures, hashes, keys, addresses,
//! headers and lines.

use std::{fs, path::Path};

use super::replace;
use crate::vendor;

/// # Errors
/// If a text to replace is not there as often as expected, or a file cannot be read or written.
pub(super) fn edit(crate_: &Path, runtime: &Path) -> anyhow::Result<()> {
    signatures(crate_)?;
    digests(crate_)?;
    hashes(crate_)?;
    keys(crate_)?;
    addresses(crate_)?;
    headers(crate_)?;
    lines(crate_, runtime)
}

const CRYPTO: &str = "src/builtin/web-crypto.js";

/// `subtle` signs and verifies ECDSA with r and s side by side, Node's API with DER unless it is asked: see
/// `runtime/js/signatures.js`. Everything was DER, which no other party takes.
fn signatures(crate_: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str| replace(crate_, CRYPTO, from, to, 1);
    edit(
        "import * as webCryptoNative from",
        "import { rawSize, toDer, toRaw } from '__wasm_rquickjs_builtin/wisp/signatures';\nimport * as webCryptoNative from",
    )?;
    edit(
        "    const sig = new Uint8Array(result);\n    return encodeOutput(sig, outputEncoding);\n};\n\nexport { Sign };",
        "    const size = rawSize(privateKey, keyObj);\n    const der = new Uint8Array(result);\n    \
         return encodeOutput(size === undefined ? der : toRaw(der, size), outputEncoding);\n};\n\nexport { Sign };",
    )?;
    edit(
        "    const sigBytes = toBytes(signature, signatureEncoding);\n",
        "    const givenBytes = toBytes(signature, signatureEncoding);\n    const size = rawSize(publicKey, keyObj);\n    \
         const sigBytes = size === undefined ? givenBytes : toDer(givenBytes, size);\n    if (sigBytes === undefined) return false;\n",
    )?;
    edit(
        "const sig = sign.sign(key._keyObject);",
        "const sig = sign.sign({ key: key._keyObject, dsaEncoding: 'ieee-p1363' });",
    )?;
    edit(
        "return verify.verify(key._keyObject, sigBytes);",
        "return verify.verify({ key: key._keyObject, dsaEncoding: 'ieee-p1363' }, sigBytes);",
    )
}

/// ECDSA signs the digest that was made of the data. The crates' `sign` and `verify` take data and hash it, so that the digest
/// was hashed again: no other party took such a signature, and none of theirs was taken.
fn digests(crate_: &Path) -> anyhow::Result<()> {
    for curve in ["p256", "p384", "k256"] {
        let edit = |from: &str, to: &str| replace(crate_, "src/builtin/web_crypto.rs", from, to, 1);
        let made = format!("let sig: {curve}::ecdsa::DerSignature = ");
        let hazmat = format!("{curve}::ecdsa::signature::hazmat");
        edit(
            &format!("{made}key.sign(&digest);"),
            &format!("{made}{hazmat}::PrehashSigner::sign_prehash(&key, &digest).ok()?;"),
        )?;
        let read = format!("let sig = {curve}::ecdsa::DerSignature::from_bytes(signature).ok()?;\n            ");
        edit(
            &format!("{read}Some(key.verify(&digest, &sig).is_ok())"),
            &format!("{read}Some({hazmat}::PrehashVerifier::verify_prehash(&key, &digest, &sig).is_ok())"),
        )?;
    }
    Ok(())
}

/// A hash that a stream ended still says its digest, once: `await pipeline(file, hash); hash.digest('hex')`.
fn hashes(crate_: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str| replace(crate_, CRYPTO, from, to, 1);
    edit(
        "        callback(null, this.digest());\n",
        "        const digest = this.digest();\n        this._streamed = digest;\n        callback(null, digest);\n",
    )?;
    edit(
        "Hash.prototype.digest = function(encoding) {\n",
        "Hash.prototype.digest = function(encoding) {\n    if (this._streamed !== undefined) {\n        \
         const streamed = this._streamed;\n        this._streamed = undefined;\n        \
         return encodeOutput(new Uint8Array(streamed), encoding);\n    }\n",
    )
}

/// `subtle` derives bits and wraps keys by ways that are there: the native functions that it called are not, and AES-KW has an
/// initial value of its own (RFC 3394).
fn keys(crate_: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str, times| replace(crate_, CRYPTO, from, to, times);
    for native in ["ecdh_derive_bits(nativeCurve", "cfrg_derive_bits(name.toLowerCase()"] {
        let call = format!("webCryptoNative.{native}, toBytes(privKeyBytes), toBytes(pubKeyBytes), length / 8)");
        edit(&call, "sharedSecret(baseKey, peerKey, length)", 1)?;
    }
    edit("key._keyObject, Buffer.alloc(0))", "key._keyObject, Buffer.alloc(8, 0xa6))", 2)?;
    let shared = "// Undefined if it is shorter than `bits`.\nfunction sharedSecret(own, peer, bits) {\n    \
         const secret = new Uint8Array(diffieHellman({ privateKey: own._keyObject, publicKey: peer._keyObject }));\n    \
         if (bits === undefined || bits === null) return secret;\n    \
         return bits / 8 > secret.length ? undefined : secret.slice(0, bits / 8);\n}\n\nexport { Sign };";
    edit("export { Sign };", shared, 1)
}

/// What is no address is refused as Node does, so that callers know it by `code` and class.
fn addresses(crate_: &Path) -> anyhow::Result<()> {
    let url = "src/builtin/url.rs";
    replace(
        crate_,
        url,
        "            match super::parse_url(url, base) {\n                Ok(url) => Ok(Self { url }),\n                \
         Err(err) => Err(ctx.throw(\n                    \
         Exception::from_message(ctx.clone(), &format!(\"Invalid URL: {err}\"))\n                        .unwrap()\n                        \
         .into(),\n                )),\n            }",
        "            match super::parse_url(url.clone(), base) {\n                Ok(url) => Ok(Self { url }),\n                \
         Err(_) => {\n                    let _ = Exception::throw_type(&ctx, \"Invalid URL\");\n                    \
         let error = ctx.catch();\n                    if let Some(error) = error.as_object() {\n                        \
         error.set(\"code\", \"ERR_INVALID_URL\")?;\n                        error.set(\"input\", url)?;\n                    }\n                    \
         Err(ctx.throw(error))\n                }\n            }",
        1,
    )
}

/// Each cookie is listed by itself, since it may hold the comma that other values are joined by; headers are made of anything
/// that lists pairs, such as a `Map`.
fn headers(crate_: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str| replace(crate_, "src/builtin/http.js", from, to, 1);
    edit(
        "            callback.call(thisArg, value, name, this)\n",
        "            const values = name === 'set-cookie' ? this.getSetCookie() : [value]\n            \
         for (const one of values) callback.call(thisArg, one, name, this)\n",
    )?;
    edit(
        "        } else if (Array.isArray(headers)) {\n            headers.forEach((header) => {\n",
        "        } else if (typeof headers?.[Symbol.iterator] === 'function') {\n            \
         Array.from(headers, (header) => [...header]).forEach((header) => {\n",
    )
}

/// `readline` of our own in place of one that refuses, and files that are read by lines.
fn lines(crate_: &Path, runtime: &Path) -> anyhow::Result<()> {
    let readline = fs::read(runtime.join("js/readline.js"))?;
    vendor::write_if_changed(&crate_.join("src/builtin/readline.js"), &readline)?;
    let promises = "import { promises } from 'node:readline';\nexport const { Interface, createInterface } = promises;\nexport default promises;\n";
    vendor::write_if_changed(&crate_.join("src/builtin/readline_promises.js"), promises.as_bytes())?;
    let files = "src/builtin/fs_promises.js";
    replace(
        crate_,
        files,
        "    createReadStream(options) {\n",
        "    readLines(options) {\n        return createInterface({ input: this.createReadStream(options) });\n    }\n\n    \
         createReadStream(options) {\n",
        1,
    )?;
    replace(
        crate_,
        files,
        "import * as native from '__wasm_rquickjs_builtin/fs_native';\n",
        "import * as native from '__wasm_rquickjs_builtin/fs_native';\nimport { createInterface } from 'node:readline';\n",
        1,
    )
}
