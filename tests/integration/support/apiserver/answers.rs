//! What the API server answers: objects, lists, and watches that go on until something ends them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::{Asked, Inner, Lists, Refusal, State, key};

type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&state);
        let service = hyper::service::service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(answer(request, shared).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let connection = tokio::spawn(async move { drop(serving.await) });
        state.connections.lock().unwrap().push(connection);
    }
}

/// What a path names.
pub(super) struct Place {
    pub(super) plural: String,
    pub(super) namespace: Option<String>,
    name: Option<String>,
}

impl Place {
    fn of(path: &str) -> Self {
        let mut parts = path.trim_start_matches('/').split('/').map(ToOwned::to_owned);
        let versions = if parts.next().as_deref() == Some("api") { 1 } else { 2 };
        let mut parts = parts.skip(versions).peekable();
        let namespace = parts.next_if(|part| part == "namespaces").and_then(|_| parts.next());
        Self { plural: parts.next().unwrap_or_default(), namespace, name: parts.next() }
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let place = Place::of(head.uri.path());
    let query = head.uri.query().unwrap_or_default().to_owned();
    let bearer = head.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = bearer.trim_start_matches("Bearer ").to_owned();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let refusal = state.lock().refusal(&place, &token);
    let response = match (&refusal, &head.method) {
        (Some(refusal), _) => refuse(refusal),
        (None, &Method::GET) if query.contains("watch=true") => follow(&place, &query, &state),
        (None, &Method::GET) => get(&place, &query, &state.lock()),
        (None, method) => write(method, &place, body, &state),
    };
    let status = response.status().as_u16();
    state.lock().asked.push(Asked {
        at: Instant::now(),
        plural: place.plural,
        name: place.name.unwrap_or_default(),
        query,
        token,
        status,
    });
    response
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::builder().status(refusal.status).header("content-type", "application/json");
    if let Some(seconds) = refusal.retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(whole(refusal.body.clone())).expect("a response")
}

fn whole(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed_unsync()
}

fn get(place: &Place, query: &str, inner: &Inner) -> Response<Body> {
    let namespace = place.namespace.as_deref();
    if let Some(name) = &place.name {
        let found = inner.store.objects.get(&key(&place.plural, namespace.unwrap_or_default(), name));
        return found
            .map_or_else(|| refuse(&Refusal::new(404, "NotFound")), |object| Response::new(whole(object.to_string())));
    }
    let items: Vec<&Value> = inner.matching(place, query).collect();
    let version = inner.store.revision.to_string();
    let list =
        json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": version }, "items": items });
    Response::new(whole(list.to_string()))
}

impl Inner {
    /// The objects that a list has.
    fn matching(&self, place: &Place, query: &str) -> impl Iterator<Item = &Value> {
        let namespace = place.namespace.as_deref();
        let named = parameter(query, "fieldSelector").and_then(|text| text.strip_prefix("metadata.name%3D"));
        let of_this = move |key: &(String, String, String)| {
            key.0 == place.plural
                && namespace.is_none_or(|namespace| key.1 == namespace)
                && named.is_none_or(|name| key.2 == name)
        };
        self.store.objects.iter().filter(move |(key, _)| of_this(key)).map(|(_, object)| object)
    }

    /// What a watch says that begins with all there is.
    fn initial(&self, place: &Place, query: &str) -> Vec<String> {
        let added = |object: &Value| json!({ "type": "ADDED", "object": object }).to_string();
        let mut lines: Vec<String> = self.matching(place, query).map(added).collect();
        if self.lists == Lists::Streamed {
            let version = self.store.revision.to_string();
            let end = json!({ "resourceVersion": version, "annotations": { "k8s.io/initial-events-end": "true" } });
            let bookmark = json!({ "kind": "Any", "apiVersion": "v1", "metadata": end });
            lines.push(json!({ "type": "BOOKMARK", "object": bookmark }).to_string());
        }
        lines
    }
}

fn write(method: &Method, place: &Place, body: Value, state: &State) -> Response<Body> {
    let mut inner = state.lock();
    inner.moment += 1;
    let namespace = place.namespace.clone().unwrap_or_default();
    let name = place.name.clone().or_else(|| body["metadata"]["name"].as_str().map(ToOwned::to_owned));
    let key = key(&place.plural, &namespace, &name.unwrap_or_default());
    let before = inner.store.objects.get(&key).cloned();
    let mut object = match (method, before) {
        (&Method::POST, Some(_)) => return refuse(&Refusal::new(409, "AlreadyExists")),
        (&Method::POST | &Method::PUT, _) => body,
        (_, Some(mut object)) => {
            merge(&mut object, body);
            object
        }
        (_, None) => return refuse(&Refusal::new(404, "NotFound")),
    };
    object["metadata"]["namespace"] = namespace.into();
    inner.put(&place.plural, object);
    let text = inner.store.objects[&key].to_string();
    let moment = inner.moment;
    drop(inner);
    state.changed.send_replace(moment);
    Response::new(whole(text))
}

/// The event that says that what a watch goes on from is forgotten.
fn gone() -> String {
    format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", Refusal::new(410, "Expired").body)
}

/// RFC 7386.
fn merge(into: &mut Value, patch: Value) {
    match patch {
        Value::Object(fields) => {
            for (name, value) in fields {
                merge(&mut into[name], value);
            }
        }
        value => *into = value,
    }
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A watch: what has happened since, and what happens.
fn follow(place: &Place, query: &str, state: &Arc<State>) -> Response<Body> {
    let from = parameter(query, "resourceVersion").and_then(|text| text.parse().ok());
    let seconds = parameter(query, "timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(300);
    let mut inner = state.lock();
    if inner.lists == Lists::ByPages && query.contains("sendInitialEvents") {
        return refuse(&Refusal::new(422, "Invalid"));
    }
    let initial = if from.is_none() { inner.initial(place, query) } else { Vec::new() };
    let from = from.unwrap_or(inner.store.revision);
    if from > inner.store.revision {
        return refuse(&Refusal::new(504, "Timeout: Too large resource version"));
    }
    if from < inner.oldest {
        return if inner.gone_by_status { refuse(&Refusal::new(410, "Expired")) } else { Response::new(whole(gone())) };
    }
    *inner.open.entry(place.plural.clone()).or_default() += 1;
    let begun = inner.moment;
    drop(inner);
    let (lines, lines_rx) = tokio::sync::mpsc::channel::<Bytes>(64);
    let watching = Watching {
        plural: place.plural.clone(),
        namespace: place.namespace.clone(),
        initial,
        begun,
        from,
        said: begun,
        state: Arc::clone(state),
    };
    let end = std::time::Duration::from_secs(seconds);
    tokio::spawn(watching.run(lines, end));
    let frames = ReceiverStream::new(lines_rx).map(|line| Ok(Frame::data(line)));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

struct Watching {
    plural: String,
    namespace: Option<String>,
    /// What it says first.
    initial: Vec<String>,
    begun: u64,
    from: u64,
    said: u64,
    state: Arc<State>,
}

/// What an open watch has to do next.
enum Next {
    Say(Vec<String>),
    Hush,
    Gone,
    End,
}

impl Watching {
    async fn run(mut self, lines: tokio::sync::mpsc::Sender<Bytes>, end: std::time::Duration) {
        let mut changed = self.state.changed.subscribe();
        let mut end = std::pin::pin!(tokio::time::sleep(end));
        loop {
            changed.mark_unchanged();
            match self.next() {
                Next::Say(said) => {
                    for line in said {
                        if lines.send(Bytes::from(line + "\n")).await.is_err() {
                            return;
                        }
                    }
                }
                Next::Hush => return lines.closed().await,
                Next::Gone => {
                    let _ = lines.send(Bytes::from(gone())).await;
                    return;
                }
                Next::End => return,
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = lines.closed() => return,
                () = &mut end => return,
            }
        }
    }

    fn next(&mut self) -> Next {
        let inner = self.state.lock();
        let is_over =
            |moments: &BTreeMap<String, u64>| moments.get(&self.plural).is_some_and(|moment| *moment > self.begun);
        if is_over(&inner.hushed) {
            return Next::Hush;
        }
        if is_over(&inner.ended) {
            return Next::End;
        }
        if self.from < inner.oldest {
            return if inner.gone_by_status { Next::End } else { Next::Gone };
        }
        let mut said = std::mem::take(&mut self.initial);
        for (revision, plural, namespace, line) in &inner.history {
            let is_here = self.namespace.as_ref().is_none_or(|own| own == namespace);
            if *revision > self.from && *plural == self.plural {
                self.from = *revision;
                if is_here {
                    said.push(line.clone());
                }
            }
        }
        for (moment, line) in inner.lines.get(&self.plural).into_iter().flatten() {
            if *moment > self.said {
                said.push(line.clone());
            }
        }
        self.said = inner.moment;
        Next::Say(said)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(open) = self.state.lock().open.get_mut(&self.plural) {
            *open = open.saturating_sub(1);
        }
    }
}
