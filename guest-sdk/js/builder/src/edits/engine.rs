//! What is changed in the engine.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use super::replace;
use crate::vendor;

/// QuickJS knows no stack limit on WASI, so that deep recursion would trap and end the instance. Its check works there:
/// it compares the address of the frame in linear memory, which grows with every call.
pub(super) fn edit(output: &Path, additions: &Path) -> anyhow::Result<()> {
    let copy = output.join("edited/rquickjs-sys");
    vendor::copy("rquickjs-sys", "0.14.0", &copy)?;
    replace(
        &copy,
        "quickjs/quickjs.c",
        "#if defined(__wasi__)\n    rt->stack_limit = 0; /* no limit */\n#else\n",
        "#if 0\n#else\n",
        1,
    )?;
    // The build script names other files, and then cargo looks at those alone.
    replace(
        &copy,
        "build.rs",
        "    println!(\"cargo:rerun-if-env-changed=CARGO_CFG_SANITIZE\");\n",
        "    println!(\"cargo:rerun-if-env-changed=CARGO_CFG_SANITIZE\");\n    println!(\"cargo:rerun-if-changed=quickjs\");\n",
        1,
    )?;
    // An arena that a call is the first to use would be made and given back in every call.
    replace(
        &copy,
        "quickjs/quickjs.c",
        "        if (unlikely(ar->n_used_blocks == 0)) {\n",
        "        if (unlikely(ar->n_used_blocks == 0) && ar->free_link.prev != ar->free_link.next) {\n",
        1,
    )?;
    contexts(&copy)?;
    copies(&copy)?;
    counts(&copy)?;
    local_time(&copy)?;
    add(&copy, additions)?;
    vendor::copy_directory(&copy, &output.join("rquickjs-sys"))
}

/// The engine carries one value, the context, through what runs later: a reaction to a promise gets the one in which it was
/// registered, any other job the one in which it was queued. `await` tells nobody but the engine. Two functions, which
/// `runtime/js/async_hooks.js` takes away from `Promise`, read and exchange it; nothing else knows what it is.
fn contexts(engine: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str, times| replace(engine, "quickjs/quickjs.c", from, to, times);
    edit("    void *promise_hook_opaque;\n", "    void *promise_hook_opaque;\n    JSValue async_context;\n", 1)?;
    edit(
        "    JSJobFunc *job_func;\n    int argc;\n",
        "    JSJobFunc *job_func;\n    JSValue async_context;\n    int argc;\n",
        1,
    )?;
    edit(
        "    e->job_func = job_func;\n",
        "    e->job_func = job_func;\n    e->async_context = js_dup(rt->async_context);\n",
        1,
    )?;
    // The context that was there before is on the C stack meanwhile, and in no job.
    edit(
        "    res = e->job_func(e->ctx, e->argc, vc(e->argv));\n",
        "    JSValue outer_context = rt->async_context;\n    rt->async_context = e->async_context;\n    \
         res = e->job_func(e->ctx, e->argc, vc(e->argv));\n    JS_FreeValue(ctx, rt->async_context);\n    \
         rt->async_context = outer_context;\n",
        1,
    )?;
    edit(
        "    JSValue handler;\n} JSPromiseReactionData;",
        "    JSValue handler;\n    JSValue async_context;\n} JSPromiseReactionData;",
        1,
    )?;
    edit(
        "    JS_FreeValueRT(rt, rd->handler);\n    js_free_rt(rt, rd);",
        "    JS_FreeValueRT(rt, rd->handler);\n    JS_FreeValueRT(rt, rd->async_context);\n    js_free_rt(rt, rd);",
        1,
    )?;
    edit(
        "            JS_MarkValue(rt, rd->handler, mark_func);\n",
        "            JS_MarkValue(rt, rd->handler, mark_func);\n            JS_MarkValue(rt, rd->async_context, mark_func);\n",
        1,
    )?;
    edit(
        "        rd->handler = js_dup(handler);\n",
        "        rd->handler = js_dup(handler);\n        rd->async_context = js_dup(ctx->rt->async_context);\n",
        1,
    )?;
    // A job is given the context of the reaction rather than of who settled the promise.
    edit("JS_EnqueueJob(ctx, promise_reaction_job, 5, args);", "enqueue_reaction(ctx, rd, args);", 2)?;
    edit(
        "void JS_SetPromiseHook(",
        "static void enqueue_reaction(JSContext *ctx, JSPromiseReactionData *rd, JSValueConst *args)\n{\n    \
         JSValue outer_context = ctx->rt->async_context;\n    ctx->rt->async_context = rd->async_context;\n    \
         JS_EnqueueJob(ctx, promise_reaction_job, 5, args);\n    ctx->rt->async_context = outer_context;\n}\n\n\
         static JSValue js_async_context(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)\n{\n    \
         return js_dup(ctx->rt->async_context);\n}\n\n\
         static JSValue js_exchange_async_context(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)\n{\n    \
         JSValue before = ctx->rt->async_context;\n    ctx->rt->async_context = js_dup(argv[0]);\n    return before;\n}\n\n\
         void JS_SetPromiseHook(",
        1,
    )?;
    edit(
        "    JS_CFUNC_DEF(\"withResolvers\", 0, js_promise_withResolvers ),\n",
        "    JS_CFUNC_DEF(\"withResolvers\", 0, js_promise_withResolvers ),\n    \
         JS_CFUNC_DEF(\"__asyncContext\", 0, js_async_context ),\n    \
         JS_CFUNC_DEF(\"__exchangeAsyncContext\", 1, js_exchange_async_context ),\n",
        1,
    )
}

/// A function that copies a plain object: what is undefined in it is filled with the arguments in turn. Every call makes the
/// same few objects, and to add their properties one by one costs ten times as much. `runtime/js/copies.js` takes it away from
/// `Object`.
fn copies(engine: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str| replace(engine, "quickjs/quickjs.c", from, to, 1);
    edit(
        "static const JSCFunctionListEntry js_object_funcs[] = {\n",
        "static JSValue js_object_copy(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)\n{\n    \
         JSObject *from, *to;\n    JSValue copy, value;\n    int i, next = 1;\n\n    \
         if (!JS_IsObject(argv[0]))\n        return JS_ThrowTypeError(ctx, \"not an object\");\n    \
         from = JS_VALUE_GET_OBJ(argv[0]);\n    \
         if (from->class_id != JS_CLASS_OBJECT || !from->shape->is_hashed)\n        \
         return JS_ThrowTypeError(ctx, \"not a plain object\");\n    \
         for (i = 0; i < from->shape->prop_count; i++)\n        \
         if (get_shape_prop(from->shape)[i].flags & JS_PROP_TMASK)\n            \
         return JS_ThrowTypeError(ctx, \"an accessor cannot be copied\");\n    \
         copy = JS_NewObjectFromShape(ctx, js_dup_shape(from->shape), JS_CLASS_OBJECT, NULL);\n    \
         if (JS_IsException(copy))\n        return copy;\n    \
         to = JS_VALUE_GET_OBJ(copy);\n    \
         for (i = 0; i < from->shape->prop_count; i++) {\n        \
         value = from->prop[i].u.value;\n        \
         to->prop[i].u.value = js_dup(JS_IsUndefined(value) && next < argc ? argv[next++] : value);\n    }\n    \
         return copy;\n}\n\n\
         static const JSCFunctionListEntry js_object_funcs[] = {\n    JS_CFUNC_DEF(\"__copy\", 1, js_object_copy ),\n",
    )
}

/// What is in a snapshot keeps its count of references, so that using it writes nothing to the page where it lies: see
/// `runtime/engine/instances.c`. The collector of garbage counts as ever.
fn counts(engine: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str, times| replace(engine, "quickjs/quickjs.c", from, to, times);
    edit(
        "#define JS_REF_COUNT(p) (js_rc(p)->ref_count)\n",
        "#define JS_REF_COUNT(p) (js_rc(p)->ref_count)\n\n#define WISP_IMMORTAL (1 << 29)\n\n\
         static inline void js_ref_up(const void *p)\n{\n    int count = JS_REF_COUNT(p);\n    \
         if (likely(count < WISP_IMMORTAL))\n        JS_REF_COUNT(p) = count + 1;\n}\n\n\
         static inline int js_ref_down(const void *p)\n{\n    int count = JS_REF_COUNT(p);\n    \
         if (likely(count < WISP_IMMORTAL))\n        JS_REF_COUNT(p) = --count;\n    return count;\n}\n",
        1,
    )?;
    for (before, name, after, times) in [
        ("        void *p = JS_VALUE_GET_PTR(v);\n        ", "p", "", 1),
        ("        p = rt->atom_array[v];\n        ", "p", "", 2),
        ("                if (!__JS_AtomIsConst(i))\n                    ", "p", "\n                goto done;", 1),
        ("            if (!__JS_AtomIsConst(i))\n                ", "p", "\n            return i;", 1),
        ("        ", "p", "\n        return JS_MKPTR(JS_TAG_STRING, q);", 1),
        ("", "ctx", "", 1),
        ("", "sh", "", 1),
        ("", "var_ref", "", 6),
        ("", "sf->cur_gc_obj", "", 1),
        ("        ", "s", "\n        p->u.async_function_data = s;", 1),
        ("", "b", "", 1),
    ] {
        let from = format!("{before}JS_REF_COUNT({name})++;{after}");
        edit(&from, &format!("{before}js_ref_up({name});{after}"), times)?;
    }
    for (before, name, after) in [
        ("if (", "str", " <= 0)\n        js_free_string0"),
        ("if (", "ctx", " > 0)\n        return;"),
        ("if (", "p", " > 0)\n        return;\n    JS_FreeAtomStruct"),
        ("if (unlikely(", "sh", " <= 0)) {"),
        ("if (", "var_ref", " == 0) {"),
        ("if (", "p", " <= 0) {\n            js_free_value_rt(rt, v);"),
        ("if (", "s", " == 0) {\n        js_async_function_free0"),
    ] {
        edit(&format!("{before}--JS_REF_COUNT({name}){after}"), &format!("{before}js_ref_down({name}){after}"), 1)?;
    }
    edit(
        "                JS_REF_COUNT(str)--;\n            return i;",
        "                js_ref_down(str);\n            return i;",
        1,
    )
}

/// The C library has no time zones. `runtime/engine/local_time.c` asks for those of the runtime, also for what the clocks of
/// a zone show: the engine takes such a time for UTC, which is wrong near a change of clocks. Offsets have seconds, as those
/// before there were zones do, and `toString` ends with the name of the zone, as programs expect that look for one.
fn local_time(engine: &Path) -> anyhow::Result<()> {
    let edit = |from: &str, to: &str| replace(engine, "quickjs/quickjs.c", from, to, 1);
    edit(
        "static int getTimezoneOffset(int64_t time) {\n",
        "static int32_t wisp_local_offset(int64_t time, bool is_local);\n\
         static int wisp_append_zone(int64_t time, char *to, int size);\n\n\
         #if 0\nstatic int getTimezoneOffset(int64_t time) {\n",
    )?;
    edit("#endif /* NO_TM_GMTOFF */\n#endif\n}\n", "#endif /* NO_TM_GMTOFF */\n#endif\n}\n#endif\n")?;
    edit(
        "            tz = -getTimezoneOffset(d);\n            d += tz * 60000;\n",
        "            tz = wisp_local_offset(d, false);\n            d += tz * 1000;\n            tz /= 60;\n",
    )?;
    edit("        tv += getTimezoneOffset(ti) * 60000;\n", "        tv -= wisp_local_offset(ti, true) * 1000.0;\n")?;
    edit(
        "js_int64(getTimezoneOffset((int64_t)trunc(v)))",
        "js_int64(-wisp_local_offset((int64_t)trunc(v), false) / 60)",
    )?;
    edit("    char buf[64];\n    double fields[9];\n", "    char buf[192];\n    double fields[9], time;\n")?;
    edit(
        "            /* XXX: tack the time zone code? */\n",
        "            if (JS_ThisTimeValue(ctx, &time, this_val))\n                return JS_EXCEPTION;\n            \
         pos += wisp_append_zone((int64_t)time, buf + pos, sizeof(buf) - pos);\n            \
         return JS_NewStringLen(ctx, buf, pos);\n",
    )
}

/// Puts our own parts of the engine behind its own: they need its structures.
fn add(engine: &Path, additions: &Path) -> anyhow::Result<()> {
    let mut files = fs::read_dir(additions)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut source = File::options().append(true).open(engine.join("quickjs/quickjs.c"))?;
    for file in files {
        source.write_all(&fs::read(file)?)?;
    }
    Ok(())
}
