//! What each path does. Errors are values; `problem` words them.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, Request, State, rejection::PathRejection},
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use moorline_service::reply;
use tracing::debug;

use crate::{
    page::Wanted,
    problem::Problem,
    request::{self, BODY_BYTES},
    store::{Created, Store},
    users::Users,
};

pub(crate) fn router<S: Store>(users: Users<S>) -> Router {
    Router::new()
        .route("/user", get(list::<S>).post(create::<S>))
        .route("/user/{id}", get(find::<S>))
        // Never asks the store: if MongoDB is away, a restart of this process mends nothing.
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready::<S>))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(users.clone(), pass::<S>))
        .with_state(users)
}

/// What every request passes on its way in and out, the ones that find no route included.
async fn pass<S: Store>(State(users): State<Users<S>>, req: Request, next: Next) -> Response {
    let (method, path) = (req.method().clone(), req.uri().path().to_owned());
    let mut rsp = next.run(req).await;
    reply::mark(&mut rsp, users.name());
    debug!(%method, path, status = rsp.status().as_u16(), "served");
    rsp
}

async fn create<S: Store>(State(users): State<Users<S>>, req: Request) -> Result<Response, Problem> {
    let new = request::new_user(req).await?;
    let (user, is_replay) = match users.store().create(new).await? {
        Created::Now(user) => (user, false),
        Created::Before(user) => (user, true),
    };
    // A UUID after our own constant.
    let location = HeaderValue::try_from(format!("/user/{}", user.id)).expect("ASCII text");
    let mut rsp = (StatusCode::CREATED, [(header::LOCATION, location)], reply::json(&user)).into_response();
    if is_replay {
        rsp.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(rsp)
}

async fn list<S: Store>(State(users): State<Users<S>>, uri: Uri) -> Result<Response, Problem> {
    let wanted = Wanted::parse(&uri)?;
    let found = users.store().list(wanted.after, wanted.asked()).await?;
    Ok(wanted.respond(found))
}

async fn find<S: Store>(
    State(users): State<Users<S>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok()).ok_or(Problem::NoSuchUser)?;
    let user = users.store().find(id).await?.ok_or(Problem::NoSuchUser)?;
    Ok(reply::json(&user))
}

async fn ready<S: Store>(State(users): State<Users<S>>) -> Result<&'static str, Problem> {
    if users.is_ending() {
        return Err(Problem::Ending);
    }
    if users.store().is_ready() { Ok("ready\n") } else { Err(Problem::NotReady) }
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
