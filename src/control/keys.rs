//! Where the key ring comes from: a file, or the moment.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;

use crate::clock::unix_seconds;
use crate::file::Problems;
use crate::file::keys::KeyFile;
use crate::routing::KeyRing;
use crate::routing::session::{Key, KeyId, KeyRingError, SECRET_LEN};

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the key file {path}: {source}")]
    Read {
        /// Which one.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is in it makes no sense.
    #[error("{0}")]
    Parse(String),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
    /// A ring of one key is sound; its constructor says it might not be.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
}

/// Reads a key file.
///
/// # Errors
/// If it cannot be read, or is not one. No message shows a secret.
pub fn read(path: &Path) -> Result<Arc<KeyRing>, KeysError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| KeysError::Read { path: name.clone(), source })?;
    // Never the text: what is wrong may stand in the line of a secret.
    let render = |problems: Problems| KeysError::Parse(problems.render(&name, None).to_string());
    KeyFile::parse(&text).map(|file| Arc::new(file.ring())).map_err(render)
}

/// A ring of one random key, which nobody else will ever know: its sessions end with the process.
///
/// # Errors
/// If the system gives no random bytes.
pub fn random() -> Result<Arc<KeyRing>, KeysError> {
    let mut secret = [0; SECRET_LEN];
    rand::fill(&mut secret).map_err(|_| KeysError::Random)?;
    let key = Key::new(KeyId::new(0)?, unix_seconds(), &secret);
    Ok(Arc::new(KeyRing::new(vec![key])?))
}
