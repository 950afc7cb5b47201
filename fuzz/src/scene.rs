//! The real proxy in this process, an origin behind it that reads without mercy and remembers what it was asked, and a
//! bystander who wants nothing but answers to their own requests.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use moorline::app;
use moorline::config::Config;
use moorline::control::tls::Store;
use moorline::control::{Control, keys};
use moorline::file::File;
use socket2::SockRef;

use crate::message::{Kind, Message, Reader};

/// A request that has reached the origin, whole.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Its number among all.
    pub(crate) number: usize,
    pub(crate) message: Message,
}

pub(crate) struct Scene {
    /// Where anybody connects.
    pub(crate) address: SocketAddr,
    /// Where everybody is a trusted proxy.
    pub(crate) trusting: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
    bystander: Mutex<(Reader, usize)>,
    /// Its routes are in force as long as it lives.
    _control: Control,
}

/// Nobody has a reason to take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The one scene of this process.
pub(crate) fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(Scene::new)
}

/// A connection that is reset when it is dropped, so that the system does not run out of ports.
pub(crate) fn connect(address: SocketAddr) -> Reader {
    let stream = TcpStream::connect(address).expect("the proxy listens");
    stream.set_nodelay(true).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option");
    Reader::new(stream)
}

/// Sends; a proxy that has closed shows that in what comes back.
pub(crate) fn send(connection: &mut Reader, bytes: &[u8], piece: usize) {
    for piece in bytes.chunks(piece) {
        if connection.stream.write_all(piece).is_err() {
            return;
        }
    }
}

/// Sends no more.
pub(crate) fn end(connection: &Reader) {
    let _ = connection.stream.shutdown(Shutdown::Write);
}

impl Scene {
    fn new() -> Self {
        let origin = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let text = format!(
            "listeners:\n- {{ address: '127.0.0.1:0' }}\n- {{ address: '127.0.0.1:0', trusted_proxies: [127.0.0.0/8] }}\n\
             admin: {{ enabled: false }}\nworkers: 1\naccess_log: {{ format: 'off' }}\nbackends: {{ a: {{ endpoints: ['{}'] }} }}\n\
             routes: [{{ rules: [{{ backend: a, session: {{}} }}] }}]\n",
            origin.local_addr().expect("an address")
        );
        let (file, _) = File::parse(&text).unwrap_or_else(|problems| panic!("{}", problems.render("f", Some(&text))));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let runtime = Box::leak(Box::new(runtime));
        let _inside = runtime.enter();
        let (bound, mut control) = app::bind(Config::from(&file)).expect("free ports");
        let (certificates, _) = Store::default().read(&file, Path::new("")).expect("none");
        control.certify(&file, &certificates);
        control.publish(&file, keys::random().expect("random bytes")).expect("a sound file");
        let addresses = bound.addresses();
        // It ends with the process.
        std::mem::forget(bound.serve(Box::new(std::io::sink())).expect("threads"));
        let log = Arc::<Mutex<Vec<Seen>>>::default();
        let remembered = Arc::clone(&log);
        std::thread::spawn(move || accept(&origin, &remembered));
        let bystander = Mutex::new((connect(addresses[0]), 0));
        Self { address: addresses[0], trusting: addresses[1], log, bystander, _control: control }
    }

    /// What has reached the origin since it was asked last, except for the bystander's.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.log.lock().expect("no panic"))
    }

    /// The bystander asks for something and gets it, and nothing else.
    pub(crate) fn bystander_is_served(&self) {
        let mut bystander = self.bystander.lock().expect("no panic");
        let (connection, asked) = &mut *bystander;
        *asked += 1;
        let target = format!("/bystander/{asked}");
        send(connection, format!("GET {target} HTTP/1.1\r\nHost: b\r\n\r\n").as_bytes(), usize::MAX);
        let answer = connection.message(Kind::Response).expect("an answer for the bystander");
        assert_eq!(String::from_utf8_lossy(&answer.body), format!("GET {target} 0"), "somebody else's answer");
        // By its number: whatever else it has, a fuzzer can make up.
        let number = answer.field("x-number").and_then(|number| number.parse::<usize>().ok()).expect("a number");
        self.log.lock().expect("no panic").retain(|seen| seen.number != number);
    }
}

fn accept(listener: &TcpListener, log: &Arc<Mutex<Vec<Seen>>>) {
    for stream in listener.incoming() {
        let (stream, log) = (stream.expect("a connection"), Arc::clone(log));
        stream.set_nodelay(true).expect("an option");
        std::thread::spawn(move || serve(stream, &log));
    }
}

/// Answers with what it was asked, and the number of the request.
fn serve(stream: TcpStream, log: &Mutex<Vec<Seen>>) {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let mut connection = Reader::new(stream);
    while let Some(message) = connection.message(Kind::Request) {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let [method, target, version] = &message.line;
        assert_eq!(version, "HTTP/1.1");
        let body = format!("{method} {target} {}", message.body.len());
        let shown = if method == "HEAD" { "" } else { &body };
        let answer = format!("HTTP/1.1 200 OK\r\nX-Number: {number}\r\nContent-Length: {}\r\n\r\n{shown}", body.len());
        log.lock().expect("no panic").push(Seen { number, message });
        if connection.stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
