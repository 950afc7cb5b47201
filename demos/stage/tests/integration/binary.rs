use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Fails the test rather than let it hang.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("it takes too long")
}

/// The demo, listening; killed when the test is over.
struct Demo {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    /// What was read and not asked for yet: workers write their lines when it suits them.
    unseen: Vec<String>,
    address: SocketAddr,
}

impl Demo {
    async fn start() -> Self {
        let mut child = command(&["--port", "0"]).spawn().expect("the binary starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let first = soon(output.next_line()).await.expect("a pipe").expect("a line");
        let url = first.split_whitespace().nth(1).and_then(|url| url.strip_prefix("http://"));
        let address = url.and_then(|address| address.parse().ok()).expect(&first);
        Self { child, output, unseen: Vec::new(), address }
    }

    /// A line of output that contains this, and that no call has returned yet.
    async fn line(&mut self, part: &str) -> String {
        if let Some(at) = self.unseen.iter().position(|line| line.contains(part)) {
            return self.unseen.remove(at);
        }
        loop {
            let line = soon(self.output.next_line()).await.expect("a pipe").expect("more lines");
            if line.contains(part) {
                return line;
            }
            self.unseen.push(line);
        }
    }

    async fn end(mut self, signal: Signal) -> ExitStatus {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.expect("it runs"), signal).expect("it is ours");
        soon(self.child.wait()).await.expect("a child")
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moorline-stage"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).filter(move |(is, _)| *is == name).map(|(_, v)| v)
    }

    fn served_by(&self) -> &str {
        self.headers("x-served-by").next().expect("an instance")
    }

    /// The cookies that it sets, as a client sends them back.
    fn cookies(&self) -> String {
        let pairs = self.headers("set-cookie").filter_map(|cookie| cookie.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }
}

/// Asks for posts.
async fn get(address: SocketAddr, target: &str, cookies: &str) -> Answer {
    let cookies = if cookies.is_empty() { String::new() } else { format!("cookie: {cookies}\r\n") };
    ask(address, &format!("GET {target} HTTP/1.1\r\nhost: session-affinity.com\r\n{cookies}"), "").await
}

/// Asks over a connection of its own, as curl does each time.
async fn ask(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = soon(TcpStream::connect(address)).await.expect("it listens");
    let request = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("to send");
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

#[tokio::test]
async fn the_lesson_can_be_walked_through_and_every_request_is_shown() {
    let mut demo = Demo::start().await;
    demo.line("--resolve session-affinity.com:").await;
    let login = get(demo.address, "/login?username=walker", "").await;
    assert_eq!(login.status, 200, "{}", login.head);
    for _ in 0..50 {
        let post = get(demo.address, "/post", &login.cookies()).await;
        assert_eq!((post.status, post.served_by()), (200, login.served_by()));
    }
    assert_eq!(get(demo.address, "/post", "").await.status, 403);
    assert_eq!(get(demo.address, "/nowhere", &login.cookies()).await.status, 404);

    let shown = demo.line("/login  ").await;
    for part in ["walker", "GET", "200", login.served_by(), "new"] {
        assert!(shown.contains(part), "{part} in {shown:?}");
    }
    let shown = demo.line("  403  ").await;
    assert!(shown.starts_with("- "), "{shown:?}");
    assert!(!shown.contains('\x1b'), "no colours without a terminal: {shown:?}");
    assert_eq!(demo.end(Signal::TERM).await.code(), Some(0));
}

#[tokio::test]
async fn users_are_made_and_listed_at_a_host_of_their_own() {
    let mut demo = Demo::start().await;
    let shown = demo.line("curl http://users.session-affinity.com").await;
    assert!(shown.contains("/user --data '{\"username\": \"walker\"}' --resolve"), "{shown}");
    let host = "HTTP/1.1\r\nhost: users.session-affinity.com\r\n";
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let made = ask(demo.address, &format!("POST /user {host}{form}"), r#"{"username": "walker"}"#).await;
    assert_eq!((made.status, made.served_by()), (201, "users-0"), "{}", made.body);
    let list = ask(demo.address, &format!("GET /user {host}"), "").await;
    assert!(list.status == 200 && list.body.contains("\"username\":\"walker\""), "{}", list.body);
    assert_eq!(list.headers("set-cookie").count(), 0, "nobody has to come back to the same instance");
    let shown = demo.line("/user  ").await;
    assert!(shown.contains("users-0") && shown.contains("unpinned"), "{shown:?}");
    assert_eq!(get(demo.address, "/user", "").await.status, 404, "posts has no users");
    assert_eq!(demo.end(Signal::TERM).await.code(), Some(0));
}

#[tokio::test]
async fn sigint_ends_it_in_order_even_while_connections_are_open() {
    let demo = Demo::start().await;
    let idle = soon(TcpStream::connect(demo.address)).await.expect("it listens");
    assert_eq!(demo.end(Signal::INT).await.code(), Some(0));
    drop(idle);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = soon(command(&["--port", &port]).output()).await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}")) && said.contains("--port 0"), "{said}");
}

#[tokio::test]
async fn arguments_may_follow_two_dashes_and_may_not_contradict_each_other() {
    for (args, code) in [
        (vec!["--help"], 0),
        (vec!["--", "--help"], 0),
        (vec!["--", "--", "--help"], 2),
        (vec!["--story", "--open"], 2),
        (vec!["--port", "65536"], 2),
    ] {
        let output = soon(command(&args).output()).await.expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}
