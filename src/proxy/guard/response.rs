//! The rules for the heads of responses, which depend on what was asked.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::head::{Delimited, Framing, Head};
use super::rules::Rule;
use super::side::{Body, Judged, Side};
use super::{Bounds, FIELDS, diagnosis};

/// What the request was whose response is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Asked {
    /// The response to `HEAD` has no body, whatever it says.
    pub(in crate::proxy) head: bool,
    /// Only a request for an upgrade may be answered with 101.
    pub(in crate::proxy) upgrade: bool,
}

/// The side that answers. At most one request is under way on a connection, so there is at most one to answer.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Responses {
    asked: Option<Asked>,
    interim: u8,
}

/// Interim responses to one request; more are no progress.
pub(in crate::proxy) const INTERIM: u8 = 16;

impl Responses {
    /// A request is about to be written.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    /// Is every request answered?
    pub(super) fn is_answered(&self) -> bool {
        self.asked.is_none()
    }

    fn body(&self, asked: Asked, status: u16, said: Delimited, switches: bool) -> Result<Body, Rule> {
        match status {
            101 if !asked.upgrade || !switches => Err(Rule::Switch),
            100..=199 | 204 if !matches!(said, Delimited::Unsaid | Delimited::Length(0)) => Err(Rule::Bodiless),
            101 => Ok(Body::Switched),
            100..=199 if self.interim == INTERIM => Err(Rule::Interim),
            100..=199 => Ok(Body::Interim),
            204 | 304 => Ok(Body::None),
            200..=599 if asked.head => Ok(Body::None),
            200..=599 => Ok(match said {
                Delimited::Unsaid => Body::UntilClose,
                Delimited::Length(0) => Body::None,
                Delimited::Length(length) => Body::Length(length),
                Delimited::Chunked => Body::Chunked,
            }),
            _ => Err(Rule::StatusLine),
        }
    }
}

impl Side for Responses {
    /// Empty lines, which the parser would take before a status line, end here as well.
    fn begin(&self, first: u8) -> Result<(), Rule> {
        match self.asked {
            None => Err(Rule::Unasked),
            Some(_) if first == b'H' => Ok(()),
            Some(_) => Err(Rule::StatusLine),
        }
    }

    fn judge(&self, bytes: &[u8], bounds: &Bounds) -> Result<Option<Judged>, Rule> {
        let asked = self.asked.ok_or(Rule::Unasked)?;
        let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let most = bounds.fields.min(FIELDS);
        let parser = httparse::ParserConfig::default();
        let length = match parser.parse_response_with_uninit_headers(&mut response, bytes, &mut fields[..most]) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(diagnosis::response(error, bytes)),
        };
        let (Some(version), Some(status)) = (response.version, response.code) else { return Err(Rule::StatusLine) };
        let head = Head::new(&bytes[..length], response.headers)?;
        let (mut framing, mut switches) = (Framing::default(), false);
        for (index, field) in head.fields().iter().enumerate() {
            match field.name.len() {
                7 => switches |= version == 1 && field.name.eq_ignore_ascii_case("upgrade"),
                14 | 17 => framing.see(&head, index)?,
                _ => {}
            }
        }
        let body = self.body(asked, status, framing.delimited(version)?, switches)?;
        Ok(Some(Judged { length, body, upgrade: false }))
    }

    fn accept(&mut self, body: Body) {
        match body {
            Body::Interim => self.interim += 1,
            _ => self.interim = 0,
        }
    }

    fn over(&mut self) {
        self.asked = None;
    }
}
