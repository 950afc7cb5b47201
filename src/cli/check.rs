//! `moorline check`: what is wrong with a configuration file, and with the key file and certificates that it names; with
//! Kubernetes manifests; with a cluster.

#[cfg(feature = "kubernetes")]
pub(super) mod cluster;
#[cfg(feature = "kubernetes")]
mod manifests;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::Error;
use crate::clock::unix_seconds;
use crate::config::args::{CheckArgs, Output};
use crate::control::tls::{self, CertificateError};
use crate::file::keys::KeyFile;
use crate::file::{CertificatePair, File, Problem, Problems, Severity, documents};

/// No file is larger.
const MOST: u64 = 256 << 20;

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    file: &'a str,
    accepted: bool,
    problems: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    file: &'a str,
    severity: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
}

/// A file and what is wrong with it.
struct Checked {
    name: String,
    /// Unless it is secret.
    text: Option<String>,
    problems: Problems,
}

pub(super) fn run(args: &CheckArgs, stdin: impl Read, out: &mut impl Write) -> Result<ExitCode, Error> {
    let (name, text) = if args.file == Path::new("-") {
        ("<stdin>".to_owned(), read(stdin).map_err(Error::read(&args.file))?)
    } else {
        let file = std::fs::File::open(&args.file).map_err(Error::read(&args.file))?;
        (args.file.display().to_string(), read(file).map_err(Error::read(&args.file))?)
    };
    if documents::is_manifests(&text) {
        return manifests(args, &name, &text, out);
    }
    let (others, problems) = match File::parse(&text) {
        Ok((file, problems)) => (others(&args.file, &name, &file), problems),
        Err(problems) => (Vec::new(), problems),
    };
    let mut checked = vec![Checked { name, text: Some(text), problems }];
    checked.extend(others);
    let count = |severity| checked.iter().map(|checked| checked.problems.count(severity)).sum::<usize>();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match args.output {
        Output::Json => print_json(&checked, errors == 0, out)?,
        Output::Text => print_text(&checked, errors, warnings, out)?,
    }
    Ok(ExitCode::from(u8::from(errors > 0 || args.strict && warnings > 0)))
}

#[cfg(feature = "kubernetes")]
use self::manifests::run as manifests;

#[cfg(not(feature = "kubernetes"))]
fn manifests(_: &CheckArgs, name: &str, _: &str, _: &mut impl Write) -> Result<ExitCode, Error> {
    Err(Error::Manifests { name: name.to_owned() })
}

/// Whatever reads the text says how much is too much: of our own files that is less than of a cluster's objects.
fn read(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// The files that a configuration file, called `name`, leads to.
fn others(config: &Path, name: &str, file: &File) -> Vec<Checked> {
    let keys = file.session_keys.as_deref().and_then(|keys| key_file(config, keys));
    let pairs = file.listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(|tls| &tls.certificates);
    let pairs: BTreeSet<_> = pairs.collect();
    let certificates = pairs.into_iter().filter_map(|pair| certificate(config, pair));
    let authorities: BTreeSet<_> =
        file.secured().filter_map(|(_, _, tls)| tls.ca.as_deref().filter(|_| tls.verify)).collect();
    let authorities = authorities.into_iter().filter_map(|ca| authority(config, ca));
    let checked = |problems| Checked { name: name.to_owned(), text: None, problems };
    keys.into_iter().chain(certificates.chain(authorities).map(checked)).collect()
}

/// A file of authorities. That it is missing here is a warning, too.
fn authority(config: &Path, ca: &Path) -> Option<Problems> {
    tls::inspect_ca(ca, config.parent().unwrap_or(Path::new(""))).err().map(|error| unusable(&error))
}

fn unusable(error: &CertificateError) -> Problems {
    let severity = if let CertificateError::Read { .. } = error { Severity::Warning } else { Severity::Error };
    Problems::about_the_whole(severity, error.to_string())
}

/// A certificate and its key. That they are missing here is, like a missing key file, a warning.
fn certificate(config: &Path, pair: &CertificatePair) -> Option<Problems> {
    let certificate = match tls::inspect(pair, config.parent().unwrap_or(Path::new(""))) {
        Err(error) => return Some(unusable(&error)),
        Ok(certificate) => certificate,
    };
    let nothing = || "the certificate covers no host: it has no subject alternative names".to_owned();
    let untimely = tls::untimely(&certificate, unix_seconds());
    let odd = untimely.or_else(|| certificate.hosts().is_empty().then(nothing))?;
    Some(Problems::about_the_whole(Severity::Warning, format!("{}: {odd}", certificate.name)))
}

/// The key file beside a configuration file. It may well be somewhere else only: that it is missing here is
/// worth a warning, not more.
fn key_file(config: &Path, keys: &Path) -> Option<Checked> {
    let path = config.parent().unwrap_or(Path::new("")).join(keys);
    let name = path.display().to_string();
    let problems = match std::fs::File::open(&path).and_then(read) {
        Ok(text) => KeyFile::parse(&text).err()?,
        Err(error) => Problems::about_the_whole(Severity::Warning, format!("the key file cannot be read: {error}")),
    };
    Some(Checked { name, text: None, problems })
}

fn print_text(checked: &[Checked], errors: usize, warnings: usize, out: &mut impl Write) -> io::Result<()> {
    for Checked { name, text, problems } in checked {
        write!(out, "{}", problems.render(name, text.as_deref()))?;
    }
    print_sum(&checked[0].name, errors, warnings, out)
}

fn print_sum(name: &str, errors: usize, warnings: usize, out: &mut impl Write) -> io::Result<()> {
    let plural = |number: usize, what| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => writeln!(out, "{name}: ok"),
        (0, _) => writeln!(out, "{name}: ok, with {}", plural(warnings, "warning")),
        (_, 0) => writeln!(out, "{name}: {}", plural(errors, "error")),
        _ => writeln!(out, "{name}: {}, {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}

fn print_json(checked: &[Checked], accepted: bool, out: &mut impl Write) -> io::Result<()> {
    let problems =
        checked.iter().flat_map(|Checked { name, problems, .. }| problems.iter().map(|problem| listed(name, problem)));
    let answer = Answer { file: &checked[0].name, accepted, problems: problems.collect() };
    serde_json::to_writer_pretty(&mut *out, &answer)?;
    writeln!(out)
}

fn listed<'a>(file: &'a str, problem: &'a Problem) -> Listed<'a> {
    Listed {
        file,
        severity: problem.severity.as_str(),
        message: &problem.message,
        hint: problem.hint.as_deref(),
        line: problem.place.map(|place| place.line),
        column: problem.place.map(|place| place.column),
    }
}
