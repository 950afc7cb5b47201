//! What has been found in a cluster, and how what follows from it is said. Pure.

use std::collections::BTreeMap;

use super::permissions::Answer;
use crate::control::kubernetes::index::Index;
use crate::control::kubernetes::objects::{Kind, Name};
use crate::control::kubernetes::translate::Secrets;

/// What has been found in a cluster.
#[derive(Debug, Default)]
pub struct Facts {
    /// Where its API server is, and which version it has.
    pub server: String,
    /// Its version, as `1.36`; none if it is not told.
    pub version: Option<(u32, u32)>,
    /// As whom it was asked, if it says so.
    pub user: Option<String>,
    /// The namespace of the controller.
    pub namespace: String,
    /// What has been answered about permissions.
    pub permissions: Vec<Answer>,
    /// The kinds that could not be listed, and why.
    pub unlisted: Vec<(Kind, String)>,
    /// The objects among the others that could not be read, and why.
    pub unreadable: Vec<(Kind, Name, String)>,
    /// What has been listed.
    pub index: Index,
    /// What stands in the Secrets that Ingresses name.
    pub secrets: Secrets,
    /// What controls the pods of which that is of interest.
    pub owners: BTreeMap<Name, Owner>,
}

impl Facts {
    /// Do we know which objects of this kind there are?
    #[must_use]
    pub fn knows(&self, kind: Kind) -> bool {
        self.unlisted.iter().all(|(unlisted, _)| *unlisted != kind)
    }
}

/// What controls a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its kind; of a ReplicaSet that is a Deployment's, `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the pod's label says that it is called.
    pub label: Option<String>,
}

/// One thing that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it is.
    pub mark: Mark,
    /// What.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// It works, and will probably not do what was meant.
    Warning,
    /// It does not work.
    Error,
}

impl Mark {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The sign for it.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Good => '√',
            Self::Note => '·',
            Self::Warning => '‼',
            Self::Error => '×',
        }
    }
}

impl Line {
    /// Something with nothing to do about it.
    #[must_use]
    pub fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into(), hint: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
