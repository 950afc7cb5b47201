//! The real program: its verbs, its file, its signals.

use std::io::Write;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{Client, Origin, Program, admin_get, eventually, origin, program, proxy};

fn proxy_for(origins: &[&Origin]) -> Program {
    let endpoints: Vec<String> = origins.iter().map(|origin| format!("{}={}", origin.name, origin.address)).collect();
    let mut args = vec!["proxy", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    args.extend(endpoints.iter().map(String::as_str));
    program(&args)
}

#[tokio::test]
async fn proxy_serves_until_it_is_interrupted_and_ends_with_0() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let mut program = proxy_for(&[&a, &b]);
    let mut client = Client::connect(program.address()).await;
    let first = client.get("/").await.expect(200);
    for _ in 0..20 {
        assert_eq!(client.get("/").await.expect(200).served_by(), first.served_by());
    }
    let (_, text) = admin_get(program.admin, "/api/v1/sessions").await;
    assert_eq!(serde_json::from_str::<moorline::api::Sessions>(&text).unwrap().total, 1);
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha").await;
    eventually("the request has begun", || a.open() + b.open() > 0).await;
    program.signal(Signal::INT);
    program.says("requests under way go on");
    client.send(b"lf").await;
    client.response().await.expect("the request under way is answered").expect(200);
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let a = origin("a").behave(crate::support::Behaviour::Hang).run().await;
    let mut program = proxy_for(&[&a]);
    let mut client = Client::connect(program.address()).await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually("the request is there", || a.heads().len() == 1).await;
    program.signal(Signal::INT);
    program.says("requests under way go on");
    program.signal(Signal::INT);
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test]
async fn run_follows_its_file_and_keeps_the_last_good_state() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moorline.yaml");
    let write = |origin: &Origin, rest: &str| {
        let text = format!(
            "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: {{ address: '127.0.0.1:0' }}\n\
             backends: {{ posts: {{ endpoints: [{{ name: {}, address: {} }}] }} }}\n\
             routes: [{{ rules: [{{ backend: posts, session: {{}} }}] }}]\n{rest}",
            origin.name, origin.address
        );
        // As editors do: another file in its place.
        let next = folder.path().join("next");
        std::fs::File::create(&next).and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
        std::fs::rename(next, &path).expect("a rename");
    };
    write(&a, "");
    let program = program(&["run", "-c", path.to_str().expect("a path")]);
    let served = async || Client::connect(program.address()).await.get("/").await.expect(200).served_by().to_owned();
    assert_eq!(served().await, "a");

    write(&b, "");
    program.says("configuration reloaded");
    assert_eq!(served().await, "b");

    write(&a, "nonsense: true\n");
    let said = program.says("was not reloaded");
    assert!(said.contains("nonsense") && said.contains(":5:1"), "{said}");
    assert_eq!(served().await, "b", "the last good state serves on");
    let (_, metrics) = admin_get(program.admin, "/metrics").await;
    assert!(metrics.contains("moorline_config_last_reload_successful 0"), "{metrics}");

    write(&a, "");
    program.says("configuration reloaded");
    assert_eq!(served().await, "a");

    // SIGHUP where nothing has changed.
    program.signal(Signal::HUP);
    program.says("the configuration is the one that is served");
    let (_, metrics) = admin_get(program.admin, "/metrics").await;
    assert!(metrics.contains("moorline_config_last_reload_successful 1"), "{metrics}");
}

#[tokio::test]
async fn sessions_outlive_the_process_when_their_keys_do() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys.yaml");
    let made = Command::new(env!("CARGO_BIN_EXE_moorline"))
        .args(["keys", "new", "--out", keys.to_str().expect("a path")])
        .output()
        .expect("the program starts");
    assert!(made.status.success(), "{made:?}");
    let (one, two) = (format!("a={}", a.address), format!("b={}", b.address));
    let args = [
        "proxy",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--keys",
        keys.to_str().expect("a path"),
        &one,
        &two,
    ];
    let mut first_life = program(&args);
    let mut client = Client::connect(first_life.address()).await;
    let first = client.get("/").await.expect(200);
    first_life.signal(Signal::INT);
    assert_eq!(first_life.ended().await.code(), Some(0));
    let second_life = program(&args);
    for _ in 0..10 {
        let mut again = Client::connect(second_life.address()).await;
        again.cookie.clone_from(&client.cookie);
        let response = again.get("/").await.expect(200);
        assert_eq!(
            (response.served_by(), response.seen("moorline-session").as_deref()),
            (first.served_by(), Some("kept"))
        );
    }
}

#[tokio::test]
async fn sessions_outlive_the_line_that_named_their_keys() {
    let (a, b) = (origin("a").run().await, origin("b").run().await);
    let folder = tempfile::tempdir().expect("a folder");
    let (path, keys) = (folder.path().join("moorline.yaml"), folder.path().join("keys.yaml"));
    let made = Command::new(env!("CARGO_BIN_EXE_moorline")).args(["keys", "new", "--out"]).arg(&keys).output();
    assert!(made.is_ok_and(|made| made.status.success()));
    let text = proxy().endpoint(&a).endpoint(&b).text();
    let write = |line: &str| {
        let next = folder.path().join("next");
        std::fs::write(&next, format!("{text}{line}\n")).and_then(|()| std::fs::rename(next, &path)).expect("a rename");
    };
    write("session_keys: { file: keys.yaml }");
    let program = program(&["run", "-c", path.to_str().expect("a path")]);
    let mut client = Client::connect(program.address()).await;
    let first = client.get("/").await.expect(200);
    let mut is_kept = async || {
        let next = client.get("/").await.expect(200);
        assert_eq!((next.served_by(), next.seen("moorline-session").as_deref()), (first.served_by(), Some("kept")));
    };
    write("");
    program.says("configuration reloaded");
    is_kept().await;
    // Again, and it changes nothing: keys that are drawn anew would be others each time.
    write("# nothing");
    program.signal(Signal::HUP);
    program.says("the configuration is the one that is served");
    is_kept().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_served_ends_it_with_1_and_the_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_moorline")).args(args).output().expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["proxy", "--listen", &address, "127.0.0.1:9001"]);
    assert_eq!(code, Some(1));
    assert_eq!(said, format!("moorline: cannot listen on {address}: another program listens there already\n"));
    let (code, said) = run(&["run", "-c", "/nowhere/moorline.yaml"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot read /nowhere/moorline.yaml"), "{said}");
}
