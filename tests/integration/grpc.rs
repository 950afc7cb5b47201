//! gRPC from end to end, with the client and the server that people use: every kind of call, and what a client is told when
//! one fails.

use std::time::Duration;

use tonic::{Code, Request, Response};

use crate::support::{
    Authority, Caller, GrpcOrigin, Proxy, eventually, front, grpc_cookie, grpc_origin, origin, proxy,
};

const H2C: &str = "protocol: h2c";

async fn echo() -> (GrpcOrigin, Proxy, Caller) {
    let a = grpc_origin("a").await;
    let proxy = proxy().speaking(H2C).address(a.address).run();
    let caller = Caller::connect(proxy.address).await;
    (a, proxy, caller)
}

fn text(text: &str) -> Request<String> {
    Request::new(text.to_owned())
}

fn served_by(answer: &Response<String>) -> String {
    answer.metadata().get("x-served-by").unwrap().to_str().unwrap().to_owned()
}

/// All four kinds of calls.
async fn every_kind(caller: &mut Caller) {
    let answer = caller.unary("Say", text("one")).await.unwrap();
    assert_eq!((&**answer.get_ref(), &*served_by(&answer)), ("echo: one", "a"));
    let mut answers = caller.server_streaming("Split", "one two three").await.unwrap();
    for expected in ["one", "two", "three"] {
        assert_eq!(answers.message().await.unwrap().as_deref(), Some(expected));
    }
    assert_eq!(answers.message().await.unwrap(), None);
    assert_eq!(caller.client_streaming("Join", &["one", "two", "three"]).await.unwrap(), "one two three");
    let mut conversation = caller.converse("Say").await.unwrap();
    for number in 0..10 {
        conversation.messages.send(number.to_string()).await.unwrap();
        // Each is answered before the next is sent.
        assert_eq!(conversation.answers.message().await.unwrap(), Some(format!("echo: {number}")));
    }
    drop(conversation.messages);
    assert_eq!(conversation.answers.message().await.unwrap(), None);
    let trailers = conversation.answers.trailers().await.unwrap().expect("trailers");
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
}

#[tokio::test]
async fn every_kind_of_call_passes() {
    let (a, _proxy, mut caller) = echo().await;
    every_kind(&mut caller).await;
    assert_eq!(a.seen("te").as_deref(), Some("trailers"));
    assert_eq!(a.seen("content-type").as_deref(), Some("application/grpc"));
    assert!(a.seen("host").is_none() && a.seen("connection").is_none());
}

#[tokio::test]
async fn every_kind_of_call_passes_over_tls() {
    let authority = Authority::new();
    authority.put("ca.pem", &authority.pem());
    let a = grpc_origin("a").await;
    let front = front(a.address, &authority.pair(&["127.0.0.1"]), &["h2"]).await;
    let speaking = "protocol: h2, tls: { ca: ca.pem }";
    let proxy = proxy().speaking(speaking).address(front.address).run_in(authority.folder());
    every_kind(&mut Caller::connect(proxy.address).await).await;
}

#[tokio::test]
async fn a_message_of_a_megabyte_passes_whole() {
    let (_a, _proxy, mut caller) = echo().await;
    let long = "0123456789abcdef".repeat(64 * 1024);
    assert_eq!(caller.unary("Say", text(&long)).await.unwrap().into_inner(), format!("echo: {long}"));
}

#[tokio::test]
async fn a_status_of_the_server_reaches_the_client_as_it_is() {
    let (_a, _proxy, mut caller) = echo().await;
    let status = caller.unary("Fail", text("x")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "schön wär's"));
    let mut answers = caller.server_streaming("FailLate", "x").await.unwrap();
    assert_eq!(answers.message().await.unwrap().as_deref(), Some("one"));
    let status = answers.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "and no more"));
    assert_eq!(status.metadata().get("x-left").expect("the application's own metadata"), "2");
    let odd = ["set-cookie", "moorline-session-id"].map(|name| status.metadata().get(name));
    assert_eq!(odd, [None, None], "what belongs in a head, or is ours to say, stays behind");
}

#[tokio::test]
async fn what_we_answer_ourselves_is_a_status_that_says_what_to_do() {
    let gone = origin("gone").run().await;
    let address = gone.address;
    drop(gone);
    let proxy = proxy().speaking(H2C).address(address).run();
    let status = Caller::connect(proxy.address).await.unary("Say", text("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("Service Unavailable: "), "{status:?}");
    let a = grpc_origin("a").await;
    let proxy = crate::support::proxy().speaking(H2C).address(a.address).limits("response_head: 100ms").run();
    let status = Caller::connect(proxy.address).await.unary("Hang", text("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let elsewhere = "  - { hosts: [127.0.0.1], rules: [{ path: { prefix: /other }, backend: posts }] }\n";
    let proxy = crate::support::proxy().speaking(H2C).address(a.address).routes(elsewhere).run();
    let status = Caller::connect(proxy.address).await.unary("Say", text("x")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
}

#[tokio::test]
async fn a_deadline_goes_along_and_a_call_that_is_given_up_is_given_up_at_the_server() {
    let (a, _proxy, mut caller) = echo().await;
    let mut request = text("x");
    request.set_timeout(Duration::from_millis(200));
    let status = caller.unary("Hang", request).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    assert_eq!(a.seen("grpc-timeout").as_deref(), Some("200000u"));
    eventually("the server is told", || a.given_up() == 1).await;
}

#[tokio::test]
async fn a_conversation_that_the_server_breaks_off_is_an_error_and_no_end() {
    let (a, _proxy, mut caller) = echo().await;
    let mut conversation = caller.converse("Say").await.unwrap();
    conversation.messages.send("x".to_owned()).await.unwrap();
    conversation.answers.message().await.unwrap();
    drop(a);
    assert!(conversation.answers.message().await.is_err());
}

#[tokio::test]
async fn calls_of_a_session_go_to_the_same_server() {
    let (a, b) = (grpc_origin("a").await, grpc_origin("b").await);
    let proxy = proxy().speaking(H2C).address(a.address).address(b.address).run();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let mut caller = Caller::connect(proxy.address).await;
        let first = caller.unary("Say", text("x")).await.unwrap();
        let cookie = grpc_cookie(first.metadata()).expect("a new session");
        let home = served_by(&first);
        for _ in 0..5 {
            let mut request = text("x");
            request.metadata_mut().insert("cookie", cookie.parse().unwrap());
            assert_eq!(served_by(&caller.unary("Say", request).await.unwrap()), home);
        }
        seen.insert(home);
    }
    assert_eq!(seen.len(), 2);
}
