//! A user of the posts service, who notices when something is wrong.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::sleep;

use super::act::Tally;
use crate::client::{Answer, Client};

/// The requests of a visit beside those in between.
pub(super) const LOGIN_AND_LOGOUT: usize = 2;

/// Somebody with a browser, so to speak.
#[derive(Debug)]
pub(super) struct User {
    name: String,
    client: Client,
    pauses: fastrand::Rng,
    /// What they have written, as they remember it.
    written: Vec<String>,
    /// Who has served them.
    served_by: Option<String>,
    has_lost: bool,
    has_moved: bool,
    requests: usize,
    errors: Vec<String>,
}

impl User {
    pub(super) fn new(number: usize, address: SocketAddr) -> Self {
        Self {
            name: format!("user-{number:02}"),
            client: Client::new(address),
            pauses: fastrand::Rng::with_seed(number as u64),
            written: Vec::new(),
            served_by: None,
            has_lost: false,
            has_moved: false,
            requests: 0,
            errors: Vec::new(),
        }
    }

    /// Logs in, writes and reads by turns, logs out. Somebody who has lost their session goes on as planned, and loses it
    /// only once.
    pub(super) async fn visit(mut self, requests: usize) -> Tally {
        let login = format!("/login?username={}", self.name);
        self.ask(Method::GET, &login, "", StatusCode::OK).await;
        for number in 0..requests {
            sleep(Duration::from_millis(self.pauses.u64(PAUSE_MILLIS))).await;
            if number % 2 == 0 { self.write(number).await } else { self.read().await }
        }
        self.ask(Method::GET, "/logout", "", StatusCode::OK).await;
        Tally {
            requests: self.requests,
            lost: usize::from(self.has_lost),
            errors: self.errors,
            moved: usize::from(self.has_moved),
        }
    }

    async fn write(&mut self, number: usize) {
        let text = format!("post {number} of {}", self.name);
        if self.ask(Method::POST, "/post", &text, StatusCode::CREATED).await.is_some() {
            self.written.push(text);
        }
    }

    async fn read(&mut self) {
        let Some(answer) = self.ask(Method::GET, "/post", "", StatusCode::OK).await else { return };
        match serde_json::from_slice::<Posts>(&answer.body) {
            Ok(Posts { posts }) if posts.iter().map(|post| &post.text).eq(&self.written) => {}
            Ok(_) => self.has_lost = true,
            Err(error) => self.errors.push(format!("{}: GET /post: {error}", self.name)),
        }
    }

    /// Makes a request. Returns its answer if it is what was expected; if not, that has been noted.
    async fn ask(&mut self, method: Method, target: &str, body: &str, expected: StatusCode) -> Option<Answer> {
        self.requests += 1;
        let answer = match self.client.send(&method, target, body).await {
            Ok(answer) => answer,
            Err(error) => {
                self.errors.push(format!("{}: {method} {target}: {error:#}", self.name));
                return None;
            }
        };
        if answer.served_by.is_some() {
            let before = std::mem::replace(&mut self.served_by, answer.served_by.clone());
            self.has_moved |= before.is_some_and(|before| Some(before) != self.served_by);
        }
        match answer.status {
            status if status == expected => return Some(answer),
            StatusCode::FORBIDDEN => self.has_lost = true,
            status => self.errors.push(format!("{}: {method} {target}: {status}", self.name)),
        }
        None
    }
}

/// What `GET /post` says.
#[derive(Deserialize)]
struct Posts {
    posts: Vec<Post>,
}

#[derive(Deserialize)]
struct Post {
    text: String,
}

/// Between two requests.
const PAUSE_MILLIS: std::ops::Range<u64> = 10..70;
