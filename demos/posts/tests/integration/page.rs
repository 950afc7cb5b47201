use axum::http::StatusCode;

use crate::support::{BROWSER, Cookie, FORM, TEXT, ask, get, instance, log_in, write};

#[tokio::test]
async fn the_page_leads_from_login_to_logout() {
    let router = instance("posts-0").router();
    let home = get("/").to(&router).await;
    assert_eq!(home.header("content-type"), "text/html; charset=utf-8");
    assert!(home.body.contains("Served by <b>posts-0</b>") && home.body.contains("<form action=/login>"));

    let login = get("/login?username=walker").with(BROWSER).to(&router).await;
    assert_eq!(login.status, StatusCode::OK);
    assert!(login.body.contains("Logged in as <b>walker</b>"), "{}", login.body);
    let cookie = login.cookie();

    let form = ask("POST", "/post", "text=first").with(FORM).with(BROWSER).cookie(cookie.as_bytes());
    let written = form.to(&router).await;
    assert_eq!((written.status, written.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert!(get("/").cookie(cookie.as_bytes()).to(&router).await.body.contains("<li value=1>first</li>"));

    let logout = get("/logout").with(BROWSER).cookie(cookie.as_bytes()).to(&router).await;
    assert!(logout.body.contains("You are logged out.") && logout.body.contains("<form action=/login>"));
}

#[tokio::test]
async fn the_page_says_that_a_session_was_lost_and_why() {
    let router = instance("posts-1").router();
    let foreign = log_in(&instance("posts-0").router(), "walker").await;
    let check = async |said: &str, expected: &str| {
        let page = get("/").with(("moorline-session", said)).cookie(foreign.as_bytes()).to(&router).await;
        assert!(page.body.contains("Your session was lost") && page.body.contains(expected), "{}", page.body);
        assert_eq!(page.header("set-cookie"), "", "another instance may still know the session");
    };
    check("restarted", "posts-1 has restarted").await;
    check("reassigned", "Moorline brought you to posts-1").await;
    check("kept", "it has ended").await;
    assert!(!get("/").to(&router).await.body.contains("lost"));
}

#[tokio::test]
async fn what_users_write_is_escaped_on_the_page() {
    let router = instance("posts-0").router();
    let cookie = log_in(&router, "%3Cscript%3Ename%3C/script%3E").await;
    write(&router, &cookie, TEXT, "<script>post</script>").await;
    let said = ("moorline-session", "<script>");
    let page = get("/").with(said).cookie(cookie.as_bytes()).to(&router).await.body;
    assert!(!page.contains("<script>"), "{page}");
    assert!(page.contains("&lt;script&gt;name") && page.contains("&lt;script&gt;post"));
}

#[tokio::test]
async fn errors_come_in_the_form_that_was_asked_for() {
    let router = instance("posts-0").router();
    let html = get("/post").with(BROWSER).to(&router).await;
    assert_eq!(html.status, StatusCode::FORBIDDEN);
    assert!(html.body.contains("<form action=/login>") && html.body.contains("not logged in"));
    let json = get("/post").with(("accept", "application/json")).to(&router).await;
    assert_eq!(json.header("content-type"), "application/problem+json");
    assert_eq!((&json.json()["status"], &json.json()["title"]), (&403.into(), &"Forbidden".into()));
    let text = get("/nowhere").with(("accept", "*/*")).to(&router).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.body.contains("nothing is here"));
}
