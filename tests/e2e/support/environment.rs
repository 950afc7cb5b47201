//! What a cluster suffers: nodes without a link, and no API server.

use std::process::Command;

/// Something that is mended when this is dropped, whatever the test found.
pub(crate) struct Outage {
    mend: String,
}

impl Outage {
    fn begin(variable: &str, begin: &str, mend: &str) -> Self {
        let command = std::env::var(variable).expect("it has been looked at");
        let outage = Self { mend: format!("{command} {mend}") };
        assert!(shell(&format!("{command} {begin}")), "`{command} {begin}` fails");
        outage
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        let is_mended = shell(&self.mend);
        assert!(is_mended || std::thread::panicking(), "`{}` fails", self.mend);
    }
}

/// Has it been said how to cut a node?
pub(crate) fn can_cut() -> bool {
    is_said("MOORLINE_E2E_NODE")
}

/// Has it been said how to stop the API server?
pub(crate) fn can_stop() -> bool {
    is_said("MOORLINE_E2E_API")
}

fn is_said(variable: &str) -> bool {
    let is_said = std::env::var_os(variable).is_some();
    if !is_said {
        eprintln!("left out: ${variable} says nothing");
    }
    is_said
}

/// Takes a node's link.
pub(crate) fn node_cut(number: u32) -> Outage {
    Outage::begin("MOORLINE_E2E_NODE", &format!("cut {number}"), &format!("heal {number}"))
}

/// Stops the API server.
pub(crate) fn api_stopped() -> Outage {
    Outage::begin("MOORLINE_E2E_API", "stop", "start")
}

fn shell(command: &str) -> bool {
    Command::new("sh").arg("-c").arg(command).status().is_ok_and(|status| status.success())
}
