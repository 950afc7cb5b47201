//! What is printed about manifests of Kubernetes.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::{Listed, listed, print_sum};
use crate::cli::Error;
use crate::config::args::{CheckArgs, Output};
use crate::config::kubernetes;
use crate::control::kubernetes::review::{self, Review, Reviewed};
use crate::control::kubernetes::translate::Served;
use crate::file::{Problem, Severity};

/// The answer for programs: that of every check, and what is served.
#[derive(Serialize)]
struct Answer<'a> {
    file: &'a str,
    accepted: bool,
    problems: Vec<ListedAt<'a>>,
    ingresses: Vec<ListedIngress<'a>>,
}

#[derive(Serialize)]
struct ListedAt<'a> {
    #[serde(flatten)]
    problem: Listed<'a>,
    ingress: Option<String>,
}

#[derive(Serialize)]
struct ListedIngress<'a> {
    name: String,
    line: u32,
    rules: Vec<ListedRule<'a>>,
}

#[derive(Serialize)]
struct ListedRule<'a> {
    host: &'a str,
    path: &'a str,
    to: &'a str,
    details: &'a [String],
}

pub(super) fn run(args: &CheckArgs, name: &str, text: &str, out: &mut impl Write) -> Result<ExitCode, Error> {
    let review = review::review(text, kubernetes::settings(&args.kubernetes.class));
    let count = |severity| all(&review).filter(|(_, problem)| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match args.output {
        Output::Json => print_json(&review, name, errors == 0, out)?,
        Output::Text => {
            write!(out, "{}", review.unreadable.render(name, Some(text)))?;
            for ingress in &review.ingresses {
                print_ingress(ingress, out)?;
            }
            write!(out, "{}", review.notes.render(name, Some(text)))?;
            print_sum(name, errors, warnings, out)?;
        }
    }
    Ok(ExitCode::from(u8::from(errors > 0 || args.strict && warnings > 0)))
}

/// Every problem, with the Ingress that it is about.
fn all(review: &Review) -> impl Iterator<Item = (Option<&Reviewed>, &Problem)> {
    let of_file = review.unreadable.iter().chain(review.notes.iter()).map(|problem| (None, problem));
    of_file.chain(review.ingresses.iter().flat_map(|one| one.problems.iter().map(move |problem| (Some(one), problem))))
}

fn print_ingress(ingress: &Reviewed, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Ingress {}, line {}", ingress.name, ingress.place.line)?;
    if ingress.is_canary && ingress.problems.is_empty() {
        writeln!(out, "  √ a canary: see the Ingress beside it")?;
    }
    for (at, rule) in ingress.served.iter().enumerate() {
        let Served { host, path, to, details, is_served, .. } = rule;
        writeln!(out, "  {} {host}{path} → {to}", if *is_served { "√" } else { "×" })?;
        // What several rules in a row have in common is said behind the last of them.
        if ingress.served.get(at + 1).is_none_or(|next| next.details != *details) {
            details.iter().try_for_each(|detail| writeln!(out, "      {detail}"))?;
        }
    }
    ingress.problems.iter().try_for_each(|problem| print_problem(problem, out))
}

/// One line, and what to do about it.
pub(super) fn print_problem(problem: &Problem, out: &mut impl Write) -> io::Result<()> {
    let mark = match problem.severity {
        Severity::Error => "×",
        Severity::Warning => "‼",
        Severity::Note => "·",
    };
    writeln!(out, "  {mark} {}", problem.message)?;
    problem.hint.iter().try_for_each(|hint| writeln!(out, "      = {hint}"))
}

fn print_json(review: &Review, file: &str, accepted: bool, out: &mut impl Write) -> io::Result<()> {
    let problem = |(ingress, problem)| listed_at(file, ingress, problem);
    let answer = Answer {
        file,
        accepted,
        problems: all(review).map(problem).collect(),
        ingresses: review.ingresses.iter().map(listed_ingress).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &answer)?;
    writeln!(out)
}

fn listed_at<'a>(file: &'a str, ingress: Option<&Reviewed>, problem: &'a Problem) -> ListedAt<'a> {
    let mut problem = listed(file, problem);
    // Where nothing more is known, the line is that of the Ingress.
    problem.line = problem.line.or(ingress.map(|ingress| ingress.place.line));
    ListedAt { problem, ingress: ingress.map(|ingress| ingress.name.to_string()) }
}

fn listed_ingress(ingress: &Reviewed) -> ListedIngress<'_> {
    let rules = ingress.served.iter().map(|served| ListedRule {
        host: &served.host,
        path: served.path.trim_start(),
        to: &served.to,
        details: &served.details,
    });
    ListedIngress { name: ingress.name.to_string(), line: ingress.place.line, rules: rules.collect() }
}
