//! The token in a file that is written anew before it runs out, as a ServiceAccount's is.
//!
//! kube reads such a file every 50 seconds, so a token that is taken back early would keep us out for so long. A file in
//! memory is read in microseconds, and there are few requests: it is read for each of them.

use std::path::{Path, PathBuf};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::util::MapRequestLayer;

/// A client that sends, with each request, the token that is in its file then.
///
/// # Errors
/// If no client can be made of the configuration.
pub fn client(mut config: Config) -> Result<Client, kube::Error> {
    let auth = &mut config.auth_info;
    // A token that is written down comes first, and so does whatever else there is to be let in with.
    let is_alone = auth.token.is_none() && auth.username.is_none() && auth.auth_provider.is_none();
    // A file that is not there at the start is left to kube, which says so.
    let is_ours = |path: &mut String| is_alone && read(Path::new(path)).is_some();
    let Some(path) = auth.token_file.take_if(is_ours) else { return Client::try_from(config) };
    let path = PathBuf::from(path);
    let mut last = None;
    let sign = move |mut request: Request<Body>| {
        // A file that is gone for a moment takes nothing back.
        last = read(&path).or_else(|| last.take());
        if let Some(value) = &last {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        request
    };
    Ok(ClientBuilder::try_from(config)?.with_layer(&MapRequestLayer::new(sign)).build())
}

fn read(path: &Path) -> Option<HeaderValue> {
    let text = std::fs::read_to_string(path).ok()?;
    // A file that is being written is empty for a moment.
    let token = Some(text.trim()).filter(|token| !token.is_empty())?;
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
