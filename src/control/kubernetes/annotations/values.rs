//! The values of annotations: as ingress-nginx reads them, which is how Go does.

use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;

use crate::file::scalar;

/// As much of a value is repeated in a message.
const SHOWN: usize = 64;

/// Go's `strconv.ParseBool`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    boolean(text).ok_or("it is neither true nor false")
}

/// Whole seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let digits = text.strip_suffix('s').unwrap_or(text);
    let seconds = digits.parse::<u32>().map_err(|_| "it is no number of seconds")?;
    if seconds == 0 { Err("no time at all") } else { Ok(Duration::from_secs(seconds.into())) }
}

/// Whole seconds, which may be none and less: an age of a cookie.
pub(super) fn age(text: &str) -> Result<i64, &'static str> {
    text.parse::<i32>().map(i64::from).map_err(|_| "it is no number of seconds")
}

/// A size as nginx has it: `8m`, `1024`, `1g`; 0 is without a bound.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let wrong = "it is no size such as 8m";
    let lower = text.to_ascii_lowercase();
    let at = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (digits, unit) = lower.split_at(at);
    let shift = match unit {
        "" | "b" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err(wrong),
    };
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift)).ok_or(wrong)
}

/// Networks or addresses, separated by commas.
pub(super) fn networks(text: &str) -> Result<Box<[IpNet]>, String> {
    let all = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let networks = all.map(|part| scalar::network(part).map_err(|error| error.to_string()));
    let networks: Box<[IpNet]> = networks.collect::<Result<_, _>>()?;
    if networks.is_empty() { Err("it names no network".to_owned()) } else { Ok(networks) }
}

/// Something that stands in a header by itself.
pub(super) fn header(text: &str) -> Result<HeaderValue, &'static str> {
    match HeaderValue::from_str(text) {
        Ok(value) if !text.is_empty() => Ok(value),
        _ => Err("it cannot stand in a header"),
    }
}

/// Where a redirect leads: a URL, or a path of the same host.
pub(super) fn place(text: &str) -> Result<HeaderValue, &'static str> {
    let is_place = text.starts_with("http://") || text.starts_with("https://") || text.starts_with('/');
    if is_place && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        header(text)
    } else {
        Err("it is neither a URL nor a path")
    }
}

/// A value for a message: not more of it than anybody reads, and nothing that a terminal would obey.
pub(super) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_nginxs() {
        for (text, expected) in
            [("0", Ok(0)), ("1024", Ok(1024)), ("8m", Ok(8 << 20)), ("1G", Ok(1 << 30)), ("4k", Ok(4096))]
        {
            assert_eq!(size(text), expected, "{text}");
        }
        for text in ["", "m", "-1", "1mb", "8 m", "99999999999999999999", "18446744073709551615g"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_cannot_leave_their_header() {
        for text in ["https://a.example/x?y=z", "/x", "http://a.example"] {
            assert!(place(text).is_ok(), "{text}");
        }
        for text in ["", "x", "javascript:alert(1)", "/a b", "/a\r\nSet-Cookie: x=y", "ftp://a"] {
            assert!(place(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_escaped() {
        assert_eq!(shown("a\u{1b}[2J"), r#""a\u{1b}[2J""#);
        assert_eq!(shown(&"x".repeat(1 << 20)).chars().count(), SHOWN + 3);
    }
}
