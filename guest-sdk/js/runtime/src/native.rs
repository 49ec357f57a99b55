//! What our JavaScript calls: module `__wasm_rquickjs_builtin/wisp_native`. The name keeps functions' own code from it.

use std::{cell::RefCell, ffi::c_int, ptr::NonNull};

use rquickjs::{Ctx, Object, Value, qjs};

use crate::{
    bindings::exports::wisp::function::loader::{Description, HandlerKinds, Source},
    calls::{self, Outcome},
    engine,
    request::SEPARATOR,
};

/// The monotonic clock.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn milliseconds() -> f64 {
    wasip2::clocks::monotonic_clock::now() as f64 / 1e6
}

/// What to load, as an object.
pub(crate) fn source_object<'js>(ctx: &Ctx<'js>, source: &Source) -> rquickjs::Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("directory", &*source.directory)?;
    object.set("handler", &*source.handler)?;
    object.set("initializer", source.initializer.as_deref())?;
    object.set("preFreeze", source.pre_freeze.as_deref())?;
    object.set("preStop", source.pre_stop.as_deref())?;
    object.set("afterRestore", source.after_restore.as_deref())?;
    object.set("httpTrigger", source.http_trigger)?;
    object.set("event", source.kinds.contains(HandlerKinds::EVENT))?;
    object.set("http", source.kinds.contains(HandlerKinds::HTTP))?;
    object.set("evaluate", source.evaluate)?;
    let maps = Object::new(ctx.clone())?;
    for file in &source.translated {
        maps.set(&*file.path, &*file.source_map)?;
    }
    object.set("translated", maps)?;
    object.set("environment", environment(ctx)?)?;
    Ok(object)
}

thread_local! {
    /// The environment variables that the snapshot's own are made of, in the order given.
    static LOADED_WITH: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
}

/// The environment variables that the sources see while they are loaded.
pub(crate) fn environment<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    let variables = Object::new(ctx.clone())?;
    let given = wasip2::cli::environment::get_environment();
    for (name, value) in &given {
        variables.set(&**name, &**value)?;
    }
    LOADED_WITH.set(given);
    Ok(variables)
}

/// A snapshot after the initializer has the variables of the instance that ran it.
pub(crate) fn note_environment() {
    LOADED_WITH.set(wasip2::cli::environment::get_environment());
}

/// What to set and to unset to make these variables those of this instance: names and values in turn, no value to unset.
///
/// Only what differs is touched: setting all would cost a quarter of a cold start. What the sources set by themselves stays.
pub(crate) fn changed_variables() -> Vec<Option<String>> {
    let given = wasip2::cli::environment::get_environment();
    LOADED_WITH.with_borrow(|before| {
        let mut changes = Vec::new();
        for variable in &given {
            if !before.contains(variable) {
                changes.extend([Some(variable.0.clone()), Some(variable.1.clone())]);
            }
        }
        for (name, _) in before {
            if !given.iter().any(|(other, _)| other == name) {
                changes.extend([Some(name.clone()), None]);
            }
        }
        changes
    })
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    event: bool,
    http: bool,
    style: String,
    initializer: bool,
    pre_freeze: bool,
    pre_stop: bool,
    after_restore: bool,
    warnings: Vec<String>,
}

/// Reads what `load` in JavaScript found.
pub(crate) fn description(json: &str) -> Result<Description, String> {
    let described: Described = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(Description {
        kinds: crate::exports::kinds(described.event, described.http),
        style: described.style,
        initializer: described.initializer,
        pre_freeze: described.pre_freeze,
        pre_stop: described.pre_stop,
        after_restore: described.after_restore,
        warnings: described.warnings,
    })
}

/// Bytes or text as JavaScript has them; anything else is empty.
fn bytes(value: &Value<'_>) -> rquickjs::Result<Vec<u8>> {
    if let Some(text) = value.as_string() {
        return Ok(text.to_string()?.into_bytes());
    }
    let Some(object) = value.as_object() else { return Ok(Vec::new()) };
    if let Some(array) = object.as_typed_array::<u8>() {
        return Ok(crate::wrappers::copy_typed_array_bytes(array).unwrap_or_default());
    }
    Ok(object.as_array_buffer().and_then(|buffer| crate::wrappers::copy_array_buffer_bytes(buffer)).unwrap_or_default())
}

/// `respond(status, headers, body)` ends the call with a response. `headers` has names and values in turn, all of them texts,
/// and is null without any.
unsafe extern "C" fn respond(
    ctx: *mut qjs::JSContext,
    _this: qjs::JSValue,
    count: c_int,
    arguments: *mut qjs::JSValue,
) -> qjs::JSValue {
    if count < 3 {
        return qjs::JS_UNDEFINED;
    }
    // SAFETY: the engine gives as many arguments as it says, which live until this returns.
    let outcome = unsafe { response(ctx, [*arguments, *arguments.add(1), *arguments.add(2)]) };
    match outcome {
        Ok(outcome) => {
            calls::settle(outcome);
            qjs::JS_UNDEFINED
        }
        Err(_) => qjs::JS_EXCEPTION,
    }
}

/// # Safety
/// The values must be of the context.
unsafe fn response(ctx: *mut qjs::JSContext, [status, headers, body]: [qjs::JSValue; 3]) -> rquickjs::Result<Outcome> {
    let mut code = 0;
    let mut packed = Vec::new();
    let mut bytes = Vec::new();
    // SAFETY: as above. A header is freed when it has been copied.
    unsafe {
        if qjs::JS_ToInt32(ctx, &raw mut code, status) != 0 {
            return Err(rquickjs::Error::Exception);
        }
        if qjs::JS_IsObject(headers) {
            let mut length = 0;
            if qjs::JS_GetLength(ctx, headers, &raw mut length) != 0 {
                return Err(rquickjs::Error::Exception);
            }
            packed.reserve(64);
            for index in 0..u32::try_from(length).unwrap_or_default() {
                if index > 0 {
                    packed.push(SEPARATOR);
                }
                let text = qjs::JS_GetPropertyUint32(ctx, headers, index);
                let appended = engine::append_text(ctx, text, &mut packed);
                qjs::JS_FreeValue(ctx, text);
                appended?;
            }
        }
        if qjs::JS_IsString(body) {
            engine::append_text(ctx, body, &mut bytes)?;
        } else if let Some(context) = NonNull::new(ctx) {
            let context = Ctx::from_raw(context);
            bytes = self::bytes(&Value::from_raw(context, qjs::JS_DupValue(ctx, body)))?;
        }
    }
    // A code that is none is the host's to refuse.
    Ok(Outcome::Response { status: u16::try_from(code).unwrap_or(u16::MAX), headers: packed, body: bytes })
}

#[rquickjs::module(rename = "camelCase", rename_vars = "camelCase")]
#[allow(non_upper_case_globals, clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
pub mod native_module {
    use std::io::Write as _;

    use rquickjs::{Array, Ctx, Function, Object, Persistent, Value, prelude::IteratorJs as _};

    use crate::{
        bindings::wisp::function::{
            environment,
            types::{Failure, FailureKind},
        },
        calls::{self, Functions, Outcome},
        engine, files, request,
        zone::{self, Zone},
    };

    #[rquickjs::function]
    pub fn register<'js>(ctx: Ctx<'js>, functions: Object<'js>) -> rquickjs::Result<()> {
        let get =
            |name: &str| Ok::<_, rquickjs::Error>(Persistent::save(&ctx, functions.get::<_, Function<'js>>(name)?));
        calls::register(Functions {
            context: ctx.as_raw(),
            load: get("load")?,
            park: get("park")?,
            resume: get("resume")?,
            event: get("event")?,
            http: get("http")?,
            hook: get("hook")?,
            fire_timers: get("fireTimers")?,
            next_ticks: get("nextTicks")?,
            rejections: get("rejections")?,
        });
        Ok(())
    }

    /// Ends the call with bytes, a text, or nothing.
    #[rquickjs::function]
    pub fn succeed(value: Value<'_>) -> rquickjs::Result<()> {
        calls::settle(if value.is_undefined() || value.is_null() {
            Outcome::Nothing
        } else if let Some(text) = value.as_string() {
            Outcome::Text(text.to_string()?)
        } else {
            Outcome::Bytes(super::bytes(&value)?)
        });
        Ok(())
    }

    /// What the engine does for every request.
    #[rquickjs::function]
    pub fn request_functions(ctx: Ctx<'_>) -> Value<'_> {
        engine::request_functions(&ctx, super::respond)
    }

    /// Ends the call with an error document.
    #[rquickjs::function]
    pub fn fail(handled: bool, document: String) {
        let kind = if handled { FailureKind::Handled } else { FailureKind::Unhandled };
        calls::settle(Outcome::Failure(Failure { kind, document }));
    }

    /// Writes whole lines to the log.
    #[rquickjs::function]
    pub fn log(error: bool, text: String) {
        // Nobody could be told that the log cannot be written.
        let _ = if error {
            std::io::stderr().write_all(text.as_bytes())
        } else {
            std::io::stdout().write_all(text.as_bytes())
        };
        if !error {
            let _ = std::io::stdout().flush();
        }
    }

    /// Ends the instance.
    #[rquickjs::function]
    pub fn exit(code: i32) {
        std::process::exit(code);
    }

    #[rquickjs::function]
    pub fn now() -> f64 {
        super::milliseconds()
    }

    #[rquickjs::function]
    pub fn set_due(due: f64) {
        calls::set_due(due);
    }

    /// The headers of the request that runs: names and values in turn, with NUL between them.
    #[rquickjs::function]
    pub fn request_headers(ctx: Ctx<'_>) -> Value<'_> {
        engine::text(&ctx, &request::headers())
    }

    /// Names and values in turn.
    #[rquickjs::function]
    pub fn request_queries(ctx: Ctx<'_>) -> rquickjs::Result<Array<'_>> {
        request::queries(&ctx)
    }

    #[rquickjs::function]
    pub fn client_ip(ctx: Ctx<'_>) -> Value<'_> {
        engine::text(&ctx, &request::client_ip())
    }

    /// What never changes in an instance, in the order in which `context.js` reads it.
    #[rquickjs::function]
    pub fn identity(ctx: Ctx<'_>) -> rquickjs::Result<Array<'_>> {
        let (function, service, keys) =
            (environment::get_function(), environment::get_service(), environment::get_credentials());
        let (region, account_id) = (environment::get_region(), environment::get_account_id());
        let number = |number: u32| Value::new_number(ctx.clone(), f64::from(number));
        let text = |text: &str| engine::text(&ctx, text.as_bytes());
        let values = [
            text(&function.name),
            text(&function.handler),
            number(function.memory_mb),
            number(function.timeout_seconds),
            function.initializer.as_deref().map_or_else(|| Value::new_null(ctx.clone()), text),
            number(function.initialization_timeout_seconds),
            text(&service.name),
            text(&service.log_project),
            text(&service.log_store),
            text(&service.qualifier),
            text(&service.version_id),
            text(&keys.access_key_id),
            text(&keys.access_key_secret),
            text(&keys.security_token),
            text(&region),
            text(&account_id),
        ];
        values.into_iter().collect_js(&ctx)
    }

    /// What `TZ` says from here on; undefined without it.
    #[rquickjs::function]
    pub fn set_time_zone(variable: Option<String>) {
        zone::set_local(variable.as_deref());
    }

    /// Another number: the local zone is that of another instance.
    #[rquickjs::function]
    pub fn zone_era() -> u32 {
        zone::era()
    }

    /// The local zone as [`zone_offset`] takes it.
    #[rquickjs::function]
    pub fn local_zone() -> String {
        match zone::local() {
            Zone::Fixed(seconds) => format!("{seconds:+}"),
            zone => zone.identifier().unwrap_or_default().to_owned(),
        }
    }

    /// The identifier that CLDR has for a zone; undefined: it is not known.
    #[rquickjs::function]
    pub fn zone_identifier(identifier: String) -> Option<&'static str> {
        Zone::of_identifier(&identifier)?.identifier()
    }

    /// Seconds east of Greenwich at a time in milliseconds since 1970.
    #[rquickjs::function]
    #[allow(clippy::cast_possible_truncation)]
    pub fn zone_offset(zone: String, time: f64) -> i32 {
        let fixed = || zone.parse().map(Zone::Fixed).ok();
        Zone::of_identifier(&zone).or_else(fixed).map_or(0, |zone| zone.offset(time as i64))
    }

    /// Whether the sources have a file of that path.
    #[rquickjs::function]
    pub fn has_source(path: String) -> bool {
        files::has(&path)
    }

    #[rquickjs::function]
    pub fn source_names(directory: String) -> Vec<String> {
        files::names(&directory)
    }
}
