//! What is asked of the engine past its Rust bindings: on the way of every request these would cost as much as the handler.

use std::{ffi::c_int, ptr::NonNull};

use rquickjs::{Ctx, Error, Function, Value, qjs};

unsafe extern "C" {
    /// See `engine/instances.c`.
    fn wisp_settle(ctx: *mut qjs::JSContext) -> c_int;
    /// See `engine/local_time.c`.
    fn wisp_set_local_time(offset: Option<LocalOffset>, name: Option<ZoneName>);
    /// See `engine/requests.c`.
    fn wisp_request(ctx: *mut qjs::JSContext, body: qjs::JSValue, texts: *const Text) -> c_int;
    fn wisp_request_functions(ctx: *mut qjs::JSContext, respond: RawFunction) -> qjs::JSValue;
}

type LocalOffset = extern "C" fn(i64, bool) -> i32;
type ZoneName = extern "C" fn(i64, *mut u8, usize) -> usize;

/// What the engine asks about local time, in milliseconds since 1970.
pub(crate) struct LocalTime {
    /// Seconds east of Greenwich; `true`: of clocks that show this time.
    pub(crate) offset: LocalOffset,
    /// Writes a name in UTF-8, of at most as many bytes, and gives its length.
    pub(crate) name: ZoneName,
}

/// From here on local time is this; none: UTC.
pub(crate) fn set_local_time(local: Option<LocalTime>) {
    let (offset, name) = local.map(|local| (local.offset, local.name)).unzip();
    // SAFETY: the engine runs nothing meanwhile, and the functions are there forever.
    unsafe { wisp_set_local_time(offset, name) };
}

/// A function as the engine calls it.
pub(crate) type RawFunction =
    unsafe extern "C" fn(*mut qjs::JSContext, qjs::JSValue, c_int, *mut qjs::JSValue) -> qjs::JSValue;

/// Bytes of a text: `WispText` in `engine/requests.c`.
#[repr(C)]
struct Text {
    start: *const u8,
    length: usize,
}

/// What calls a handler of requests within the engine.
pub(crate) fn request_functions<'js>(ctx: &Ctx<'js>, respond: RawFunction) -> Value<'js> {
    // SAFETY: the value is of this context.
    unsafe { Value::from_raw(ctx.clone(), wisp_request_functions(ctx.as_raw().as_ptr(), respond)) }
}

/// Calls the handler of requests with method, path, url, request id and trace parent. Gives whether the turn may have
/// something left to do; none: the function has no such handler.
pub(crate) fn request(ctx: &Ctx<'_>, body: Option<&Value<'_>>, texts: [&[u8]; 5]) -> rquickjs::Result<Option<bool>> {
    let texts = texts.map(|text| Text { start: text.as_ptr(), length: text.len() });
    let body = body.map_or(qjs::JS_UNDEFINED, Value::as_raw);
    // SAFETY: there are as many texts as the function reads, and they and the body live until it returns.
    match unsafe { wisp_request(ctx.as_raw().as_ptr(), body, texts.as_ptr()) } {
        0 => Ok(Some(false)),
        1 => Ok(Some(true)),
        2 => Ok(None),
        _ => Err(Error::Exception),
    }
}

/// A string. What is not UTF-8 becomes replacement characters.
pub(crate) fn text<'js>(ctx: &Ctx<'js>, utf8: &[u8]) -> Value<'js> {
    // SAFETY: the bytes are read, and the value is of this context. An exception is a value too, which the next call throws.
    unsafe { Value::from_raw(ctx.clone(), raw_text(ctx.as_raw(), utf8)) }
}

fn raw_text(ctx: NonNull<qjs::JSContext>, utf8: &[u8]) -> qjs::JSValue {
    // SAFETY: the bytes are only read.
    unsafe { qjs::JS_NewStringLen(ctx.as_ptr(), utf8.as_ptr().cast(), utf8.len() as _) }
}

/// Calls a function with one more value before the texts, which is undefined if there is none. Gives whether it returned
/// `true`.
pub(crate) fn call<const N: usize>(
    ctx: &Ctx<'_>,
    function: &Function<'_>,
    texts: [&[u8]; N],
    first: Option<Value<'_>>,
) -> rquickjs::Result<bool> {
    let raw = ctx.as_raw().as_ptr();
    let texts = texts.map(|text| raw_text(ctx.as_raw(), text));
    let mut arguments = [qjs::JS_UNDEFINED; 8];
    arguments[0] = first.as_ref().map_or(qjs::JS_UNDEFINED, Value::as_raw);
    arguments[1..=N].copy_from_slice(&texts);
    // SAFETY: function and arguments are of this context, and the arguments live until the call has ended: the strings are
    // freed here, the first one by its owner.
    let returned = unsafe {
        let returned = qjs::JS_Call(raw, function.as_raw(), qjs::JS_UNDEFINED, (N + 1) as _, arguments.as_mut_ptr());
        for text in texts {
            qjs::JS_FreeValue(raw, text);
        }
        returned
    };
    match returned {
        qjs::JS_TRUE => Ok(true),
        qjs::JS_EXCEPTION => Err(Error::Exception),
        other => {
            // SAFETY: the value is ours.
            unsafe { qjs::JS_FreeValue(raw, other) };
            Ok(false)
        }
    }
}

/// Appends a value as text in UTF-8; a lone surrogate, which UTF-8 cannot have, becomes a replacement character.
///
/// # Safety
/// The value must be one of the context.
pub(crate) unsafe fn append_text(
    ctx: *mut qjs::JSContext,
    value: qjs::JSValue,
    to: &mut Vec<u8>,
) -> rquickjs::Result<()> {
    let mut length = 0;
    // SAFETY: the text is freed after the last use of its bytes.
    unsafe {
        let text = qjs::JS_ToCStringLen2(ctx, &raw mut length, value, false);
        if text.is_null() {
            return Err(Error::Exception);
        }
        let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
        let start = to.len();
        to.extend_from_slice(bytes);
        if std::str::from_utf8(bytes).is_err() {
            replace_surrogates(&mut to[start..]);
        }
        qjs::JS_FreeCString(ctx, text);
    }
    Ok(())
}

/// The engine writes a lone surrogate as if it were a character, in three bytes.
fn replace_surrogates(text: &mut [u8]) {
    for at in 0..text.len() {
        if let Some(character @ [0xed, 0xa0..=0xbf, _]) = text.get_mut(at..at + 3) {
            character.copy_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Prepares the heap for a snapshot.
pub(crate) fn settle(ctx: &Ctx<'_>) -> bool {
    // SAFETY: the engine runs nothing meanwhile.
    unsafe { wisp_settle(ctx.as_raw().as_ptr()) == 0 }
}
