//! What the demo says first: who listens where, and what to try.

use crate::file::{HOST, USERS_HOST};
use crate::stage::Stage;
use crate::users;

/// Everything that somebody has to know to begin.
pub(super) fn text(stage: &Stage, can_type: bool) -> String {
    let address = stage.address();
    let mut text = format!("Moorline   http://{address}   for the hosts {HOST}, localhost and {USERS_HOST}\n");
    if let Some(admin) = stage.admin_address() {
        text += &format!("admin API  http://{admin}   /metrics, /api/v1/sessions, /readyz\n");
    }
    for seen in stage.endpoints() {
        text += &format!("{:9}  http://{}\n", seen.name, seen.address);
    }
    text += &format!("{:9}  http://{}   users, in memory\n", users::NAME, stage.users_address());
    text += "\nTo try, in another terminal:\n";
    for line in curl_lines(address.port()) {
        text += &format!("  {line}\n");
    }
    text += "the users service, which needs no stickiness:\n";
    for line in users_lines(address.port()) {
        text += &format!("  {line}\n");
    }
    text += &format!("or in a browser: {}\n", page(stage));
    if can_type {
        text += "\nHere, type help to see what can be done to the instances; Ctrl-C ends it.\n";
    }
    text
}

/// Where the page is.
pub(super) fn page(stage: &Stage) -> String {
    format!("http://localhost:{}/", stage.address().port())
}

/// The lesson's walk. Without `-b` the login would begin another session each time; without `-c` the post would not keep
/// what it is told.
fn curl_lines(port: u16) -> [String; 4] {
    let resolve = format!("--resolve {HOST}:{port}:127.0.0.1");
    let jar = "cookie-jar.txt";
    [
        format!("curl -c {jar} -b {jar} 'http://{HOST}:{port}/login?username=walker' {resolve}"),
        format!("curl -b {jar} -d 'text=first post' http://{HOST}:{port}/post {resolve}"),
        format!("curl -b {jar} http://{HOST}:{port}/post {resolve}   # the same instance, for ever"),
        format!("curl http://{HOST}:{port}/post {resolve}   # 403: nobody is logged in"),
    ]
}

/// What the lesson does to the users service.
fn users_lines(port: u16) -> [String; 2] {
    let (url, resolve) =
        (format!("http://{USERS_HOST}:{port}/user"), format!("--resolve {USERS_HOST}:{port}:127.0.0.1"));
    [format!("curl {url} --data '{{\"username\": \"walker\"}}' {resolve}"), format!("curl {url} {resolve}")]
}
