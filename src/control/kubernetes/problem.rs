//! What is wrong with an object, said to whoever made it: an Event and a line in the log. Never to clients.

use super::objects::Name;

/// Something that an object says and that was not done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// What kind of thing.
    pub reason: Reason,
    /// What, and what to do.
    pub text: String,
}

/// The reasons of Events, in CamelCase as Kubernetes has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is served as it says. Not a problem.
    Synced,
    /// Something in it makes no sense, or is not allowed.
    Rejected,
    /// A Secret that it names is not there, or has no certificate in it.
    SecretNotFound,
    /// A Service or port that it names is not there.
    BackendNotFound,
    /// Another object has what it wants.
    Conflict,
    /// An annotation means nothing here.
    UnknownAnnotation,
}

/// The problems of one Ingress; none if it is served as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which one.
    pub ingress: Name,
    /// In the order in which they were found, each once.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// A Service is not there.
    #[must_use]
    pub fn no_service(service: &Name) -> Self {
        Self { reason: Reason::BackendNotFound, text: format!("Service {service} is not there") }
    }
}

impl Reason {
    /// The reason as it stands in an Event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "Synced",
            Self::Rejected => "Rejected",
            Self::SecretNotFound => "SecretNotFound",
            Self::BackendNotFound => "BackendNotFound",
            Self::Conflict => "Conflict",
            Self::UnknownAnnotation => "UnknownAnnotation",
        }
    }
}
