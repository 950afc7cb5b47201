//! The real app, in this process, on free ports.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use moorline::app::{self, Running};
use moorline::config::Config;
use moorline::control::tls::Store;
use moorline::control::{Control, file, keys};
use moorline::file::File;
use moorline::routing::KeyRing;
use rustls::pki_types::CertificateDer;

use super::{Browser, Client, Origin, Program, program_after, until};

/// A proxy that is about to be. One backend `posts`, one sticky rule for every host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Builder {
    endpoints: Vec<String>,
    session: Option<String>,
    backend: String,
    limits: String,
    /// Fields of the first listener, and of all.
    listener: String,
    listeners: String,
    tls: Option<String>,
    extra: String,
    workers: Option<usize>,
}

/// A running proxy. Dropping it ends it.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where it speaks TLS, if it does.
    tls: Option<SocketAddr>,
    /// Unless it follows a file.
    control: Mutex<Option<Control>>,
    keys: Arc<KeyRing>,
    running: Option<Running>,
    log: Log,
}

/// What the access log is written into.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

pub(crate) fn proxy() -> Builder {
    Builder { session: Some(String::new()), ..Builder::default() }
}

impl Builder {
    /// A server with a name: worth waiting for.
    pub(crate) fn endpoint(mut self, origin: &Origin) -> Self {
        self.endpoints.push(format!("{{ name: {}, address: {} }}", origin.name, origin.address));
        self
    }

    /// A server that is told to drain.
    pub(crate) fn draining(mut self, origin: &Origin) -> Self {
        self.endpoints.push(format!("{{ name: {}, address: {}, drain: true }}", origin.name, origin.address));
        self
    }

    /// A server without a name: nobody brings it back.
    pub(crate) fn address(mut self, address: SocketAddr) -> Self {
        self.endpoints.push(address.to_string());
        self
    }

    /// An endpoint as it stands in the file, in YAML's flow style.
    pub(crate) fn described(mut self, endpoint: &str) -> Self {
        self.endpoints.push(endpoint.to_owned());
        self
    }

    /// How the endpoints are spoken to: more fields of the backend, in YAML's flow style.
    pub(crate) fn speaking(self, fields: &str) -> Self {
        Self { backend: format!(", {fields}"), ..self }
    }

    /// Fields of the session policy, in YAML's flow style.
    pub(crate) fn session(self, fields: &str) -> Self {
        Self { session: Some(fields.to_owned()), ..self }
    }

    pub(crate) fn without_sessions(self) -> Self {
        Self { session: None, ..self }
    }

    pub(crate) fn limits(self, fields: &str) -> Self {
        Self { limits: fields.to_owned(), ..self }
    }

    pub(crate) fn trusting(self, network: &str) -> Self {
        Self { listener: format!(", trusted_proxies: [{network}]"), ..self }
    }

    /// All listeners take connections from this network only, and these begin with a PROXY header.
    pub(crate) fn announced_by(self, network: &str) -> Self {
        Self { listeners: format!(", proxy_protocol: {{ from: [{network}] }}"), ..self }
    }

    pub(crate) fn workers(self, workers: usize) -> Self {
        Self { workers: Some(workers), ..self }
    }

    /// A second listener, with these fields of `tls`, in YAML's flow style.
    pub(crate) fn tls(self, fields: &str) -> Self {
        Self { tls: Some(fields.to_owned()), ..self }
    }

    /// More routes, as lines of YAML.
    pub(crate) fn routes(self, yaml: &str) -> Self {
        Self { extra: yaml.to_owned(), ..self }
    }

    /// In a process of its own.
    pub(crate) fn program(&self) -> Program {
        program_after("", &self.text())
    }

    /// As it stands in the file.
    pub(crate) fn text(&self) -> String {
        let session = self.session.as_ref().map(|fields| format!(", session: {{ {fields} }}")).unwrap_or_default();
        let listeners = &self.listeners;
        let tls =
            self.tls.as_ref().map(|fields| format!("{{ address: '127.0.0.1:0'{listeners}, tls: {{ {fields} }} }}"));
        format!(
            "listeners: [{{ address: '127.0.0.1:0'{}{listeners} }}, {}]\nadmin: {{ address: '127.0.0.1:0' }}\nworkers: {}\n\
             access_log: {{ format: json }}\nlimits: {{ {} }}\n\
             backends:\n  posts: {{ endpoints: [{}]{} }}\nroutes:\n{}  - rules: [{{ backend: posts{session} }}]\n",
            self.listener,
            tls.unwrap_or_default(),
            self.workers.unwrap_or(2),
            self.limits,
            self.endpoints.join(", "),
            self.backend,
            self.extra,
        )
    }

    pub(crate) fn file(&self) -> File {
        let text = self.text();
        File::parse(&text).unwrap_or_else(|problems| panic!("{}", problems.render("test", Some(&text)))).0
    }

    pub(crate) fn run(self) -> Proxy {
        let file = self.file();
        let keys = keys::random().expect("random bytes");
        let (certificates, _) = Store::default().read(&file, Path::new("")).expect("no certificates but its own");
        let (proxy, control) = start(&file, keys, &certificates);
        *proxy.control.lock().unwrap() = Some(control);
        proxy
    }

    /// From a file in this folder, which is followed as long as the test runs.
    pub(crate) fn run_in(&self, folder: &Path) -> Proxy {
        let path = folder.join("moorline.yaml");
        std::fs::write(&path, self.text()).expect("a writable folder");
        let loaded = file::load(&path, None, &Store::default()).unwrap_or_else(|error| panic!("{error}"));
        let (proxy, control) = start(&loaded.file, Arc::clone(&loaded.keys), &loaded.certificates);
        tokio::spawn(async move {
            let kind = tokio::signal::unix::SignalKind::hangup();
            let mut hangup = tokio::signal::unix::signal(kind).expect("a signal");
            file::follow(path, control, loaded, &mut hangup).await;
        });
        proxy
    }
}

fn start(file: &File, keys: Arc<KeyRing>, certificates: &Store) -> (Proxy, Control) {
    // All tests share one process.
    moorline::descriptors::raise().expect("the own limit");
    let (bound, mut control) = app::bind(Config::from(file)).expect("free ports");
    control.certify(file, certificates);
    control.publish(file, Arc::clone(&keys)).expect("a sound file");
    (serve(bound, keys, Log::default()), control)
}

/// Serves what has been published.
pub(super) fn serve(bound: app::Bound, keys: Arc<KeyRing>, log: Log) -> Proxy {
    let (addresses, admin) = (bound.addresses(), bound.admin_address().expect("an admin listener"));
    let running = Some(bound.serve(Box::new(log.clone())).expect("threads"));
    let tls = addresses.get(1).copied();
    Proxy { address: addresses[0], admin, tls, control: Mutex::default(), keys, running, log }
}

impl Proxy {
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Where it speaks TLS.
    pub(crate) fn tls(&self) -> SocketAddr {
        self.tls.expect("a TLS listener")
    }

    /// Puts another configuration in force.
    pub(crate) fn publish(&self, builder: &Builder) {
        let mut control = self.control.lock().unwrap();
        let control = control.as_mut().expect("no file is followed");
        control.publish(&builder.file(), Arc::clone(&self.keys)).expect("a sound file");
    }

    /// How many sessions it knows of.
    pub(crate) fn sessions(&self) -> usize {
        self.running.as_ref().expect("running").sessions().len()
    }

    /// A number from `/metrics`, by the start of its line.
    pub(crate) async fn metric(&self, line: &str) -> Option<f64> {
        let (_, text) = admin_get(self.admin, "/metrics").await;
        let found = text.lines().find(|found| found.starts_with(line))?;
        found.rsplit(' ').next()?.parse().ok()
    }

    /// Waits until such a number has this value.
    pub(crate) async fn reaches(&self, line: &str, value: f64) {
        until(&format!("{line}is {value}"), async || self.metric(line).await == Some(value)).await;
    }

    /// Waits until this certificate is shown to whoever asks for the host.
    pub(crate) async fn shows(&self, host: &str, expected: &CertificateDer<'_>) {
        let shown = async || Browser::careless().connect(self.tls(), host).await.shown();
        until(&format!("the certificate for {host} is shown"), async || shown().await == *expected).await;
    }

    /// The lines of the access log so far.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        self.log.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The log, to be read when the proxy is gone.
    pub(crate) fn log_handle(&self) -> Log {
        self.log.clone()
    }

    /// Ends everything at once.
    pub(crate) fn end(&self) {
        self.running.as_ref().expect("running").hurry().advance(moorline::drain::Stage::Ending);
    }

    /// Begins the end.
    pub(crate) fn leave(&self) {
        self.running.as_ref().expect("running").leave();
    }

    /// Goes on with it.
    pub(crate) fn drain(&self) {
        self.running.as_ref().expect("running").drain();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) {
        let running = self.running.take().expect("running");
        tokio::task::spawn_blocking(move || running.join()).await.expect("an end");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.hurry().advance(moorline::drain::Stage::Ending);
        }
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Asks the admin API.
pub(crate) async fn admin_get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Client::connect(address).await;
    let response = client.get(path).await;
    (response.status, response.text())
}
