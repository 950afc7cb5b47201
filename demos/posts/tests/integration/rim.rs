use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode};
use moorline_posts::{Posts, Served};

use crate::support::{Cookie, ask, get, instance, log_in};

#[tokio::test]
async fn other_methods_are_refused_with_those_allowed() {
    let router = instance("posts-0").router();
    let check = async |method: &str, target: &str, allowed: &str| {
        let answer = ask(method, target, "").to(&router).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {target}");
        assert_eq!(answer.header("allow"), allowed, "{method} {target}");
        assert_eq!(answer.header("x-served-by"), "posts-0");
    };
    check("DELETE", "/post", "GET,HEAD,POST").await;
    check("OPTIONS", "/post", "GET,HEAD,POST").await;
    check("POST", "/login?username=walker", "GET,HEAD").await;
    check("PUT", "/", "GET,HEAD").await;
}

#[tokio::test]
async fn being_told_to_stop_shows_in_readiness_and_nowhere_else() {
    let posts = instance("posts-0");
    let router = posts.router();
    assert_eq!(get("/readyz").to(&router).await.status, StatusCode::OK);
    let cookie = log_in(&router, "walker").await;
    posts.stop_being_ready();
    assert_eq!(get("/readyz").to(&router).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get("/healthz").to(&router).await.status, StatusCode::OK);
    assert_eq!(get("/post").cookie(cookie.as_bytes()).to(&router).await.status, StatusCode::OK);
    assert_eq!(get("/login?username=late").to(&router).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_observer_hears_of_each_request_once() {
    let heard = Arc::new(Mutex::new(Vec::<Served>::new()));
    let sink = Arc::clone(&heard);
    let observer = move |served: &Served| sink.lock().expect("no panic").push(served.clone());
    let router = Posts::with_observer("posts-2".parse().expect("good"), Arc::new(observer)).router();

    let login = get("/login?username=walker").with(("moorline-session", "new")).with(("x-request-id", "r-1"));
    let cookie = login.to(&router).await.cookie();
    get("/nowhere").cookie(cookie.as_bytes()).to(&router).await;
    get("/logout").cookie(cookie.as_bytes()).to(&router).await;
    ask("PUT", "/post", "").to(&router).await;

    let heard = heard.lock().expect("no panic");
    let seen = heard.iter().map(|s| (s.user.as_deref(), &s.method, s.path.as_str(), s.status)).collect::<Vec<_>>();
    assert_eq!(
        seen,
        [
            (Some("walker"), &Method::GET, "/login", 200),
            (Some("walker"), &Method::GET, "/nowhere", 404),
            (Some("walker"), &Method::GET, "/logout", 200),
            (None, &Method::PUT, "/post", 405),
        ]
    );
    assert_eq!((heard[0].session.as_deref(), heard[0].request_id.as_deref()), (Some("new"), Some("r-1")));
    assert_eq!((heard[1].session.as_deref(), heard[1].instance.as_str()), (None, "posts-2"));
}
