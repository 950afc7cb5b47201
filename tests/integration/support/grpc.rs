//! A service of gRPC whose messages are texts: tonic's own server and client, without generated code.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, BufMut};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::{Stream, StreamExt};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder, Streaming};
use tonic::metadata::MetadataMap;
use tonic::server::StreamingService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// Messages are texts, and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        String::from_utf8(bytes.into()).map(Some).map_err(|_| Status::internal("no text"))
    }
}

/// A server. Dropping it kills it.
pub(crate) struct GrpcOrigin {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    name: &'static str,
    heads: Mutex<Vec<http::HeaderMap>>,
    /// Calls that were given up before they had ended.
    given_up: AtomicUsize,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

pub(crate) async fn grpc_origin(name: &'static str) -> GrpcOrigin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (heads, connections) = Default::default();
    let state = Arc::new(State { name, heads, given_up: AtomicUsize::new(0), connections });
    let shared = Arc::clone(&state);
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&shared);
            let service = service_fn(move |request| serve(request, Arc::clone(&state)));
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            shared.connections.lock().unwrap().push(tokio::spawn(async move { drop(connection.await) }));
        }
    });
    GrpcOrigin { address, state, accepting }
}

async fn serve(
    request: http::Request<hyper::body::Incoming>,
    state: Arc<State>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    state.heads.lock().unwrap().push(request.headers().clone());
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    Ok(tonic::server::Grpc::new(Text).streaming(Method { method, state }, request).await)
}

/// What is called, by the last part of its path.
struct Method {
    method: String,
    state: Arc<State>,
}

type Answers = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;
type Call = Pin<Box<dyn Future<Output = Result<Response<Answers>, Status>> + Send>>;

impl StreamingService<String> for Method {
    type Response = String;
    type ResponseStream = Answers;
    type Future = Call;

    fn call(&mut self, request: Request<Streaming<String>>) -> Call {
        let (method, state) = (self.method.clone(), Arc::clone(&self.state));
        Box::pin(async move {
            let name = state.name;
            let given_up = GivenUp(state);
            let messages = request.into_inner();
            let answers: Answers = match &*method {
                "Say" => Box::pin(messages.map(|message| message.map(|message| format!("echo: {message}")))),
                "Join" => {
                    let all: Vec<String> = messages.collect::<Result<_, _>>().await?;
                    Box::pin(tokio_stream::iter([Ok(all.join(" "))]))
                }
                "Split" => {
                    let all: Vec<String> = messages.collect::<Result<_, _>>().await?;
                    let words: Vec<_> = all.join(" ").split(' ').map(|word| Ok(word.to_owned())).collect();
                    Box::pin(tokio_stream::iter(words))
                }
                "Fail" => {
                    std::mem::forget(given_up);
                    return Err(Status::failed_precondition("schön wär's"));
                }
                "FailLate" => {
                    let mut metadata = MetadataMap::new();
                    for (name, value) in [("x-left", "2"), ("set-cookie", "a=b"), ("moorline-session-id", "mine")] {
                        metadata.insert(name, value.parse().expect("a value"));
                    }
                    let status = Status::with_metadata(Code::DataLoss, "and no more", metadata);
                    Box::pin(tokio_stream::iter([Ok("one".to_owned()), Err(status)]))
                }
                _ => std::future::pending().await,
            };
            std::mem::forget(given_up);
            let mut response = Response::new(answers);
            response.metadata_mut().insert("x-served-by", name.parse().expect("a value"));
            Ok(response)
        })
    }
}

struct GivenUp(Arc<State>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.given_up.fetch_add(1, Ordering::SeqCst);
    }
}

impl GrpcOrigin {
    /// A field of the last call's head.
    pub(crate) fn seen(&self, name: &str) -> Option<String> {
        let heads = self.state.heads.lock().unwrap();
        Some(heads.last()?.get(name)?.to_str().expect("a text").to_owned())
    }

    /// Calls that were given up before they had ended.
    pub(crate) fn given_up(&self) -> usize {
        self.state.given_up.load(Ordering::SeqCst)
    }
}

impl Drop for GrpcOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in self.state.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}

/// tonic's client, one connection.
pub(crate) struct Caller(Grpc<Channel>);

/// A call under way, both ways open.
pub(crate) struct Conversation {
    pub(crate) messages: mpsc::Sender<String>,
    pub(crate) answers: Streaming<String>,
}

impl Caller {
    pub(crate) async fn connect(proxy: SocketAddr) -> Self {
        let channel = Channel::from_shared(format!("http://{proxy}")).expect("a URI").connect().await;
        Self(Grpc::new(channel.expect("the proxy listens")))
    }

    pub(crate) async fn unary(
        &mut self,
        method: &str,
        request: impl tonic::IntoRequest<String>,
    ) -> Result<Response<String>, Status> {
        self.0.ready().await.expect("a connection");
        self.0.unary(request.into_request(), path(method), Text).await
    }

    pub(crate) async fn server_streaming(&mut self, method: &str, text: &str) -> Result<Streaming<String>, Status> {
        self.0.ready().await.expect("a connection");
        let answers = self.0.server_streaming(Request::new(text.to_owned()), path(method), Text).await?;
        Ok(answers.into_inner())
    }

    pub(crate) async fn client_streaming(&mut self, method: &str, texts: &[&str]) -> Result<String, Status> {
        self.0.ready().await.expect("a connection");
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let request = Request::new(tokio_stream::iter(texts));
        Ok(self.0.client_streaming(request, path(method), Text).await?.into_inner())
    }

    pub(crate) async fn converse(&mut self, method: &str) -> Result<Conversation, Status> {
        self.0.ready().await.expect("a connection");
        let (messages, mut rx) = mpsc::channel::<String>(4);
        let spoken = Spoken(std::future::poll_fn(move |cx| rx.poll_recv(cx)));
        let answers = self.0.streaming(Request::new(spoken), path(method), Text).await?.into_inner();
        Ok(Conversation { messages, answers })
    }
}

/// The receiving end of a channel, as tonic wants it.
struct Spoken<F>(F);

impl<F: Future<Output = Option<String>> + Unpin> Stream for Spoken<F> {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<String>> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The session's cookie of a response, as it is sent back.
pub(crate) fn cookie(metadata: &MetadataMap) -> Option<String> {
    let set = metadata.get("set-cookie")?.to_str().expect("a text");
    Some(set.split(';').next()?.to_owned())
}

fn path(method: &str) -> http::uri::PathAndQuery {
    format!("/echo.Echo/{method}").parse().expect("a path")
}
