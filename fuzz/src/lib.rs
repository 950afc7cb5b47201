//! What each target checks. A target takes any bytes and panics when something is wrong: what it is compared with is
//! written here a second time, in the plainest way, or is a law that holds whatever the bytes.

pub mod cookie;
pub mod file;
pub mod forwarded;
pub mod frames;
pub mod host;
pub mod http1;
pub mod path;
pub mod proxy_protocol;
pub mod token;

mod message;
mod planted;
mod scene;
