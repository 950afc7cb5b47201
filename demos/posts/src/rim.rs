//! What every request passes on its way in and out, the ones that find no route included: who asks is made out once, an
//! error gets the form that they want, the response says who served it, and the observer hears of it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use moorline_service::{InstanceName, reply};

use crate::{
    caller::{self, Caller},
    posts::Posts,
    problem::Problem,
    username::Username,
};

/// What an instance did with one request, for [`Posts::with_observer`].
#[derive(Clone, Debug)]
pub struct Served {
    /// Who was logged in: after the request if it was a login, otherwise before it.
    pub user: Option<String>,
    /// The request's method.
    pub method: Method,
    /// The request's path, without the query.
    pub path: String,
    /// The response's status code.
    pub status: u16,
    /// Who served it.
    pub instance: InstanceName,
    /// What Moorline said of the session, in the request header `Moorline-Session`.
    pub session: Option<String>,
    /// The request header `X-Request-ID`.
    pub request_id: Option<String>,
}

/// Hears of every request that was answered. A request whose client vanished before the answer is not.
pub type Observer = Arc<dyn Fn(&Served) + Send + Sync>;

/// Left by a login in its response, so that the observer hears of the new user.
#[derive(Clone)]
pub(crate) struct LoggedIn(pub(crate) Username);

pub(crate) async fn pass(State(posts): State<Posts>, mut req: Request, next: Next) -> Response {
    let caller = Caller::of(&posts, req.headers());
    let mut served = Served {
        user: caller.user().map(|user| user.as_str().to_owned()),
        method: req.method().clone(),
        path: req.uri().path().to_owned(),
        status: 0,
        instance: posts.name().clone(),
        session: caller.moorline.clone(),
        request_id: caller::text(req.headers(), "x-request-id"),
    };
    req.extensions_mut().insert(caller.clone());

    let mut rsp = next.run(req).await;
    if let Some(LoggedIn(user)) = rsp.extensions_mut().remove() {
        served.user = Some(user.as_str().to_owned());
    }
    if let Some(problem) = rsp.extensions_mut().remove::<Problem>() {
        rsp = word(&rsp, &problem, &posts, &caller);
    }
    reply::mark(&mut rsp, posts.name());
    served.status = rsp.status().as_u16();
    posts.observe(&served);
    rsp
}

/// Puts the problem into the caller's words. Headers that others added, such as `Allow`, stay.
fn word(rsp: &Response, problem: &Problem, posts: &Posts, caller: &Caller) -> Response {
    let mut worded = problem.respond(posts, caller).into_response();
    for (name, value) in rsp.headers() {
        if ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) {
            worded.headers_mut().insert(name, value.clone());
        }
    }
    worded
}
