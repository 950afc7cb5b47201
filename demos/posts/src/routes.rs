//! What each path does. Errors are values; `rim` words them.

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Query, Request, State, rejection::QueryRejection},
    http::{HeaderName, StatusCode, header},
    middleware,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::get,
};
use moorline_service::reply;
use serde::Deserialize;
use serde_json::json;

use crate::{
    body::{self, BODY_BYTES},
    caller::{self, Caller, Format, Login},
    page::Page,
    posts::Posts,
    problem::Problem,
    rim::{self, LoggedIn},
    sessions::SessionId,
    username::{Username, UsernameError},
};

pub(crate) fn router(posts: Posts) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/post", get(list).post(write))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(posts.clone(), rim::pass))
        .with_state(posts)
}

async fn home(State(posts): State<Posts>, Extension(caller): Extension<Caller>) -> Response {
    Page::new(&posts, &caller).into_response()
}

#[derive(Deserialize)]
struct LoginQuery {
    username: Option<String>,
}

async fn login(
    State(posts): State<Posts>,
    Extension(mut caller): Extension<Caller>,
    query: Result<Query<LoginQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    // The query is rejected only if it names the user twice: nobody knows then who it is.
    let typed = query.ok().and_then(|Query(query)| query.username).ok_or(UsernameError::Missing)?;
    let user = Username::parse(&typed)?;
    let id = posts.open(user.clone(), caller.session())?;
    caller.login = Login::Active(id, user.clone());
    let rsp = match caller.format {
        Format::Html => Page::new(&posts, &caller).into_response(),
        Format::Json => reply::json(&json!({ "user": user.as_str(), "instance": posts.name().as_str() })),
        Format::Text => format!("logged in as {} on {}\n", user.as_str(), posts.name()).into_response(),
    };
    let cookie = AppendHeaders([(header::SET_COOKIE, caller::cookie_for(id))]);
    Ok((cookie, Extension(LoggedIn(user)), rsp).into_response())
}

/// Ends the session if there is one. The cookie goes in any case, and the proxy is told in any case: whoever logs out
/// wants to be out.
async fn logout(State(posts): State<Posts>, Extension(mut caller): Extension<Caller>) -> Response {
    if let Some(id) = caller.session() {
        posts.end(id);
    }
    caller.login = Login::Never;
    let rsp = match caller.format {
        Format::Html => Page::new(&posts, &caller).notice("You are logged out.").into_response(),
        Format::Json => reply::json(&json!({ "user": null, "instance": posts.name().as_str() })),
        Format::Text => format!("logged out on {}\n", posts.name()).into_response(),
    };
    let cookie = AppendHeaders([(header::SET_COOKIE, caller::expired_cookie())]);
    (cookie, [(MOORLINE_SESSION, "end")], rsp).into_response()
}

async fn list(State(posts): State<Posts>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let (id, user) = logged_in(&caller)?;
    let written = posts.posts(id).ok_or(Problem::SessionLost)?;
    Ok(reply::json(&json!({ "user": user.as_str(), "instance": posts.name().as_str(), "posts": written })))
}

async fn write(
    State(posts): State<Posts>,
    Extension(caller): Extension<Caller>,
    req: Request,
) -> Result<Response, Problem> {
    let (id, _) = logged_in(&caller)?;
    let text = body::post_text(req).await?;
    // While the text was on its way, the session may have ended.
    let post = posts.write(id, text).ok_or(Problem::SessionLost)?;
    // A browser is sent to the page with a GET, so that reloading it does not post again.
    Ok(match caller.format {
        Format::Html => Redirect::to("/").into_response(),
        Format::Json | Format::Text => (StatusCode::CREATED, reply::json(&post)).into_response(),
    })
}

async fn ready(State(posts): State<Posts>) -> Result<&'static str, Problem> {
    if posts.is_ready() { Ok("ready\n") } else { Err(Problem::Draining) }
}

fn logged_in(caller: &Caller) -> Result<(SessionId, &Username), Problem> {
    match &caller.login {
        Login::Active(id, user) => Ok((*id, user)),
        Login::Lost => Err(Problem::SessionLost),
        Login::Never => Err(Problem::NotLoggedIn),
    }
}

const MOORLINE_SESSION: HeaderName = HeaderName::from_static("moorline-session");
