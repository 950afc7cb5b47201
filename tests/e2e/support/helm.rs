//! Helm, and the chart.

use std::process::Command;

use moorline_service::testing::Kubectl;

use super::root;

/// A release of the chart in this namespace. It is gone with the namespace, but for what belongs to no namespace: that goes
/// when this is dropped, at the latest.
pub(crate) struct Helm<'n> {
    program: String,
    namespace: &'n Kubectl,
}

impl<'n> Helm<'n> {
    /// `None`: it has not been said where Helm is.
    pub(crate) fn within(namespace: &'n Kubectl) -> Option<Self> {
        let Ok(program) = std::env::var("MOORLINE_E2E_HELM") else {
            eprintln!("left out: $MOORLINE_E2E_HELM says nothing");
            return None;
        };
        Some(Self { program, namespace })
    }

    /// `install` or `upgrade`, with these values, until all is ready.
    pub(crate) fn release(&self, verb: &str, values: &str) {
        let chart = root().join("deploy/helm/moorline");
        let args = [verb, RELEASE, chart.to_str().expect("text"), "--set", values, "--wait", "--timeout", "180s"];
        self.run(&args).unwrap_or_else(|said| panic!("helm {args:?}: {said}"));
    }

    pub(crate) fn uninstall(&self) -> Result<(), String> {
        self.run(&["uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout", "120s"])
    }

    fn run(&self, args: &[&str]) -> Result<(), String> {
        let output = Command::new(&self.program).args(["--namespace", self.namespace.name()]).args(args).output();
        let output = output.map_err(|error| format!("{}: {error}", self.program))?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

impl Drop for Helm<'_> {
    fn drop(&mut self) {
        let uninstalled = self.uninstall();
        assert!(uninstalled.is_ok() || std::thread::panicking(), "{uninstalled:?}");
    }
}

const RELEASE: &str = "release";
