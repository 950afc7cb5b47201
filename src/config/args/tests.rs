use super::*;
use crate::file::{AccessLog, File};
use crate::routing::session::OnLost;

fn parse(line: &str) -> Result<Verb, clap::Error> {
    Args::try_parse_from(format!("moorline {line}").split_whitespace()).map(|args| args.verb.unwrap())
}

fn proxy(line: &str) -> ProxyArgs {
    match parse(&format!("proxy {line}")) {
        Ok(Verb::Proxy(args)) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn endpoints_are_enough_for_a_proxy() {
    let file = proxy("127.0.0.1:9001 posts-1=127.0.0.1:9002").to_file().unwrap();
    assert_eq!(file.listeners[0].address, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(file.admin, Some(crate::file::ADMIN));
    assert_eq!(file.endpoints().count(), 2);
    assert!(file.keeps_sessions());
}

#[test]
fn flags_of_the_proxy_reach_its_configuration() {
    let args = proxy(
        "-l 127.0.0.1:1 -l [::1]:2 --admin off --workers 3 --access-log json --trusted-proxies 10.0.0.0/8,192.0.2.1 \
         --cookie c --keys k.yaml --hold 5s --on-lost temporary 127.0.0.1:9001",
    );
    assert_eq!((args.session.on_lost, args.session.hold.as_secs()), (OnLost::Temporary, 5));
    let file = args.to_file().unwrap();
    assert_eq!((file.listeners.len(), file.admin, file.access_log), (2, None, AccessLog::Json));
    assert_eq!(file.listeners[1].trusted_proxies.len(), 2);
    assert_eq!(file.session_keys, Some("k.yaml".into()));
    assert!(!proxy("--no-session 127.0.0.1:9001").to_file().unwrap().keeps_sessions());
}

#[test]
fn what_is_typed_wrongly_is_refused_with_its_flag() {
    for (line, expected) in [
        ("proxy", "ENDPOINT"),
        ("proxy shop.internal:80", "is a name"),
        ("proxy --listen 8080 127.0.0.1:1", "has no port"),
        ("proxy --hold 5 127.0.0.1:1", "has no unit"),
        ("proxy --on-lost x 127.0.0.1:1", "[possible values: reassign, temporary, reject]"),
        ("proxy --access-log x 127.0.0.1:1", "[possible values: off, combined, json]"),
        ("proxy --cookie a;b 127.0.0.1:1", "cookie name"),
        ("proxy --no-session --cookie c 127.0.0.1:1", "cannot be used with"),
        ("proxy --workers 0 127.0.0.1:1", "--workers"),
        ("proxi 127.0.0.1:1", "tip: a similar subcommand exists: 'proxy'"),
        ("keys", "Usage"),
        ("completions tcsh", "possible values"),
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn what_is_typed_stands_over_the_file() {
    let text = "listeners: [{ address: 127.0.0.1:1 }]\nworkers: 2\nbackends: {}\nroutes: [{ rules: [{ backend: b }] }]";
    let text = text.replace("{}", "{ b: { endpoints: [127.0.0.1:2] } }");
    let (mut file, _) = File::parse(&text).unwrap();
    let Ok(Verb::Run(args)) = parse("run --admin off --access-log off") else { panic!("run") };
    args.apply(&mut file);
    assert_eq!((file.admin, file.access_log, file.workers.map(usize::from)), (None, AccessLog::Off, Some(2)));
}
