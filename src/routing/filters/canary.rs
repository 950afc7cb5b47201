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
