//! What is printed about a cluster.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::print_sum;
use crate::cli::Error;
use crate::config::args::{CheckArgs, Output};
use crate::config::kubernetes;
use crate::control::kubernetes::preflight::{self, Asked, Line, Mark};

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    accepted: bool,
    lines: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    severity: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
}

pub(in crate::cli) async fn run(args: &CheckArgs, out: &mut impl Write) -> Result<ExitCode, Error> {
    let asked = asked(args);
    let mut facts = preflight::look(&asked).await?;
    let lines = preflight::judge::lines(&mut facts, &asked.settings);
    let count = |mark| lines.iter().filter(|line| line.mark == mark).count();
    let (errors, warnings) = (count(Mark::Error), count(Mark::Warning));
    match args.output {
        Output::Json => print_json(&lines, errors == 0, out)?,
        Output::Text => {
            lines.iter().try_for_each(|line| print_line(line, out))?;
            print_sum("the cluster", errors, warnings, out)?;
        }
    }
    Ok(ExitCode::from(u8::from(errors > 0 || args.strict && warnings > 0)))
}

fn asked(args: &CheckArgs) -> Asked {
    let typed = &args.kubernetes;
    Asked {
        kubeconfig: typed.connection.kubeconfig.clone(),
        user: typed.impersonate.clone(),
        namespace: typed.connection.pod_namespace.clone(),
        namespaces: typed.class.watch_namespace.clone(),
        namespace_selector: typed.class.watch_namespace_selector.clone(),
        settings: kubernetes::settings(&typed.class),
        lease: typed.election_id.clone(),
        keys: typed.session_keys_secret.clone(),
    }
}

fn print_line(line: &Line, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} {}", line.mark.sign(), line.text)?;
    line.hint.iter().try_for_each(|hint| writeln!(out, "    = {hint}"))
}

fn print_json(lines: &[Line], accepted: bool, out: &mut impl Write) -> io::Result<()> {
    let answer = Answer { accepted, lines: lines.iter().map(listed).collect() };
    serde_json::to_writer_pretty(&mut *out, &answer)?;
    writeln!(out)
}

fn listed(line: &Line) -> Listed<'_> {
    Listed { severity: line.mark.as_str(), message: &line.text, hint: line.hint.as_deref() }
}
