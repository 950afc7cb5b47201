//! What is printed from what is compiled in: next steps, completions, manual pages and the schema.

use std::io::Write;
use std::process::ExitCode;

use super::Error;
use crate::config::args::{Args, CompletionsArgs, ManArgs};
use crate::file::schema;

const NEXT_STEPS: &str = "\
Moorline keeps every session moored to the endpoint that holds it. Three next steps:

  moorline proxy 127.0.0.1:9001 127.0.0.1:9002     a sticky proxy on 127.0.0.1:8080 for two servers, without a file
  moorline check moorline.yaml                     for more than that, write a file: is it right?
  moorline run -c moorline.yaml                    serve it, and follow its changes

moorline --help lists all verbs; each explains itself with examples: moorline proxy --help
";

/// `moorline`
pub(super) fn next_steps(out: &mut impl Write) -> Result<ExitCode, Error> {
    out.write_all(NEXT_STEPS.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// `moorline completions SHELL`
pub(super) fn completions(args: &CompletionsArgs, out: &mut impl Write) -> Result<ExitCode, Error> {
    // By way of a buffer: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "moorline", &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// `moorline man`
pub(super) fn man(args: &ManArgs, out: &mut impl Write) -> Result<ExitCode, Error> {
    match &args.out {
        None => clap_mangen::Man::new(Args::command()).render(out)?,
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(Error::write_file(folder))?;
            clap_mangen::generate_to(Args::command(), folder).map_err(Error::write_file(folder))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `moorline schema`
pub(super) fn schema(out: &mut impl Write) -> Result<ExitCode, Error> {
    writeln!(out, "{:#}", schema::json_schema().as_value())?;
    Ok(ExitCode::SUCCESS)
}
