//! The requests that the proxy has answered, read back from its access log, and who made them.
//!
//! The access log knows every request, those that never reached an instance included, but not the user, who is known
//! to the application alone. Instances and proxy agree on the request id.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use moorline_posts::Served;
use serde::Deserialize;

/// A line of the access log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    pub(crate) duration_ms: f64,
    pub(crate) request_id: String,
    pub(crate) outcome: Option<String>,
    pub(crate) endpoint: Option<String>,
}

/// Takes an access log in JSON, and hands its lines on as they are complete.
#[derive(Debug)]
pub(crate) struct Requests<F> {
    incomplete: Vec<u8>,
    hear: F,
}

/// Remembers whose requests the instances have answered, until somebody asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    names: HashMap<String, String>,
    oldest_first: VecDeque<String>,
}

impl<F: FnMut(Request)> Requests<F> {
    pub(crate) fn new(hear: F) -> Self {
        Self { incomplete: Vec::new(), hear }
    }
}

impl<F: FnMut(Request)> Write for Requests<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.incomplete.extend_from_slice(bytes);
        let complete = self.incomplete.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.incomplete.drain(..complete).collect();
        // What is no such line is not ours to judge: the next one may be.
        lines.split(|byte| *byte == b'\n').flat_map(serde_json::from_slice).for_each(&mut self.hear);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Users {
    /// An instance has answered a request.
    pub(crate) fn observe(&self, served: &Served) {
        let (Some(id), Some(user)) = (&served.request_id, &served.user) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.oldest_first.len() >= REMEMBERED
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.names.remove(&oldest);
        }
        known.oldest_first.push_back(id.clone());
        known.names.insert(id.clone(), user.clone());
    }

    /// Who made this request, if anybody was logged in.
    pub(crate) fn take(&self, request_id: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names.remove(request_id)
    }
}

/// More requests than can be answered before the access log tells of them.
const REMEMBERED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-01-01T00:00:00.000Z","client":"127.0.0.1","method":"GET","target":"/post","protocol":"HTTP/1.1","status":200,"bytes":5,"duration_ms":1.500,"request_id":"abc","outcome":"kept","endpoint":"posts-0"}"#;

    #[test]
    fn lines_are_heard_once_they_are_complete_however_they_are_cut() {
        let text = format!("{LINE}\nno JSON\n{}\n", LINE.replace("/post", "/logout"));
        for size in [1, 7, text.len()] {
            let mut targets = Vec::new();
            let mut requests = Requests::new(|request: Request| targets.push(request.target));
            for bytes in text.as_bytes().chunks(size) {
                requests.write_all(bytes).expect("it takes everything");
            }
            assert_eq!(targets, ["/post", "/logout"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_user_is_told_once_and_forgotten_in_time() {
        let served = |id: usize| Served {
            user: Some("walker".to_owned()),
            method: http::Method::GET,
            path: "/post".to_owned(),
            status: 200,
            instance: "posts-0".parse().expect("a name"),
            session: None,
            request_id: Some(id.to_string()),
        };
        let users = Users::default();
        (0..=REMEMBERED).for_each(|id| users.observe(&served(id)));
        assert_eq!(users.take("0"), None, "the oldest is forgotten");
        assert_eq!(users.take("1").as_deref(), Some("walker"));
        assert_eq!(users.take("1"), None);
    }
}
