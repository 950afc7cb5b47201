use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use http_body_util::BodyExt;
use moorline_posts::Posts;
use moorline_service::testing::{Answer, Connection};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tower::ServiceExt;

/// What a browser says that it accepts.
pub(crate) const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// What a post's body may be.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
pub(crate) const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

pub(crate) fn instance(name: &str) -> Posts {
    Posts::new(name.parse().expect("a good name"))
}

/// The session cookie that an answer sets, as a client sends it back.
pub(crate) trait Cookie {
    fn cookie(&self) -> String;
}

impl Cookie for Answer {
    fn cookie(&self) -> String {
        let set = self.header("set-cookie");
        set.split(';').next().unwrap_or_default().to_owned()
    }
}

/// A request to be sent to a router: `get("/post").with(..).to(&router).await`.
pub(crate) struct Ask(Request<Body>);

pub(crate) fn get(target: &str) -> Ask {
    ask("GET", target, "")
}

pub(crate) fn ask(method: &str, target: &str, body: impl Into<Body>) -> Ask {
    let request = Request::builder().method(method).uri(target).body(body.into());
    Ask(request.expect("a request"))
}

impl Ask {
    pub(crate) fn with(mut self, (name, value): (&'static str, &str)) -> Self {
        self.0.headers_mut().append(name, value.parse().expect("a header"));
        self
    }

    pub(crate) fn cookie(mut self, cookie: &[u8]) -> Self {
        let value = cookie.try_into().expect("a header");
        self.0.headers_mut().append(header::COOKIE, value);
        self
    }

    pub(crate) async fn to(self, router: &Router) -> Answer {
        let (head, body) = router.clone().oneshot(self.0).await.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        Answer { status: head.status, headers: head.headers, body }
    }
}

pub(crate) async fn log_in(router: &Router, user: &str) -> String {
    get(&format!("/login?username={user}")).to(router).await.cookie()
}

pub(crate) async fn write(router: &Router, cookie: &str, kind: (&'static str, &str), body: impl Into<Body>) -> Answer {
    ask("POST", "/post", body).with(kind).cookie(cookie.as_bytes()).to(router).await
}

pub(crate) async fn posts_of(router: &Router, cookie: &str) -> Vec<String> {
    let posts = get("/post").cookie(cookie.as_bytes()).to(router).await.json();
    let texts = posts["posts"].as_array().expect("posts").iter();
    texts.map(|post| post["text"].as_str().expect("text").to_owned()).collect()
}

/// An instance on a socket of its own.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) async fn run(posts: Posts) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(posts.serve(listener, async { drop(stopped.await) }));
    Running { addr, stop, task }
}

/// Somebody who is logged in, on a connection.
pub(crate) trait PostsUser {
    async fn get_as(&mut self, cookie: &str, target: &str) -> Answer;
    async fn post_as(&mut self, cookie: &str, text: &str) -> Answer;
}

impl PostsUser for Connection {
    async fn get_as(&mut self, cookie: &str, target: &str) -> Answer {
        self.ask("GET", target, &[("cookie", cookie)], "").await
    }

    async fn post_as(&mut self, cookie: &str, text: &str) -> Answer {
        self.ask("POST", "/post", &[TEXT, ("cookie", cookie)], text).await
    }
}
