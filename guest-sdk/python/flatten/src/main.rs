//! `flatten IN OUT [OPTIONS]`: see `USAGE`.

use std::{env, fs, process::ExitCode};

use flatten::{CoreExport, Epilogue, Mark, Options, Replacement, flatten};

const USAGE: &str = "\
Usage: flatten IN.wasm OUT.wasm [OPTIONS]
Merges the linked core modules of a component into one.

  --export NAME=FUNCTION         exports a core function from the component
  --replace FUNCTION=BY          calls BY wherever FUNCTION was called
  --call FUNCTION=CALLED         calls CALLED, which takes nothing, at the end of each call of FUNCTION
  --mark FUNCTION=VISITOR:VALUE  has VISITOR visit all objects then, whose first word becomes VALUE
  --forget FUNCTION=KEPT         makes KEPT forget what it keeps, at the end of each call of FUNCTION";

fn main() -> ExitCode {
    match run(env::args().skip(1).collect()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("flatten: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<String, String> {
    let [input, output, rest @ ..] = &arguments[..] else { return Err(USAGE.into()) };
    let options = options(rest)?;
    let component = fs::read(input).map_err(|error| format!("cannot read {input}: {error}"))?;
    let flattened = flatten(&component, &options).map_err(|error| format!("{input}: {error}"))?;
    fs::write(output, &flattened).map_err(|error| format!("cannot write {output}: {error}"))?;
    Ok(format!("{output}: {} bytes, from {}", flattened.len(), component.len()))
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    for pair in arguments.chunks(2) {
        let [option, value] = pair else { return Err(USAGE.into()) };
        let Some((left, right)) = value.rsplit_once('=') else { return Err(USAGE.into()) };
        match option.as_str() {
            "--export" => options.exports.push(CoreExport { function: right.into(), name: left.into() }),
            "--replace" => options.replacements.push(Replacement { function: left.into(), by: right.into() }),
            "--call" => epilogue_of(&mut options, left).calls.push(right.into()),
            "--mark" => {
                let mark = right.rsplit_once(':').and_then(|(visitor, value)| Some((visitor, value.parse().ok()?)));
                let Some((visitor, value)) = mark else { return Err(USAGE.into()) };
                epilogue_of(&mut options, left).marks.push(Mark { visitor: visitor.into(), value });
            }
            "--forget" => epilogue_of(&mut options, left).forgets.push(right.into()),
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

fn epilogue_of<'o>(options: &'o mut Options, function: &str) -> &'o mut Epilogue {
    let found = options.epilogues.iter().position(|it| it.function == function);
    let index = found.unwrap_or_else(|| {
        options.epilogues.push(Epilogue { function: function.into(), ..Epilogue::default() });
        options.epilogues.len() - 1
    });
    &mut options.epilogues[index]
}
