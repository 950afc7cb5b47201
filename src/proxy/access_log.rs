//! The access log: a line per request, with outcome and endpoint, and never a cookie.
//!
//! Each worker formats into a buffer of its own and hands it over when it is large or a fifth of a second old.
//! One thread writes. If it cannot keep up, whole buffers are dropped and counted rather than any request made
//! to wait for a disk.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri, Version};
use jiff::Timestamp;

use super::metrics::WorkerMetrics;
use crate::routing::{Outcome, SessionId};

/// How requests are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Not at all.
    #[default]
    Off,
    /// Like Apache and nginx, with outcome, endpoint and duration behind it.
    Combined,
    /// One JSON object a line.
    Json,
}

/// Buffers that may wait for the writing thread.
pub(super) const QUEUE: usize = 64;
/// A buffer is handed over when it is as large as this.
pub(super) const BLOCK: usize = 32 * 1024;

/// One request, as it is logged.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) client: IpAddr,
    pub(super) request_id: &'a HeaderValue,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) version: Version,
    pub(super) host: Option<&'a HeaderValue>,
    pub(super) referer: Option<&'a HeaderValue>,
    pub(super) user_agent: Option<&'a HeaderValue>,
    pub(super) status: StatusCode,
    pub(super) bytes: u64,
    pub(super) duration: Duration,
    /// How much of it the request waited for its endpoint.
    pub(super) held: Duration,
    pub(super) upstream_duration: Option<Duration>,
    pub(super) outcome: Option<Outcome>,
    pub(super) backend: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) session: Option<SessionId>,
    pub(super) error: Option<&'a str>,
}

/// A worker's end of the log.
#[derive(Debug)]
pub(super) struct AccessLog {
    format: Format,
    buffer: RefCell<String>,
    /// The second that the last line was written in, and how it is spelt.
    stamp: RefCell<(i64, String)>,
    writer: Option<SyncSender<String>>,
    dropped: Cell<bool>,
    metrics: Arc<WorkerMetrics>,
}

/// Starts the thread that writes; it ends when the last sender is gone.
///
/// # Errors
/// If no thread can be made.
pub(super) fn start(
    mut output: Box<dyn Write + Send>,
) -> std::io::Result<(SyncSender<String>, std::thread::JoinHandle<()>)> {
    let (tx, rx): (_, Receiver<String>) = sync_channel(QUEUE);
    let write = move || {
        for block in rx {
            // Whoever reads the log has gone, or the disk is full: requests are worth more than lines.
            let _ = output.write_all(block.as_bytes()).and_then(|()| output.flush());
        }
    };
    let thread = std::thread::Builder::new().name("access-log".into()).spawn(write)?;
    Ok((tx, thread))
}

impl AccessLog {
    pub(super) fn new(format: Format, writer: Option<SyncSender<String>>, metrics: Arc<WorkerMetrics>) -> Self {
        let writer = writer.filter(|_| format != Format::Off);
        Self {
            format,
            buffer: RefCell::default(),
            stamp: RefCell::default(),
            writer,
            dropped: Cell::new(false),
            metrics,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) fn write(&self, line: &Line<'_>) {
        let mut buffer = self.buffer.borrow_mut();
        let now = Timestamp::now();
        // Writing to a String cannot fail.
        let _ = match self.format {
            Format::Off => return,
            Format::Combined => self.combined(&mut buffer, line, now),
            Format::Json => self.json(&mut buffer, line, now),
        };
        if buffer.len() >= BLOCK {
            drop(buffer);
            self.flush();
        }
    }

    /// Hands over what has been written so far.
    pub(super) fn flush(&self) {
        let mut buffer = self.buffer.borrow_mut();
        let Some(writer) = self.writer.as_ref().filter(|_| !buffer.is_empty()) else { return };
        let block = std::mem::replace(&mut *buffer, String::with_capacity(BLOCK + 1024));
        match writer.try_send(block) {
            Ok(()) => self.dropped.set(false),
            Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) => {
                self.metrics.log_lines_dropped.add(lost.lines().count() as u64);
                if !self.dropped.replace(true) {
                    tracing::warn!(
                        "the access log cannot be written as fast as requests come: lines are being dropped"
                    );
                }
            }
        }
    }

    fn combined(&self, out: &mut String, line: &Line<'_>, now: Timestamp) -> std::fmt::Result {
        write!(out, "{} - - [", line.client)?;
        self.stamp(out, now, "%d/%b/%Y:%H:%M:%S +0000");
        write!(out, "] \"{} ", line.method.as_str())?;
        escaped(out, target(line.uri).as_bytes());
        write!(out, " {:?}\" {} {} \"", line.version, line.status.as_u16(), line.bytes)?;
        escaped(out, line.referer.map_or(b"-", HeaderValue::as_bytes));
        out.push_str("\" \"");
        escaped(out, line.user_agent.map_or(b"-", HeaderValue::as_bytes));
        let outcome = line.outcome.map_or("-", Outcome::as_str);
        writeln!(out, "\" {outcome} {} {:.6}", line.endpoint.unwrap_or("-"), line.duration.as_secs_f64())
    }

    fn json(&self, out: &mut String, line: &Line<'_>, now: Timestamp) -> std::fmt::Result {
        out.push_str("{\"time\":\"");
        self.stamp(out, now, "%Y-%m-%dT%H:%M:%S");
        write!(out, ".{:03}Z\",\"client\":\"{}\"", now.subsec_millisecond(), line.client)?;
        write!(out, ",\"method\":\"{}\",\"target\":\"", line.method.as_str())?;
        escaped(out, target(line.uri).as_bytes());
        write!(out, "\",\"protocol\":\"{:?}\",\"status\":{}", line.version, line.status.as_u16())?;
        write!(out, ",\"bytes\":{},\"duration_ms\":{:.3}", line.bytes, line.duration.as_secs_f64() * 1e3)?;
        if let Some(upstream) = line.upstream_duration {
            write!(out, ",\"upstream_ms\":{:.3}", upstream.as_secs_f64() * 1e3)?;
        }
        if !line.held.is_zero() {
            write!(out, ",\"held_ms\":{:.3}", line.held.as_secs_f64() * 1e3)?;
        }
        let session = line.session.map(|id| id.to_string()[..8].to_owned());
        for (key, value) in [
            ("request_id", Some(line.request_id.as_bytes())),
            ("host", line.host.map(HeaderValue::as_bytes)),
            ("referer", line.referer.map(HeaderValue::as_bytes)),
            ("user_agent", line.user_agent.map(HeaderValue::as_bytes)),
            ("outcome", line.outcome.map(|outcome| outcome.as_str().as_bytes())),
            ("backend", line.backend.map(str::as_bytes)),
            ("endpoint", line.endpoint.map(str::as_bytes)),
            ("session", session.as_deref().map(str::as_bytes)),
            ("error", line.error.map(str::as_bytes)),
        ] {
            let Some(value) = value else { continue };
            write!(out, ",\"{key}\":\"")?;
            escaped(out, value);
            out.push('"');
        }
        out.push_str("}\n");
        Ok(())
    }

    /// The time of a line. Within one second only its milliseconds change.
    fn stamp(&self, out: &mut String, now: Timestamp, format: &str) {
        let mut stamp = self.stamp.borrow_mut();
        if stamp.0 != now.as_second() || stamp.1.is_empty() {
            *stamp = (now.as_second(), now.strftime(format).to_string());
        }
        out.push_str(&stamp.1);
    }
}

impl Drop for AccessLog {
    /// Requests that are cut off at the end are logged when their tasks are dropped, after everything else.
    fn drop(&mut self) {
        self.flush();
    }
}

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), http::uri::PathAndQuery::as_str)
}

/// Text of a client's, so that it can end neither the field nor the line, in either format.
fn escaped(out: &mut String, text: &[u8]) {
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(*byte as char);
            }
            0x20..=0x7e => out.push(*byte as char),
            _ => {
                // As in JSON, which a reader of the other format understands too.
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::metrics::Metrics;

    fn logged(format: Format, change: impl FnOnce(&mut Line<'_>)) -> String {
        let (tx, rx) = sync_channel(1);
        let log = AccessLog::new(format, Some(tx), Metrics::default().worker());
        let (id, uri) = (HeaderValue::from_static("abc"), Uri::from_static("/a?b=c"));
        let agent = HeaderValue::from_bytes(b"curl \"\\\n\xff".strip_suffix(b"\n\xff").unwrap()).unwrap();
        let mut line = Line {
            client: [192, 0, 2, 1].into(),
            request_id: &id,
            method: &Method::GET,
            uri: &uri,
            version: Version::HTTP_11,
            host: None,
            referer: None,
            user_agent: Some(&agent),
            status: StatusCode::OK,
            bytes: 5,
            duration: Duration::from_micros(1500),
            held: Duration::ZERO,
            upstream_duration: None,
            outcome: Some(Outcome::Kept),
            backend: Some("posts"),
            endpoint: Some("posts-0"),
            session: Some(SessionId(0x0123_4567_89ab_cdef)),
            error: None,
        };
        change(&mut line);
        log.write(&line);
        log.flush();
        rx.recv().unwrap()
    }

    #[test]
    fn a_combined_line_ends_with_outcome_endpoint_and_seconds() {
        let line = logged(Format::Combined, |_| {});
        assert!(line.starts_with("192.0.2.1 - - ["), "{line}");
        let rest = line.split_once("] ").unwrap().1;
        assert_eq!(rest, "\"GET /a?b=c HTTP/1.1\" 200 5 \"-\" \"curl \\\"\\\\\" kept posts-0 0.001500\n");
    }

    #[test]
    fn a_json_line_is_json_whatever_the_client_sends() {
        let value: serde_json::Value = serde_json::from_str(&logged(Format::Json, |_| {})).unwrap();
        assert_eq!(value["user_agent"], "curl \"\\");
        assert_eq!((&value["endpoint"], &value["outcome"]), (&"posts-0".into(), &"kept".into()));
        assert_eq!(value["session"], "01234567", "shortened");
        assert!(value["time"].as_str().unwrap().ends_with('Z'));
        assert!(value.get("referer").is_none());
        let odd = HeaderValue::from_bytes(b"\xff\xfe\t").unwrap();
        let line = logged(Format::Json, |line| line.referer = Some(Box::leak(Box::new(odd))));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["referer"], "\u{ff}\u{fe}\t");
    }

    #[test]
    fn lines_that_nobody_takes_are_dropped_and_counted() {
        let (tx, rx) = sync_channel(0);
        let metrics = Metrics::default().worker();
        let log = AccessLog::new(Format::Combined, Some(tx), Arc::clone(&metrics));
        log.buffer.borrow_mut().push_str("one\ntwo\n");
        log.flush();
        drop(rx);
        assert_eq!(metrics.log_lines_dropped.get(), 2);
    }
}
