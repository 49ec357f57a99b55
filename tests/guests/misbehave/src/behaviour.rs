//! The behaviours that events and requests share.

use super::*;

thread_local! {
    /// What `hold` and `open-many` keep for the life of the instance.
    static HELD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static OPEN: RefCell<Vec<wasi::io::poll::Pollable>> = const { RefCell::new(Vec::new()) };
}

type Answer = Result<Vec<u8>, Failure>;

/// Does what `text` says. A handled failure if there is no such behaviour.
pub(crate) fn run(text: &str, context: &Context) -> Answer {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    match name {
        "echo" => Ok(text.into()),

        // What ends an instance, or should.
        "spin" => spin(),
        // The call stack ends; with large frames, the guest's own stack in its memory ends first.
        "recurse" => Ok(recurse(1).to_string().into()),
        "recurse-large" => Ok(recurse_large(1).to_string().into()),
        "grow" => grow(),
        "trap" => core::arch::wasm32::unreachable(),
        "panic" => panic!("{argument}"),
        // Well at the instance's first call, a panic at the second.
        "panic-second" if COUNTERS.calls.load(Ordering::Relaxed) < 2 => Ok("first".into()),
        "panic-second" => panic!("the second call"),
        "exit" => std::process::exit(number(argument)? as i32),
        // Waits in the host, where no instruction of the guest can be interrupted.
        "never" => sleep(Duration::from_secs(3600)),
        "sleep" => sleep(Duration::from_millis(number(argument)? as u64)),

        // Failures that the instance survives.
        "handled" => Err(Failure { kind: FailureKind::Handled, document: argument.into() }),
        "unhandled" => Err(Failure { kind: FailureKind::Unhandled, document: argument.into() }),

        // Output. `flood-…:N` writes N bytes, in lines; 0: until it is stopped.
        "print" => write(std::io::stdout(), format!("{argument}\n").as_bytes()),
        "eprint" => write(std::io::stderr(), format!("{argument}\n").as_bytes()),
        "flood-stdout" => flood(std::io::stdout(), number(argument)?),
        "flood-stderr" => flood(std::io::stderr(), number(argument)?),

        // Sizes.
        "big" => Ok(vec![b'b'; number(argument)?]),
        // `hold:N`: keeps N MB, all of it touched, for the life of the instance.
        "hold" => hold(number(argument)?),
        // `open-many:N`: keeps N host resources for the life of the instance.
        "open-many" => open_many(number(argument)?),

        // What the guest knows.
        "env" => Ok(std::env::var(argument).unwrap_or_default().into()),
        "envs" => Ok(json!(std::env::vars().collect::<std::collections::BTreeMap<_, _>>()).to_string().into()),
        "count" => counter(&COUNTERS.calls),
        "init-count" => counter(&COUNTERS.initialized),
        "freeze-count" => counter(&COUNTERS.frozen),
        "restore-count" => counter(&COUNTERS.restored),
        // Milliseconds since the initializer first ran, by the monotonic clock.
        "initialized-ago" => Ok(INITIALIZED_AT.get().map_or(0, |at| at.elapsed().as_millis()).to_string().into()),
        "instance-id" => Ok(environment::get_instance_id().into()),
        "context" => Ok(describe(context).to_string().into()),
        "now" => Ok(unix_ms().to_string().into()),
        "random" => Ok(wasi::random::random::get_random_u64().to_string().into()),

        "read" | "write" | "list" | "remove" | "keep-open" => {
            files::run(name, argument).map_err(|error| handled(&error))
        }
        "connect" | "udp" | "fetch" | "resolve" => Ok(network::run(name, argument).into()),
        _ => Err(handled(&format!("no behaviour {text:?}"))),
    }
}

pub(crate) fn number(text: &str) -> Result<usize, Failure> {
    text.parse().map_err(|_| handled(&format!("{text:?} is not a number")))
}

pub(crate) fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// The black box keeps the compiler from making a loop of it.
fn recurse(depth: u64) -> u64 {
    let next: fn(u64) -> u64 = std::hint::black_box(recurse);
    next(depth + 1) ^ depth
}

fn recurse_large(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    let next: fn(u64) -> u64 = std::hint::black_box(recurse_large);
    next(depth + 1) ^ frame[0]
}

/// Allocates and touches memory until an allocation fails, which ends a Rust program.
fn grow() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&held);
    }
}

fn sleep(time: Duration) -> Answer {
    std::thread::sleep(time);
    Ok("slept".into())
}

fn write(mut to: impl std::io::Write, bytes: &[u8]) -> Answer {
    to.write_all(bytes).and_then(|()| to.flush()).map(|()| Vec::new()).map_err(|error| handled(&error.to_string()))
}

fn flood(mut to: impl std::io::Write, bytes: usize) -> Answer {
    let line = [[b'f'; 99].as_slice(), b"\n"].concat();
    let mut left = if bytes == 0 { usize::MAX } else { bytes };
    while left > 0 {
        let part = &line[..left.min(line.len())];
        write(&mut to, part)?;
        left -= part.len();
    }
    Ok(bytes.to_string().into())
}

fn hold(megabytes: usize) -> Answer {
    let mut part = Vec::new();
    part.try_reserve_exact(megabytes << 20).map_err(|error| handled(&error.to_string()))?;
    part.resize(megabytes << 20, 1);
    HELD.with_borrow_mut(|held| held.push(part));
    Ok(megabytes.to_string().into())
}

fn open_many(count: usize) -> Answer {
    let pollable = || wasi::clocks::monotonic_clock::subscribe_duration(u64::MAX / 2);
    OPEN.with_borrow_mut(|open| {
        for _ in 0..count {
            open.push(pollable());
        }
        Ok(open.len().to_string().into())
    })
}

fn counter(counter: &AtomicU32) -> Answer {
    Ok(counter.load(Ordering::Relaxed).to_string().into())
}

fn unix_ms() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |it| it.as_millis())
}

/// The context of this call and everything that the import `environment` tells.
fn describe(context: &Context) -> Value {
    let function = environment::get_function();
    let service = environment::get_service();
    let credentials = environment::get_credentials();
    json!({
        "requestId": context.request_id,
        "deadlineMs": context.deadline_ms,
        "retryCount": context.retry_count,
        "traceParent": context.trace_parent,
        "function": {
            "name": function.name,
            "handler": function.handler,
            "memory": function.memory_mb,
            "timeout": function.timeout_seconds,
            "initializer": function.initializer,
            "initializationTimeout": function.initialization_timeout_seconds,
        },
        "service": {
            "name": service.name,
            "logProject": service.log_project,
            "logStore": service.log_store,
            "qualifier": service.qualifier,
            "versionId": service.version_id,
        },
        "region": environment::get_region(),
        "accountId": environment::get_account_id(),
        "credentials": {
            "accessKeyId": credentials.access_key_id,
            "accessKeySecret": credentials.access_key_secret,
            "securityToken": credentials.security_token,
        },
        "instanceId": environment::get_instance_id(),
    })
}
