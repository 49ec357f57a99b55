//! A plain program, as a custom container would run it: the event comes in an environment variable, the answer goes to
//! standard output, the exit code tells.

use std::process::ExitCode;

fn main() -> ExitCode {
    let event = std::env::var("FC_CUSTOM_CONTAINER_EVENT").unwrap_or_default();
    match event.as_str() {
        "fail" => {
            eprintln!("failing as told");
            return ExitCode::from(3);
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "stderr" => eprintln!("written to stderr"),
        _ => print!("{}", event.to_uppercase()),
    }
    ExitCode::SUCCESS
}
