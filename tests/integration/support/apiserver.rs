//! An API server that does what it is told: it keeps objects, lists and watches them as Kubernetes does, and fails in
//! ways in which a real one fails only when nobody looks.

mod answers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::answers::{Place, accept};
use super::eventually;

/// An API server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

/// What an API server holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// By plural, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    revision: u64,
}

/// An answer that is no object.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: u16,
    body: String,
    retry_after: Option<u32>,
}

/// A request that has come.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) plural: String,
    /// Empty if it is about all of them.
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) token: String,
    pub(crate) status: u16,
}

/// How it lists objects for a watch that begins with all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lists {
    /// One after the other, with a word behind the last.
    #[default]
    Streamed,
    /// Not at all: that is switched off, and said.
    ByPages,
    /// One after the other, and nothing behind: it has never heard of that.
    Unended,
}

#[derive(Debug, Default)]
struct State {
    inner: Mutex<Inner>,
    /// Something has happened that open watches may have to tell.
    changed: watch::Sender<u64>,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Inner {
    store: Store,
    /// What has happened: revision, plural, namespace and the line of a watch.
    history: Vec<(u64, String, String, String)>,
    /// Watches from before this revision are told that it is gone.
    oldest: u64,
    /// Is that said by the status of the answer, instead of an event?
    gone_by_status: bool,
    refusals: BTreeMap<String, Refusal>,
    lists: Lists,
    /// Lines for the watches of a plural, as they stand.
    lines: BTreeMap<String, VecDeque<(u64, String)>>,
    /// Watches that began before these moments say nothing more.
    hushed: BTreeMap<String, u64>,
    ended: BTreeMap<String, u64>,
    tokens: Option<BTreeSet<String>>,
    asked: Vec<Asked>,
    open: BTreeMap<String, usize>,
    /// Counts everything, so that before and after can be told apart.
    moment: u64,
}

pub(crate) async fn api_server(lists: Lists) -> ApiServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let state = Arc::<State>::default();
    state.lock().store.revision = 1000;
    state.lock().lists = lists;
    let accepting = Mutex::new(Some(tokio::spawn(accept(listener, Arc::clone(&state)))));
    ApiServer { address, state, accepting }
}

impl Refusal {
    /// As the API server writes it.
    pub(crate) fn new(status: u16, reason: &str) -> Self {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": reason, "reason": reason, "code": status,
        });
        Self { status, body: body.to_string(), retry_after: None }
    }

    /// As whatever stands before it writes it.
    pub(crate) fn plain(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), retry_after: None }
    }

    pub(crate) fn after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl ApiServer {
    /// An object as it is now.
    pub(crate) fn put(&self, plural: &str, object: Value) {
        self.change(|inner| inner.put(plural, object));
    }

    pub(crate) fn delete(&self, plural: &str, namespace: &str, name: &str) {
        self.change(|inner| {
            let mut gone = inner.store.objects.remove(&key(plural, namespace, name)).expect("it was there");
            inner.store.revision += 1;
            gone["metadata"]["resourceVersion"] = inner.store.revision.to_string().into();
            inner.tell(plural, namespace, "DELETED", &gone);
        });
    }

    /// An object as it is here.
    pub(crate) fn object(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.state.lock().store.objects.get(&key(plural, namespace, name)).cloned()
    }

    /// Says a line in every watch of these objects, whatever it is.
    pub(crate) fn say(&self, plural: &str, line: &str) {
        self.change(|inner| {
            let moment = inner.moment;
            inner.lines.entry(plural.to_owned()).or_default().push_back((moment, line.to_owned()));
        });
    }

    /// Answers every request for these objects so, from now on.
    pub(crate) fn refuse(&self, plural: &str, refusal: Refusal) {
        self.change(|inner| drop(inner.refusals.insert(plural.to_owned(), refusal)));
    }

    /// Answers every request for what is in this namespace so.
    pub(crate) fn refuse_in(&self, namespace: &str, refusal: Refusal) {
        self.refuse(&format!("{namespace}/"), refusal);
    }

    /// Answers them as they should be again.
    pub(crate) fn relent(&self) {
        self.change(|inner| inner.refusals.clear());
    }

    /// The watches that are open say nothing more, and do not end.
    pub(crate) fn hush(&self, plural: &str) {
        self.change(|inner| {
            inner.hushed.insert(plural.to_owned(), inner.moment);
        });
    }

    /// The watches that are open end.
    pub(crate) fn end_watches(&self, plural: &str) {
        self.change(|inner| {
            inner.ended.insert(plural.to_owned(), inner.moment);
        });
    }

    /// What has been up to now is forgotten: whoever goes on from there is told so.
    pub(crate) fn forget(&self, by_status: bool) {
        self.change(|inner| {
            inner.store.revision += 1;
            (inner.oldest, inner.gone_by_status) = (inner.store.revision, by_status);
            inner.history.clear();
        });
    }

    pub(crate) fn backup(&self) -> Store {
        self.state.lock().store.clone()
    }

    /// Is what it was then: everybody is thrown out, and nobody knows of what came later.
    pub(crate) async fn restore(&self, backup: Store) {
        self.stop().await;
        self.change(|inner| {
            inner.store = backup;
            inner.oldest = inner.store.revision;
            inner.history.clear();
        });
        self.start();
    }

    /// From now on only these are let in.
    pub(crate) fn accept_tokens(&self, tokens: &[&str]) {
        self.change(|inner| inner.tokens = Some(tokens.iter().map(|token| (*token).to_owned()).collect()));
    }

    /// Refuses connections, and breaks off those that there are.
    pub(crate) async fn stop(&self) {
        let accepting = self.accepting.lock().unwrap().take();
        let connections: Vec<_> = self.state.connections.lock().unwrap().drain(..).collect();
        for task in accepting.into_iter().chain(connections) {
            task.abort();
            // Until its socket is closed.
            let _ = task.await;
        }
        self.change(|inner| inner.open.clear());
    }

    /// Takes connections again, where it did before.
    pub(crate) fn start(&self) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(self.address).expect("the address is free");
        let listener = socket.listen(128).expect("a listener");
        *self.accepting.lock().unwrap() = Some(tokio::spawn(accept(listener, Arc::clone(&self.state))));
    }

    /// Everything that it was asked about these objects.
    pub(crate) fn asked(&self, plural: &str) -> Vec<Asked> {
        self.state.lock().asked.iter().filter(|asked| plural.is_empty() || asked.plural == plural).cloned().collect()
    }

    /// How often all of these objects were asked for: one after the other, and page by page.
    pub(crate) fn listed(&self, plural: &str) -> (usize, usize) {
        let asked = self.asked(plural);
        let count = |is: fn(&&Asked) -> bool| asked.iter().filter(|asked| asked.name.is_empty()).filter(is).count();
        (
            count(|asked| asked.query.contains("sendInitialEvents=true")),
            count(|asked| !asked.query.contains("watch=true")),
        )
    }

    /// Waits until somebody watches these objects.
    pub(crate) async fn is_watched(&self, plural: &str) {
        eventually("they are watched", || self.state.lock().open.get(plural).copied().unwrap_or_default() > 0).await;
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.state.lock();
        inner.moment += 1;
        change(&mut inner);
        inner.moment += 1;
        let moment = inner.moment;
        drop(inner);
        self.state.changed.send_replace(moment);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
        for connection in self.state.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Inner {
    fn put(&mut self, plural: &str, mut object: Value) {
        self.store.revision += 1;
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        if object["metadata"].is_object() {
            object["metadata"]["resourceVersion"] = self.store.revision.to_string().into();
            if object["metadata"]["uid"].is_null() {
                object["metadata"]["uid"] = format!("{plural}-{namespace}-{name}").into();
            }
        }
        let before = self.store.objects.insert(key(plural, &namespace, &name), object.clone());
        self.tell(plural, &namespace, if before.is_some() { "MODIFIED" } else { "ADDED" }, &object);
    }

    fn tell(&mut self, plural: &str, namespace: &str, what: &str, object: &Value) {
        let line = json!({ "type": what, "object": object }).to_string();
        self.history.push((self.store.revision, plural.to_owned(), namespace.to_owned(), line));
    }

    /// Is it let in, and is it answered at all?
    fn refusal(&self, place: &Place, token: &str) -> Option<Refusal> {
        if self.tokens.as_ref().is_some_and(|tokens| !tokens.contains(token)) {
            return Some(Refusal::new(401, "Unauthorized"));
        }
        let namespace = place.namespace.as_ref().and_then(|namespace| self.refusals.get(&format!("{namespace}/")));
        self.refusals.get(&place.plural).or(namespace).or_else(|| self.refusals.get("")).cloned()
    }
}

fn key(plural: &str, namespace: &str, name: &str) -> (String, String, String) {
    (plural.to_owned(), namespace.to_owned(), name.to_owned())
}
