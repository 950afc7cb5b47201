//! Opening the page in a browser.

use std::io;
use std::process::{Command, Stdio};
use std::thread;

/// Asks the desktop to open the page. `failed` hears why it cannot, perhaps much later: there may be none.
pub(crate) fn open(url: String, failed: impl FnOnce(String) + Send + 'static) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let wait = move || {
        let mut command = Command::new(program);
        let status = command.arg(&url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if let Some(why) = why_not(program, status) {
            failed(format!("cannot open a browser: {why}; open {url} yourself"));
        }
    };
    // A thread of its own, because such programs may go on for as long as the browser does. Nobody waits for it.
    thread::spawn(wait);
}

fn why_not(program: &str, status: io::Result<std::process::ExitStatus>) -> Option<String> {
    match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("{program}: {status}")),
        Err(error) => Some(format!("{program}: {error}")),
    }
}
