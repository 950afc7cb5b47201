//! What a line says. Pure: the time is handed in.
//!
//! A line is a time, a word, and `name=value` pairs. What comes from outside stands in quotes, as JSON writes a string, with
//! everything escaped that ends a line, moves a cursor or turns the direction of writing. So no message can pass itself off
//! as another line, in the file or on a terminal.

use std::{
    fmt::{self, Write},
    net::SocketAddr,
};

use jiff::Timestamp;
use moorline_service::InstanceName;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// The instance begins.
    Started(InstanceName),
    /// The file can be written again.
    Recovered,
    /// The instance ends in order.
    Ended(InstanceName),
    /// A request was answered.
    Request { client: Option<SocketAddr>, method: String, path: String, status: u16 },
    /// Somebody had something to say.
    Message { client: Option<SocketAddr>, text: String },
}

impl Entry {
    /// The whole line, without its end.
    pub(crate) fn line(&self, now: Timestamp) -> String {
        format!("{now:.3} {self}")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(instance) => write!(f, "started instance={instance}"),
            Self::Recovered => f.write_str("recovered"),
            Self::Ended(instance) => write!(f, "ended instance={instance}"),
            Self::Request { client, method, path, status } => {
                write!(
                    f,
                    "request client={} method={} path={} status={status}",
                    Client(*client),
                    Quoted(method),
                    Quoted(path)
                )
            }
            Self::Message { client, text } => write!(f, "message client={} text={}", Client(*client), Quoted(text)),
        }
    }
}

struct Client(Option<SocketAddr>);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(addr) => write!(f, "{addr}"),
            None => f.write_char('-'),
        }
    }
}

/// Text from outside.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                _ if is_deceptive(c) => write!(f, "\\u{:04x}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Control characters, what Unicode takes for the end of a line, and what turns the direction of writing. All of them are
/// below U+10000, so that four digits do.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> String {
        let client = "192.0.2.7:4711".parse().ok();
        Entry::Message { client, text: text.to_owned() }.line(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn lines_are_a_time_a_word_and_pairs() {
        let line = |entry: Entry| entry.line("2026-01-02T03:04:05.0678Z".parse().expect("a time"));
        let name: InstanceName = "logger-0".parse().expect("a name");
        assert_eq!(line(Entry::Started(name.clone())), "2026-01-02T03:04:05.067Z started instance=logger-0");
        assert_eq!(line(Entry::Ended(name)), "2026-01-02T03:04:05.067Z ended instance=logger-0");
        let request = Entry::Request { client: None, method: "GET".to_owned(), path: "/log".to_owned(), status: 200 };
        assert_eq!(line(request), "2026-01-02T03:04:05.067Z request client=- method=\"GET\" path=\"/log\" status=200");
    }

    #[test]
    fn what_would_end_a_line_or_fool_a_reader_is_escaped() {
        for (text, expected) in [
            ("hello, wörld 👋", r#""hello, wörld 👋""#),
            (
                "a\n1970-01-01T00:00:00.000Z ended instance=logger-0",
                r#""a\n1970-01-01T00:00:00.000Z ended instance=logger-0""#,
            ),
            ("\r\t\u{1b}[2J\u{9b}\u{85}\u{7f}\0", r#""\r\t\u001b[2J\u009b\u0085\u007f\u0000""#),
            ("\u{2028}\u{202e}evil\u{2066}", r#""\u2028\u202eevil\u2066""#),
            (r#"" status=200"#, r#""\" status=200""#),
            (r"C:\", r#""C:\\""#),
        ] {
            assert_eq!(
                message(text),
                format!("1970-01-01T00:00:00.000Z message client=192.0.2.7:4711 text={expected}")
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_and_reads_back(text in any::<String>()) {
            let line = message(&text);
            prop_assert!(!line.contains(is_deceptive), "{line:?}");
            let (_, quoted) = line.split_once("text=").expect("a text");
            prop_assert_eq!(serde_json::from_str::<String>(quoted).expect("JSON"), text);
        }
    }
}
