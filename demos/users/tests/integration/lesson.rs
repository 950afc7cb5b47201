use axum::http::StatusCode;

use crate::support::service;

/// What curl sends without being told.
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// curl http://<ip:port>/user --request POST --data '{"username": "walker"}' -H "ContentType: application/json"
#[tokio::test]
async fn the_lessons_call_makes_a_user_although_it_misspells_the_header() {
    let service = service().await;
    let mut client = service.client().await;
    let headers = [FORM, ("ContentType", "application/json")];
    let answer = client.ask("POST", "/user", &headers, r#"{"username": "walker"}"#).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(client.get("/user").await.json()[0]["username"], "walker");
}

/// With a blank between the dashes and `data`, curl sends no body at all.
#[tokio::test]
async fn the_lessons_call_with_its_stray_blank_is_told_what_is_missing() {
    let service = service().await;
    let answer = service.client().await.ask("POST", "/user", &[], "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let detail = answer.json()["detail"].as_str().expect("text").to_owned();
    assert!(
        detail.contains("--data, in one word") && detail.contains("expected {\"username\":\"walker\"}"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_form_and_any_other_type_are_told_which_header_to_add() {
    let service = service().await;
    let mut client = service.client().await;
    for (kind, body) in [
        (FORM.1, "username=walker"),
        ("text/plain", r#"{"username":"walker"}"#),
        ("application/xml", "<username>walker</username>"),
        ("multipart/form-data; boundary=x", "--x--"),
    ] {
        let answer = client.ask("POST", "/user", &[("content-type", kind)], body).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.body.contains("-H 'Content-Type: application/json'"), "{}", answer.body);
    }
    assert_eq!(client.get("/user").await.body, "[]\n");
}
