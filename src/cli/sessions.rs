//! `moorline sessions`: who is moored where.

use std::io::{self, Write};
use std::process::ExitCode;

use jiff::Timestamp;

use super::{Error, admin};
use crate::api;
use crate::config::args::{Output, SessionsArgs};
use crate::file::scalar;

pub(super) async fn run(args: &SessionsArgs, out: &mut impl Write) -> Result<ExitCode, Error> {
    let endpoint = args.endpoint.as_ref().map(|name| format!("&endpoint={}", admin::encoded(name)));
    let path = format!("/api/v1/sessions?limit={}{}", args.limit, endpoint.unwrap_or_default());
    let answer = admin::get(&args.admin.admin, &path).await?;
    match args.admin.output {
        Output::Json => {
            out.write_all(answer.trim_ascii_end())?;
            writeln!(out)?;
        }
        Output::Text => print(&admin::parsed(&args.admin.admin, &answer)?, Timestamp::now(), out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(sessions: &api::Sessions, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let mut counts = vec![["ENDPOINT".to_owned(), "SESSIONS".to_owned()]];
    counts.extend(
        sessions.counts.iter().map(|count| [name(&count.backend, &count.endpoint), count.sessions.to_string()]),
    );
    let total = if sessions.complete { sessions.total.to_string() } else { format!("≥{}", sessions.total) };
    counts.push(["total".to_owned(), total]);
    table(&counts, [Align::Left, Align::Right], out)?;
    if !sessions.complete {
        writeln!(out, "The proxy has not been up for long: there may be sessions that it has not seen yet.")?;
    }
    if sessions.sessions.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut rows = vec![["SESSION", "ENDPOINT", "REQUESTS", "FIRST SEEN", "LAST SEEN"].map(str::to_owned)];
    rows.extend(sessions.sessions.iter().map(|session| {
        let endpoint = name(&session.backend, &session.endpoint);
        let (first, last) = (ago(session.first_seen, now), ago(session.last_seen, now));
        [session.id.clone(), endpoint, session.requests.to_string(), first, last]
    }));
    table(&rows, [Align::Left, Align::Left, Align::Right, Align::Right, Align::Right], out)?;
    if sessions.more {
        writeln!(out, "… and more; --limit N lists N of them")?;
    }
    Ok(())
}

fn name(backend: &str, endpoint: &str) -> String {
    format!("{backend}/{endpoint}")
}

/// A moment as people ask for it. Clocks of two machines may differ: the future is now.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0);
    format!("{} ago", scalar::show_duration(std::time::Duration::from_secs(seconds)))
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(rows: &[[String; N]], align: [Align; N], out: &mut impl Write) -> io::Result<()> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let mut line = String::new();
        for ((cell, width), align) in row.iter().zip(widths).zip(align) {
            line += &match align {
                Align::Left => format!("{cell:<width$}  "),
                Align::Right => format!("{cell:>width$}  "),
            };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
