//! The operator's verbs that end by themselves. Each writes to the `out` that it is given and says with which
//! code the process ends; none of them serves requests.

mod admin;
mod check;
mod keys;
mod printed;
mod sessions;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use self::admin::AdminError;
use crate::config::args::{KeysVerb, Tool};
use crate::file::Problems;
use crate::file::keys::RotateError;

/// What kept a verb from doing its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that is not there, or not for us.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that cannot be made.
    #[error("cannot write {}", .path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Manifests, for a program that knows nothing of Kubernetes.
    #[cfg(not(feature = "kubernetes"))]
    #[error("{name} has objects of Kubernetes in it: a moorline that was built with the feature kubernetes checks it")]
    Manifests {
        /// The file.
        name: String,
    },
    /// A cluster that cannot be looked at.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Cluster(#[from] crate::control::kubernetes::ControllerError),
    /// Standard output.
    #[error("cannot write the answer")]
    Write(#[from] io::Error),
    /// The running proxy.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A key file that is none.
    #[error("{} is no key file\n{}", .path.display(), .problems.render(&.path.to_string_lossy(), None).to_string().trim_end())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it. Nothing of its text.
        problems: Problems,
    },
    /// A key file that takes no new key now.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// The operating system has no randomness for us.
    #[error("there are no random bytes for a key")]
    Random,
}

impl Error {
    /// With which code the process ends.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Read { .. } => 2,
            #[cfg(feature = "kubernetes")]
            Self::Cluster(_) => 2,
            #[cfg(not(feature = "kubernetes"))]
            Self::Manifests { .. } => 2,
            _ => 1,
        })
    }

    fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Read { path, source }
    }

    fn write_file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::WriteFile { path, source }
    }
}

/// Does what the verb says; without one, says what could be done next.
///
/// # Errors
/// If it could not be done. That nobody reads the answer to its end (`| head`) is none.
pub async fn run(tool: Option<&Tool>, out: &mut impl Write) -> Result<ExitCode, Error> {
    match dispatch(tool, out).await {
        Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

async fn dispatch(tool: Option<&Tool>, out: &mut impl Write) -> Result<ExitCode, Error> {
    match tool {
        None => printed::next_steps(out),
        #[cfg(feature = "kubernetes")]
        Some(Tool::Check(args)) if args.kubernetes.cluster => check::cluster::run(args, out).await,
        Some(Tool::Check(args)) => check::run(args, io::stdin().lock(), out),
        Some(Tool::Sessions(args)) => sessions::run(args, out).await,
        Some(Tool::Keys(KeysVerb::New(args))) => keys::new(args, out),
        Some(Tool::Keys(KeysVerb::Rotate(args))) => keys::rotate(args, out),
        Some(Tool::Completions(args)) => printed::completions(args, out),
        Some(Tool::Man(args)) => printed::man(args, out),
        Some(Tool::Schema) => printed::schema(out),
    }
}
