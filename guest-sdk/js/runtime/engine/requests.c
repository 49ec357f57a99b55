/* The way of a request to a handler `(req, resp, context)` and back, past the interpreter: it makes the same objects for every
 * request and calls the same methods, and interpreting that would cost several times as much as a short handler.
 *
 * What these functions do is defined in JavaScript: `runtime/js/http.js` and `invocation.js` give the objects to copy, the
 * methods, and the functions for whatever is not the usual case. */

/* What JavaScript gives once: objects that every call has copies of, and functions. Kept for good, so that none of it is ever
 * freed. */
enum {
    WISP_INVOCATION,        /* { requestId, settled } */
    WISP_REQUEST,           /* { method, path, url } and the invocation */
    WISP_REQUEST_WITH_BODY, /* { method, path, url, body }, the invocation and the body once more */
    WISP_RESPONSE,          /* the invocation, status, headers, whether it was sent */
    WISP_CONTEXT,           /* { requestId, …, retryCount, …, tracing }: of an instance, so made at its first call */
    WISP_TRACING,           /* { openTracingSpanContext, …, openTracingSpanBaggages } */
    WISP_HANDLER,           /* the function's handler */
    WISP_MAKE_CONTEXT,      /* () gives the context to copy */
    WISP_BUFFER_OF,         /* (bytes) gives a Buffer */
    WISP_LATER,             /* (invocation, returned) sees to a promise */
    WISP_FAIL,              /* (invocation, error) */
    WISP_TICKS,             /* an array: what the turn must still run */
    WISP_REJECTIONS,        /* an array: not empty if the turn must look for rejections that nobody handles */
    WISP_KEPT_COUNT,
};

/* Where the properties of a response and of an invocation lie in those of the object that they are copied from. */
enum { RESPONSE_INVOCATION, RESPONSE_STATUS, RESPONSE_HEADERS, RESPONSE_SENT };
enum { INVOCATION_ID, INVOCATION_SETTLED };

static JSValue wisp_kept[WISP_KEPT_COUNT];
static JSValue wisp_current; /* the invocation that runs, or null */
static JSCFunction *wisp_respond; /* (status, headers, body), of the runtime */

typedef struct {
    const char *start;
    size_t length;
} WispText;

/* A copy of a plain object; what is undefined there is one of `values`, in turn. Takes the values over. */
static JSValue wisp_copy(JSContext *ctx, JSValueConst of, int count, const JSValue *values)
{
    JSObject *from = JS_VALUE_GET_OBJ(of), *to;
    JSValue copy;
    int i, next = 0;

    copy = JS_NewObjectFromShape(ctx, js_dup_shape(from->shape), JS_CLASS_OBJECT, NULL);
    if (JS_IsException(copy)) {
        while (next < count)
            JS_FreeValue(ctx, values[next++]);
        return copy;
    }
    to = JS_VALUE_GET_OBJ(copy);
    for (i = 0; i < from->shape->prop_count; i++) {
        JSValue value = from->prop[i].u.value;
        to->prop[i].u.value = JS_IsUndefined(value) && next < count ? values[next++] : js_dup(value);
    }
    return copy;
}

/* Whether an object is a copy of one that is kept, to which nothing was added, so that its properties lie where they did. */
static JSObject *wisp_copy_of(JSValueConst value, int which)
{
    JSObject *p;

    if (!JS_IsObject(value) || !JS_IsObject(wisp_kept[which]))
        return NULL;
    p = JS_VALUE_GET_OBJ(value);
    return p->shape == JS_VALUE_GET_OBJ(wisp_kept[which])->shape ? p : NULL;
}

/* `begin(requestId)`: the invocation that runs from here on. It begins without the stores of the one before. */
static JSValue wisp_begin(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue id = js_dup(argv[0]);
    JSValue invocation = wisp_copy(ctx, wisp_kept[WISP_INVOCATION], 1, &id);

    if (JS_IsException(invocation))
        return invocation;
    set_value(ctx, &wisp_current, js_dup(invocation));
    set_value(ctx, &ctx->rt->async_context, JS_UNDEFINED);
    return invocation;
}

/* `current()`: the invocation that runs, or null. */
static JSValue wisp_current_invocation(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_dup(wisp_current);
}

/* `keep(which, value)`. */
static JSValue wisp_keep(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    int which, i;

    if (JS_ToInt32(ctx, &which, argv[0]))
        return JS_EXCEPTION;
    if (which < 0 || which >= WISP_KEPT_COUNT)
        return JS_ThrowRangeError(ctx, "nothing of that number is kept");
    if (which <= WISP_TRACING && JS_IsObject(argv[1])) {
        JSObject *p = JS_VALUE_GET_OBJ(argv[1]);
        if (p->class_id != JS_CLASS_OBJECT || !p->shape->is_hashed)
            return JS_ThrowTypeError(ctx, "not a plain object");
        for (i = 0; i < p->shape->prop_count; i++)
            if (get_shape_prop(p->shape)[i].flags & JS_PROP_TMASK)
                return JS_ThrowTypeError(ctx, "an accessor cannot be copied");
    }
    set_value(ctx, &wisp_kept[which], js_dup(argv[1]));
    return JS_UNDEFINED;
}

static JSValue wisp_request_of(JSContext *ctx, JSValueConst invocation, JSValueConst body, const JSValue *texts)
{
    JSValue buffer;

    if (JS_IsUndefined(body)) {
        JSValue values[] = { js_dup(texts[0]), js_dup(texts[1]), js_dup(texts[2]), js_dup(invocation) };
        return wisp_copy(ctx, wisp_kept[WISP_REQUEST], countof(values), values);
    }
    buffer = JS_Call(ctx, wisp_kept[WISP_BUFFER_OF], JS_UNDEFINED, 1, &body);
    if (JS_IsException(buffer))
        return buffer;
    JSValue values[] = { js_dup(texts[0]), js_dup(texts[1]), js_dup(texts[2]), buffer, js_dup(invocation), js_dup(buffer) };
    return wisp_copy(ctx, wisp_kept[WISP_REQUEST_WITH_BODY], countof(values), values);
}

static JSValue wisp_context_of(JSContext *ctx, JSValueConst id, JSValueConst trace_parent)
{
    JSValue tracing, baggages;

    if (!JS_IsObject(wisp_kept[WISP_CONTEXT])) {
        JSValue made = JS_Call(ctx, wisp_kept[WISP_MAKE_CONTEXT], JS_UNDEFINED, 0, NULL);
        if (JS_IsException(made))
            return made;
        set_value(ctx, &wisp_kept[WISP_CONTEXT], made);
    }
    baggages = JS_NewObject(ctx);
    if (JS_IsException(baggages))
        return baggages;
    JSValue traced[] = { js_dup(trace_parent), baggages };
    tracing = wisp_copy(ctx, wisp_kept[WISP_TRACING], countof(traced), traced);
    if (JS_IsException(tracing))
        return tracing;
    JSValue values[] = { js_dup(id), js_int32(0), tracing };
    return wisp_copy(ctx, wisp_kept[WISP_CONTEXT], countof(values), values);
}

/* Calls the handler. A bound function with no arguments of its own, as methods of a module are, is called as what it binds. */
static JSValue wisp_call_handler(JSContext *ctx, JSValueConst *arguments)
{
    JSValueConst handler = wisp_kept[WISP_HANDLER], self = JS_UNDEFINED;
    JSObject *p = JS_VALUE_GET_OBJ(handler);

    if (p->class_id == JS_CLASS_BOUND_FUNCTION && p->u.bound_function->argc == 0) {
        handler = p->u.bound_function->func_obj;
        self = p->u.bound_function->this_val;
    }
    return JS_Call(ctx, handler, self, 3, arguments);
}

/* Answers a request as `answer` does. An exception is one of the runtime: the handler's own end the invocation. */
static int wisp_answer(JSContext *ctx, JSValueConst body, const JSValue *texts)
{
    JSValue invocation, returned = JS_UNDEFINED, arguments[3] = { JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED };
    int i, ret = 0;

    invocation = wisp_begin(ctx, JS_UNDEFINED, 1, (JSValueConst *)&texts[3]);
    if (JS_IsException(invocation))
        return -1;
    arguments[0] = wisp_request_of(ctx, invocation, body, texts);
    JSValue own = js_dup(invocation);
    arguments[1] = wisp_copy(ctx, wisp_kept[WISP_RESPONSE], 1, &own);
    arguments[2] = wisp_context_of(ctx, texts[3], texts[4]);
    if (JS_IsException(arguments[0]) || JS_IsException(arguments[1]) || JS_IsException(arguments[2])) {
        ret = -1;
    } else {
        returned = wisp_call_handler(ctx, (JSValueConst *)arguments);
        if (JS_IsException(returned) || JS_IsObject(returned)) {
            int then = JS_IsException(returned) ? WISP_FAIL : WISP_LATER;
            JSValue ended[] = { js_dup(invocation), then == WISP_FAIL ? JS_GetException(ctx) : js_dup(returned) };
            JSValue seen = JS_Call(ctx, wisp_kept[then], JS_UNDEFINED, 2, (JSValueConst *)ended);
            if (JS_IsException(seen))
                ret = -1;
            JS_FreeValue(ctx, seen);
            JS_FreeValue(ctx, ended[0]);
            JS_FreeValue(ctx, ended[1]);
        }
    }
    JS_FreeValue(ctx, returned);
    for (i = 0; i < 3; i++)
        JS_FreeValue(ctx, arguments[i]);
    JS_FreeValue(ctx, invocation);
    return ret;
}

/* `answer(body, method, path, url, requestId, traceParent)` makes the objects of a call and calls the handler with them. */
static JSValue wisp_answer_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return wisp_answer(ctx, argv[0], (const JSValue *)&argv[1]) ? JS_EXCEPTION : JS_UNDEFINED;
}

static bool wisp_is_empty(JSValueConst array)
{
    JSObject *p = JS_VALUE_GET_OBJ(array);
    return p->fast_array && p->u.array.count == 0;
}

/* `pending()`: whether the turn has ticks to run, or rejections to look for. */
static JSValue wisp_pending(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_bool(!wisp_is_empty(wisp_kept[WISP_TICKS]) || !wisp_is_empty(wisp_kept[WISP_REJECTIONS]));
}

/* Called by the runtime with method, path, url, request id and trace parent. 0: the turn has nothing left to do; 1: it may
 * have; 2: the function has no handler of this kind; -1: an exception. */
int wisp_request(JSContext *ctx, JSValueConst body, const WispText *texts)
{
    JSValue strings[5];
    int i, ret = 0;

    if (!JS_IsObject(wisp_kept[WISP_HANDLER]))
        return 2;
    for (i = 0; i < countof(strings); i++) {
        strings[i] = JS_NewStringLen(ctx, texts[i].start, texts[i].length);
        if (JS_IsException(strings[i]))
            ret = -1;
    }
    if (ret == 0)
        ret = wisp_answer(ctx, body, strings);
    for (i = 0; i < countof(strings); i++)
        JS_FreeValue(ctx, strings[i]);
    if (ret == 0)
        ret = !wisp_is_empty(wisp_kept[WISP_TICKS]) || !wisp_is_empty(wisp_kept[WISP_REJECTIONS]);
    return ret;
}

/* Methods of a response. Each does the usual case, or else calls the one in JavaScript that it stands for, `data[0]`. */

static JSValue wisp_slowly(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, JSValueConst *data)
{
    return JS_Call(ctx, data[0], this_val, argc, argv);
}

static JSValue wisp_set_status(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    JSObject *p = wisp_copy_of(this_val, WISP_RESPONSE);

    if (!p || JS_VALUE_GET_TAG(argv[0]) != JS_TAG_INT)
        return wisp_slowly(ctx, this_val, argc, argv, data);
    set_value(ctx, &p->prop[RESPONSE_STATUS].u.value, js_dup(argv[0]));
    return JS_UNDEFINED;
}

/* A string of ASCII in lower case; undefined: it is no such string, or too long for a name. */
static JSValue wisp_lower_case(JSContext *ctx, JSValueConst value)
{
    JSString *from, *to;
    const uint8_t *letters;
    int i, upper = 0;

    if (JS_VALUE_GET_TAG(value) != JS_TAG_STRING)
        return JS_UNDEFINED;
    from = JS_VALUE_GET_STRING(value);
    if (from->is_wide_char || from->len > 256)
        return JS_UNDEFINED;
    letters = str8(from);
    for (i = 0; i < from->len; i++) {
        if (letters[i] >= 0x80)
            return JS_UNDEFINED;
        upper |= letters[i] >= 'A' && letters[i] <= 'Z';
    }
    if (!upper)
        return js_dup(value);
    to = js_alloc_string(ctx, from->len, 0);
    if (!to)
        return JS_EXCEPTION;
    letters = str8(from);
    for (i = 0; i < from->len; i++)
        str8(to)[i] = letters[i] >= 'A' && letters[i] <= 'Z' ? letters[i] | 0x20 : letters[i];
    str8(to)[i] = '\0';
    return JS_MKPTR(JS_TAG_STRING, to);
}

/* The headers as an array of names and values in turn; NULL if they are none. */
static JSObject *wisp_headers(JSValueConst headers)
{
    JSObject *p;

    if (!JS_IsObject(headers))
        return NULL;
    p = JS_VALUE_GET_OBJ(headers);
    return p->class_id == JS_CLASS_ARRAY && p->fast_array ? p : NULL;
}

static int wisp_add_header(JSContext *ctx, JSValue *headers, JSValueConst name, JSValueConst value)
{
    JSObject *p = wisp_headers(*headers);
    uint32_t i;

    if (!p) {
        JSValue first[] = { js_dup(name), js_dup(value) };
        JSValue array = JS_NewArrayFrom(ctx, countof(first), first);
        if (JS_IsException(array))
            return -1;
        set_value(ctx, headers, array);
        return 0;
    }
    for (i = 0; i + 1 < p->u.array.count; i += 2) {
        JSValueConst other = p->u.array.u.values[i];
        if (JS_VALUE_GET_TAG(other) == JS_TAG_STRING && js_string_eq(JS_VALUE_GET_STRING(other), JS_VALUE_GET_STRING(name))) {
            set_value(ctx, &p->u.array.u.values[i + 1], js_dup(value));
            return 0;
        }
    }
    i = p->u.array.count;
    if (JS_DefinePropertyValueUint32(ctx, *headers, i, js_dup(name), JS_PROP_C_W_E) < 0)
        return -1;
    return JS_DefinePropertyValueUint32(ctx, *headers, i + 1, js_dup(value), JS_PROP_C_W_E);
}

static JSValue wisp_set_header(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    JSObject *p = wisp_copy_of(this_val, WISP_RESPONSE);
    JSValue name, *headers;
    int added;

    if (!p)
        return wisp_slowly(ctx, this_val, argc, argv, data);
    headers = &p->prop[RESPONSE_HEADERS].u.value;
    name = JS_IsNull(*headers) || wisp_headers(*headers) ? wisp_lower_case(ctx, argv[0]) : JS_UNDEFINED;
    if (JS_IsUndefined(name))
        return wisp_slowly(ctx, this_val, argc, argv, data);
    if (JS_IsException(name))
        return name;
    added = wisp_add_header(ctx, headers, name, argv[1]);
    JS_FreeValue(ctx, name);
    return added < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static bool wisp_are_texts(JSValueConst headers)
{
    JSObject *p = wisp_headers(headers);
    uint32_t i;

    if (!p)
        return JS_IsNull(headers);
    for (i = 1; i < p->u.array.count; i += 2)
        if (JS_VALUE_GET_TAG(p->u.array.u.values[i]) != JS_TAG_STRING)
            return false;
    return true;
}

static bool wisp_is_body(JSValueConst body)
{
    return JS_VALUE_GET_TAG(body) == JS_TAG_STRING
        || (JS_IsObject(body) && JS_VALUE_GET_OBJ(body)->class_id == JS_CLASS_UINT8_ARRAY);
}

static JSValue wisp_send(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    JSObject *p = wisp_copy_of(this_val, WISP_RESPONSE), *invocation;

    if (!p || !wisp_is_body(argv[0]) || !wisp_are_texts(p->prop[RESPONSE_HEADERS].u.value) ||
        JS_VALUE_GET_BOOL(p->prop[RESPONSE_SENT].u.value))
        return wisp_slowly(ctx, this_val, argc, argv, data);
    invocation = wisp_copy_of(p->prop[RESPONSE_INVOCATION].u.value, WISP_INVOCATION);
    if (!invocation || !JS_IsObject(wisp_current) || invocation != JS_VALUE_GET_OBJ(wisp_current) ||
        JS_VALUE_GET_BOOL(invocation->prop[INVOCATION_SETTLED].u.value))
        return wisp_slowly(ctx, this_val, argc, argv, data);
    p->prop[RESPONSE_SENT].u.value = JS_TRUE;
    invocation->prop[INVOCATION_SETTLED].u.value = JS_TRUE;
    JSValue answer[] = { p->prop[RESPONSE_STATUS].u.value, p->prop[RESPONSE_HEADERS].u.value, unsafe_unconst(argv[0]) };
    return wisp_respond(ctx, JS_UNDEFINED, 3, (JSValueConst *)answer);
}

/* `faster(name, method)`: a method that does the same as that of the response that has this name. */
static JSValue wisp_faster(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    static const struct {
        const char *name;
        JSCFunctionData *function;
        int length;
    } methods[] = {
        { "setStatusCode", wisp_set_status, 1 },
        { "setHeader", wisp_set_header, 2 },
        { "send", wisp_send, 1 },
    };
    const char *name = JS_ToCString(ctx, argv[0]);
    JSValue method = JS_UNDEFINED;
    int i;

    if (!name)
        return JS_EXCEPTION;
    for (i = 0; i < countof(methods); i++)
        if (strcmp(name, methods[i].name) == 0)
            method = JS_NewCFunctionData2(ctx, methods[i].function, name, methods[i].length, 0, 1, &argv[1]);
    JS_FreeCString(ctx, name);
    return JS_IsUndefined(method) ? js_dup(argv[1]) : method;
}

static const JSCFunctionListEntry wisp_functions[] = {
    JS_CFUNC_DEF("begin", 1, wisp_begin ),
    JS_CFUNC_DEF("current", 0, wisp_current_invocation ),
    JS_CFUNC_DEF("keep", 2, wisp_keep ),
    JS_CFUNC_DEF("answer", 6, wisp_answer_request ),
    JS_CFUNC_DEF("pending", 0, wisp_pending ),
    JS_CFUNC_DEF("faster", 2, wisp_faster ),
};

/* An object with the functions above. `respond` ends the invocation that runs with status, headers and body. */
JSValue wisp_request_functions(JSContext *ctx, JSCFunction *respond)
{
    JSValue functions = JS_NewObject(ctx);
    int i;

    wisp_respond = respond;
    wisp_current = JS_NULL;
    for (i = 0; i < WISP_KEPT_COUNT; i++)
        wisp_kept[i] = JS_UNDEFINED;
    if (JS_IsException(functions))
        return functions;
    JS_SetPropertyFunctionList(ctx, functions, wisp_functions, countof(wisp_functions));
    JS_DefinePropertyValueStr(ctx, functions, "respond", JS_NewCFunction(ctx, respond, "respond", 3), JS_PROP_C_W_E);
    return functions;
}
