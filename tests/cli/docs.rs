//! What stands in `docs/` is what the code does.

use std::path::{Path, PathBuf};

use moorline::file::{File, scalar, schema};
use moorline::limits::Limits;
use serde_json::Value;

fn doc(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// Compares a document with what it should be; writes it, if that is wanted.
#[track_caller]
fn check(name: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(doc(name), expected).expect("a writable docs/");
    }
    let found = std::fs::read_to_string(doc(name)).expect("a readable document");
    assert!(found == expected, "docs/{name} is not what the code says: UPDATE_DOCS=1 cargo test --test cli writes it");
}

/// The document with another text between the two marks.
fn with_part(document: &str, part: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- begin {part} -->\n"), format!("<!-- end {part} -->"));
    let (before, rest) = document.split_once(&begin).expect("the mark at the beginning");
    let (_, after) = rest.split_once(&end).expect("the mark at the end");
    format!("{before}{begin}{text}{end}{after}")
}

#[test]
fn the_schema_is_that_of_the_code() {
    check("moorline.schema.json", &format!("{:#}\n", schema::json_schema().as_value()));
}

#[test]
fn the_reference_of_the_file_is_that_of_the_code() {
    let example = std::fs::read_to_string(doc("moorline.yaml")).unwrap();
    let (file, problems) =
        File::parse(&example).unwrap_or_else(|problems| panic!("{}", problems.render("f", Some(&example))));
    assert!(problems.is_empty(), "{}", problems.render("moorline.yaml", Some(&example)));
    assert_eq!(file.limits, Limits::default(), "all values are the defaults");
    let set = |name: &str| example.contains(&format!("\n  {name}: "));
    let schema = schema::json_schema();
    let names = schema.as_value()["$defs"]["Limits"]["properties"].as_object().expect("limits").keys();
    assert_eq!(names.filter(|name| !set(name)).collect::<Vec<_>>(), Vec::<&String>::new(), "it says everything");
    let document = std::fs::read_to_string(doc("file.md")).unwrap();
    let document = with_part(&document, "example", &format!("```yaml\n{example}```\n"));
    check("file.md", &with_part(&document, "limits", &limits()));
}

/// Every limit with its default and its meaning. A new one that is forgotten here does not compile.
fn limits() -> String {
    let schema = schema::json_schema();
    let meanings = &schema.as_value()["$defs"]["Limits"]["properties"];
    let mut table = String::from("| limit | default | meaning |\n|---|---|---|\n");
    macro_rules! rows {
        ($($name:ident: $show:expr),* $(,)?) => {
            let Limits { $($name),* } = Limits::default();
            $(
                let name = stringify!($name);
                let meaning = meanings[name]["description"].as_str().map(|text| text.replace('\n', " "));
                table += &format!("| `{name}` | {} | {} |\n", $show($name), meaning.expect("a limit of the schema"));
            )*
        };
    }
    rows! {
        first_byte: scalar::show_duration,
        handshake: scalar::show_duration,
        head: scalar::show_duration,
        idle: scalar::show_duration,
        linger: scalar::show_duration,
        body: scalar::show_duration,
        connect: scalar::show_duration,
        response_head: scalar::show_duration,
        tunnel: scalar::show_duration,
        upstream_idle: scalar::show_duration,
        upstream_ping: scalar::show_duration,
        upstream_ping_timeout: scalar::show_duration,
        upstream_user_timeout: scalar::show_duration,
        shutdown_grace: scalar::show_duration,
        shutdown: scalar::show_duration,
        head_size: scalar::show_size,
        target_size: scalar::show_size,
        streams: |number: usize| number.to_string(),
        http2_heads: scalar::show_size,
        http2_frames: |number: usize| number.to_string(),
        connections: |number: usize| number.to_string(),
        requests: |number: usize| number.to_string(),
        upstream_connections: |number: usize| number.to_string(),
        upstream_idle_connections: |number: usize| number.to_string(),
        upstream_streams: |number: usize| number.to_string(),
        held_per_endpoint: |number: usize| number.to_string(),
        held_per_session: |number: usize| number.to_string(),
        held: |number: usize| number.to_string(),
        sessions: |number: usize| number.to_string(),
    }
    table
}

#[test]
fn the_schema_says_something_about_every_key() {
    let schema = schema::json_schema();
    let mut silent = Vec::new();
    collect_silent("", schema.as_value(), &mut silent);
    assert!(silent.is_empty(), "without a description: {silent:?}");
}

fn collect_silent(path: &str, schema: &Value, silent: &mut Vec<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        if value["description"].as_str().is_none_or(str::is_empty) {
            silent.push(format!("{path}.{key}"));
        }
    }
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        collect_silent(name, definition, silent);
    }
}
