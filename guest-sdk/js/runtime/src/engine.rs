//! What is asked of the engine past its Rust bindings: on the way of every request these would cost as much as the handler.

use std::ptr::NonNull;

use rquickjs::{Ctx, Error, Function, Value, qjs};

unsafe extern "C" {
    /// See `engine/instances.c`.
    fn wisp_settle(ctx: *mut qjs::JSContext) -> i32;
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

/// Strings that are given to a call.
pub(crate) fn texts<const N: usize>(ctx: &Ctx<'_>, utf8: [&[u8]; N]) -> [qjs::JSValue; N] {
    utf8.map(|text| raw_text(ctx.as_raw(), text))
}

/// Calls a function with one more value before the texts, which is undefined if there is none. Gives whether it returned
/// `true`.
pub(crate) fn call<const N: usize>(
    ctx: &Ctx<'_>,
    function: &Function<'_>,
    texts: [qjs::JSValue; N],
    first: Option<Value<'_>>,
) -> rquickjs::Result<bool> {
    let raw = ctx.as_raw().as_ptr();
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
pub(crate) unsafe fn append_text(ctx: *mut qjs::JSContext, value: qjs::JSValue, to: &mut Vec<u8>) -> rquickjs::Result<()> {
    let mut length = 0;
    // SAFETY: the text is freed after the last use of its bytes.
    unsafe {
        let text = qjs::JS_ToCStringLen2(ctx, &raw mut length, value, false);
        if text.is_null() {
            return Err(Error::Exception);
        }
        let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize);
        match std::str::from_utf8(bytes) {
            Ok(_) => to.extend_from_slice(bytes),
            Err(_) => to.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes()),
        }
        qjs::JS_FreeCString(ctx, text);
    }
    Ok(())
}

/// Prepares the heap for a snapshot.
pub(crate) fn settle(ctx: &Ctx<'_>) -> bool {
    // SAFETY: the engine runs nothing meanwhile.
    unsafe { wisp_settle(ctx.as_raw().as_ptr()) == 0 }
}
