//! A whole request over loopback: client → proxy → server and back, one after the other on one connection, beside the
//! same request without the proxy. The difference is what a request waits for the proxy; what it costs in CPU time is
//! measured by `benches/peers/run`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use criterion::{Criterion, criterion_group, criterion_main};
use moorline::app::{self, Running};
use moorline::config::Config;
use moorline::control::{Control, keys};
use moorline::file::File;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A server that answers every read with the same bytes: requests here fit into one.
fn server() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(RESPONSE)?;
    }
    Ok(())
}

fn proxy(server: SocketAddr) -> anyhow::Result<(SocketAddr, Control, Running)> {
    let text = format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: {{ enabled: false }}\nworkers: 1\naccess_log: {{ format: off }}\n\
         backends: {{ a: {{ endpoints: [{{ name: a, address: '{server}' }}] }} }}\n\
         routes: [{{ rules: [{{ backend: a, session: {{}} }}] }}]\n"
    );
    let (file, _) = File::parse(&text).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let (bound, mut control) = app::bind(Config::from(&file))?;
    control.publish(&file, keys::random()?)?;
    let address = bound.addresses()[0];
    Ok((address, control, bound.serve(Box::new(std::io::sink()))?))
}

/// A connection, and the request that it repeats.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr, cookie: Option<&str>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        let request = format!("GET /post HTTP/1.1\r\nHost: session-affinity.com\r\nAccept: */*\r\n{cookie}\r\n");
        Ok(Self { stream, request: request.into_bytes() })
    }

    fn request(&mut self) -> std::io::Result<Vec<u8>> {
        self.stream.write_all(&self.request)?;
        let mut response = Vec::with_capacity(512);
        let mut buffer = [0; 4096];
        while !response.ends_with(b"hello") {
            let read = self.stream.read(&mut buffer)?;
            assert!(read > 0, "the connection stays open");
            response.extend_from_slice(&buffer[..read]);
        }
        Ok(response)
    }
}

/// The cookie that the proxy gives to a new session.
fn cookie(address: SocketAddr) -> anyhow::Result<String> {
    let response = String::from_utf8(Client::connect(address, None)?.request()?)?;
    let set = response.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next());
    Ok(set.ok_or_else(|| anyhow::anyhow!("no cookie in {response}"))?.to_owned())
}

fn whole_request(c: &mut Criterion) {
    let server = server().expect("a server");
    let (address, _control, running) = proxy(server).expect("a proxy");
    let mut group = c.benchmark_group("proxy");
    let mut direct = Client::connect(server, None).expect("a connection");
    group.bench_function("direct", |b| b.iter(|| direct.request().expect("a response")));
    let cookie = cookie(address).expect("a cookie");
    let mut kept = Client::connect(address, Some(&cookie)).expect("a connection");
    group.bench_function("kept", |b| b.iter(|| kept.request().expect("a response")));
    let mut new = Client::connect(address, None).expect("a connection");
    group.bench_function("new", |b| b.iter(|| new.request().expect("a response")));
    group.finish();
    running.hurry().advance(moorline::drain::Stage::Ending);
    running.join();
}

criterion_group!(benches, whole_request);
criterion_main!(benches);
