//! What every request passes on its way in and out, the ones that find no route included: it becomes a line before it is
//! answered, and the answer says who gave it.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use moorline_service::reply;

use crate::{line::Entry, logger::Logger};

pub(crate) async fn pass(State(logger): State<Logger>, req: Request, next: Next) -> Response {
    let (client, method, path) = (client(&req), short(req.method().as_str()), short(req.uri().path()));
    let is_probe = matches!(req.uri().path(), "/healthz" | "/readyz");
    let mut rsp = next.run(req).await;
    if !is_probe {
        logger.note(Entry::Request { client, method, path, status: rsp.status().as_u16() }).await;
    }
    reply::mark(&mut rsp, logger.name());
    rsp
}

/// Who is at the other end of the connection. What headers say of it, anybody can say.
pub(crate) fn client(req: &Request) -> Option<SocketAddr> {
    req.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(addr)| *addr)
}

/// Methods and paths may be as long as a request's head, which is more than a line is worth.
fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

const SHORT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_cut_between_characters() {
        assert_eq!(short("/log"), "/log");
        assert_eq!(short(&"ü".repeat(256)), "ü".repeat(256));
        assert_eq!(short(&"ü".repeat(257)), "ü".repeat(256) + "…");
    }
}
