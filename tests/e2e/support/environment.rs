//! What a cluster suffers: nodes without a link, and no API server.

use std::process::Command;

/// Something that is mended when this is dropped, whatever the test found.
pub(crate) struct Outage {
    mend: String,
}

impl Outage {
    fn begin(variable: &str, begin: &str, mend: &str) -> Option<Self> {
        let Ok(command) = std::env::var(variable) else {
            eprintln!("left out: ${variable} does not say how to `{begin}`");
            return None;
        };
        let outage = Self { mend: format!("{command} {mend}") };
        assert!(shell(&format!("{command} {begin}")), "`{command} {begin}` fails");
        Some(outage)
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        let is_mended = shell(&self.mend);
        assert!(is_mended || std::thread::panicking(), "`{}` fails", self.mend);
    }
}

/// Takes a node's link, if it has been said how.
pub(crate) fn node_cut(number: u32) -> Option<Outage> {
    Outage::begin("MOORLINE_E2E_NODE", &format!("cut {number}"), &format!("heal {number}"))
}

/// Stops the API server, if it has been said how.
pub(crate) fn api_stopped() -> Option<Outage> {
    Outage::begin("MOORLINE_E2E_API", "stop", "start")
}

fn shell(command: &str) -> bool {
    Command::new("sh").arg("-c").arg(command).status().is_ok_and(|status| status.success())
}
