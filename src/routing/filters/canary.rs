//! Canaries: a second backend that some requests try, chosen by a header, a cookie or a share.
//!
//! In a rule with a canary the first backend is the primary and the second one the canary; their weights are the shares.

use http::HeaderName;

use super::Pattern;

/// Who tries the canary, in the order in which it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// A header that decides.
    pub header: Option<CanaryHeader>,
    /// A cookie that decides: `always` or `never`.
    pub cookie: Option<Box<str>>,
    /// What becomes of sessions.
    pub sessions: CanarySessions,
}

/// A header that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryHeader {
    /// Its name.
    pub name: HeaderName,
    /// What has to be in it.
    pub want: HeaderWant,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderWant {
    /// `always` leads to the canary, `never` to the primary.
    AlwaysOrNever,
    /// This value leads to the canary.
    Value(Box<str>),
    /// A value in which this is found leads to the canary.
    Pattern(Pattern),
}

/// What becomes of sessions beside a canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CanarySessions {
    /// They stay where they are, on the canary too, and are asked first.
    #[default]
    Sticky,
    /// The canary keeps none, and header, cookie and share are asked before the primary's.
    Legacy,
}

/// What a request says about the canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Nothing: the shares decide.
    #[default]
    None,
    /// The primary.
    Primary,
    /// The canary.
    Canary,
}

impl Canary {
    /// What a request says, whose fields and cookies are looked up here: the header first, and where it decides
    /// nothing, the cookie. A header that has another value than the wanted one decides nothing, as in ingress-nginx.
    pub fn preference<'a>(
        &'a self,
        header: impl FnOnce(&HeaderName) -> Option<&'a [u8]>,
        cookie: impl FnOnce(&'a str) -> Option<&'a [u8]>,
    ) -> Preference {
        let by_header = self.header.as_ref().map_or(Preference::None, |wanted| {
            header(&wanted.name).map_or(Preference::None, |value| wanted.want.judge(value))
        });
        if by_header != Preference::None {
            return by_header;
        }
        self.cookie.as_deref().and_then(cookie).map_or(Preference::None, always_or_never)
    }
}

impl HeaderWant {
    fn judge(&self, value: &[u8]) -> Preference {
        let wanted = match self {
            Self::AlwaysOrNever => return always_or_never(value),
            Self::Value(wanted) => wanted.as_bytes() == value,
            Self::Pattern(pattern) => std::str::from_utf8(value).is_ok_and(|value| pattern.is_match(value)),
        };
        if wanted { Preference::Canary } else { Preference::None }
    }
}

/// To the letter: `Always` says nothing.
fn always_or_never(value: &[u8]) -> Preference {
    match value {
        b"always" => Preference::Canary,
        b"never" => Preference::Primary,
        _ => Preference::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with this header and this cookie, if it has them.
    #[track_caller]
    fn check(want: Option<HeaderWant>, header: Option<&str>, cookie: Option<&str>, expected: Preference) {
        let name = HeaderName::from_static("x-canary");
        let canary = Canary {
            header: want.map(|want| CanaryHeader { name: name.clone(), want }),
            cookie: Some("try".into()),
            sessions: CanarySessions::Sticky,
        };
        let found = canary.preference(
            |asked| header.filter(|_| *asked == name).map(str::as_bytes),
            |asked| cookie.filter(|_| asked == "try").map(str::as_bytes),
        );
        assert_eq!(found, expected, "{canary:?} {header:?} {cookie:?}");
    }

    #[test]
    fn the_header_decides_before_the_cookie() {
        let word = || Some(HeaderWant::AlwaysOrNever);
        check(word(), Some("always"), Some("never"), Preference::Canary);
        check(word(), Some("never"), Some("always"), Preference::Primary);
        check(word(), Some("Always"), None, Preference::None);
        check(word(), Some(""), None, Preference::None);
        check(word(), None, None, Preference::None);
    }

    #[test]
    fn a_header_that_decides_nothing_leaves_it_to_the_cookie() {
        for want in [HeaderWant::AlwaysOrNever, HeaderWant::Value("beta".into())] {
            check(Some(want.clone()), Some("else"), Some("always"), Preference::Canary);
            check(Some(want.clone()), Some("else"), Some("never"), Preference::Primary);
            check(Some(want), None, Some("perhaps"), Preference::None);
        }
        check(None, Some("always"), Some("never"), Preference::Primary);
    }

    #[test]
    fn with_a_wanted_value_the_words_mean_nothing() {
        let beta = || Some(HeaderWant::Value("beta".into()));
        check(beta(), Some("beta"), Some("never"), Preference::Canary);
        check(beta(), Some("always"), None, Preference::None);
        check(beta(), Some("never"), None, Preference::None);
        let pattern = || Some(HeaderWant::Pattern(Pattern::new("^(de|at)-").unwrap()));
        check(pattern(), Some("at-vienna"), None, Preference::Canary);
        check(pattern(), Some("fr-at-sea"), Some("always"), Preference::Canary);
        check(pattern(), Some("fr-at-sea"), None, Preference::None);
    }

    #[test]
    fn bytes_that_are_no_text_match_no_pattern() {
        let want = HeaderWant::Pattern(Pattern::new(".").unwrap());
        assert_eq!(want.judge(b"\xff\xfe"), Preference::None);
    }
}
