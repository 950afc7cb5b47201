//! What each path does. Errors are values; `problem` words them.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, Uri},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use moorline_service::reply;
use serde_json::json;

use crate::{
    line::Entry,
    logger::Logger,
    problem::Problem,
    request::{self, BODY_BYTES},
    rim,
};

pub(crate) fn router(logger: Logger) -> Router {
    Router::new()
        .route("/log", get(read).post(write))
        // Asks nothing of the disk: if that is full, a restart does not make it less so.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(logger.clone(), rim::pass))
        .with_state(logger)
}

async fn write(State(logger): State<Logger>, req: Request) -> Result<Response, Problem> {
    let client = rim::client(&req);
    let text = request::message(req).await?;
    let line = logger.journal().append(Entry::Message { client, text }).await?;
    let written = json!({ "instance": logger.name().as_str(), "line": line });
    Ok((StatusCode::CREATED, reply::json(&written)).into_response())
}

/// The lines before this request's own, which is not written yet.
async fn read(State(logger): State<Logger>, uri: Uri) -> Result<String, Problem> {
    let lines = request::lines(&uri)?;
    Ok(logger.journal().tail(lines).await?)
}

async fn ready(State(logger): State<Logger>) -> Result<&'static str, Problem> {
    if logger.is_ending() {
        return Err(Problem::Ending);
    }
    logger.journal().probe().await?;
    Ok("ready\n")
}
