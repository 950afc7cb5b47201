//! What a request looks like on the terminal.

use std::fmt::Write;

use crate::requests::Request;

/// May there be colours?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Coloured,
}

/// An ANSI colour.
type Colour = u8;

const RED: Colour = 31;
const GREEN: Colour = 32;
const YELLOW: Colour = 33;
const CYAN: Colour = 36;
const GREY: Colour = 90;

/// The instances' colours: whoever comes back to the same one sees it.
const INSTANCES: [Colour; 3] = [34, 35, 36];

impl Look {
    /// As this terminal wants it, by <https://no-color.org>.
    pub(crate) fn wanted(is_terminal: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if is_terminal && !no_color && !dumb { Self::Coloured } else { Self::Plain }
    }

    /// The line over all lines.
    pub(crate) fn heading(self) -> String {
        self.columns([("user", GREY), ("method", GREY), ("path", GREY), ("status", GREY)], "instance", "outcome", "ms")
    }

    /// The line of a request.
    pub(crate) fn line(self, request: &Request, user: Option<&str>) -> String {
        let path = request.target.split('?').next().unwrap_or_default();
        let status = request.status.to_string();
        let colour = match request.status {
            200..300 => GREEN,
            300..400 => CYAN,
            400..500 => YELLOW,
            _ => RED,
        };
        self.columns(
            [(user.unwrap_or("-"), 0), (&request.method, 0), (path, 0), (&status, colour)],
            request.endpoint.as_deref().unwrap_or("-"),
            request.outcome.as_deref().unwrap_or("-"),
            &format!("{:.1}", request.duration_ms),
        )
    }

    fn columns(self, left: [(&str, Colour); 4], instance: &str, outcome: &str, time: &str) -> String {
        let instance_colour = match instance.bytes().last() {
            Some(digit @ b'0'..=b'9') => INSTANCES[usize::from(digit - b'0') % INSTANCES.len()],
            _ => GREY,
        };
        let outcome_colour = match outcome {
            "new" | "adopted" | "kept" | "kept_draining" | "unpinned" => 0,
            "rejected" | "unavailable" => RED,
            "held" | "restarted" | "reassigned" | "temporary" => YELLOW,
            _ => GREY,
        };
        let mut line = String::new();
        for ((text, colour), width) in left.into_iter().zip([12, 7, 20, 6]) {
            self.cell(&mut line, text, width, colour);
        }
        self.cell(&mut line, instance, 8, instance_colour);
        self.cell(&mut line, outcome, 13, outcome_colour);
        self.cell(&mut line, &format!("{time:>8}"), 8, GREY);
        line.truncate(line.trim_end().len());
        line
    }

    fn cell(self, line: &mut String, text: &str, width: usize, colour: Colour) {
        let text = fitted(text, width);
        // Writing to a String cannot fail.
        let _ = match (self, colour) {
            (Self::Plain, _) | (_, 0) => write!(line, "{text}  "),
            (Self::Coloured, _) => write!(line, "\x1b[{colour}m{text}\x1b[0m  "),
        };
    }
}

/// The text in exactly so many characters, none of which moves the cursor: paths are what clients make of them.
fn fitted(text: &str, width: usize) -> String {
    let mut fitted: String =
        text.chars().take(width).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(width).is_some() {
        fitted.pop();
        fitted.push('…');
    }
    format!("{fitted:width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            method: "GET".to_owned(),
            target: "/login?username=walker".to_owned(),
            status: 200,
            duration_ms: 1.26,
            request_id: "abc".to_owned(),
            outcome: Some("new".to_owned()),
            endpoint: Some("posts-1".to_owned()),
        }
    }

    #[test]
    fn columns_stand_below_their_heading() {
        let (heading, line) = (Look::Plain.heading(), Look::Plain.line(&request(), Some("walker")));
        for (title, value) in [("user", "walker"), ("path", "/login"), ("instance", "posts-1"), ("outcome", "new")] {
            assert_eq!(heading.find(title), line.find(value), "{title}:\n{heading}\n{line}");
        }
        assert_eq!(heading.len(), line.len(), "both end with the time:\n{heading}\n{line}");
    }

    #[test]
    fn whatever_a_client_sends_fits_into_its_column_and_moves_no_cursor() {
        let target = format!("/{}\u{1b}[2J\u{9b}2J", "a".repeat(5));
        let line = Look::Plain.line(&Request { target, ..request() }, Some(&"ü".repeat(64)));
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        assert_eq!(line.chars().count(), Look::Plain.heading().len(), "{line}");
        assert!(line.starts_with("üüüüüüüüüüü…  GET"), "{line}");
    }

    #[test]
    fn colours_come_only_where_they_are_wanted() {
        assert_eq!(Look::wanted(false), Look::Plain);
        assert!(Look::Coloured.line(&request(), None).contains("\x1b[32m200"));
        let unanswered = Request { outcome: None, endpoint: None, status: 404, ..request() };
        let line = Look::Plain.line(&unanswered, None);
        assert!(!line.contains('\x1b') && line.starts_with("-  "), "{line}");
    }
}
