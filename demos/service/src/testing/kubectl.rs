//! kubectl, as the READMEs' readers use it.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// kubectl in one namespace, or in none. No call outlasts five minutes, whatever becomes of the cluster.
#[derive(Debug)]
pub struct Kubectl {
    namespace: String,
    is_ours: bool,
}

impl Kubectl {
    /// Makes a new namespace, in which nothing runs that may do more than it must. It is deleted when this is dropped.
    ///
    /// # Panics
    /// If there is no cluster.
    pub fn namespace(name: &str) -> Self {
        let kubectl = Self { namespace: format!("{name}-{}", std::process::id()), is_ours: true };
        let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
        let metadata = json!({ "name": kubectl.namespace, "labels": labels });
        kubectl.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
        kubectl
    }

    /// In a namespace that is somebody else's.
    pub fn within(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), is_ours: false }
    }

    /// For objects of several namespaces: kubectl applies none of another than the one that it is told.
    pub fn everywhere() -> Self {
        Self { namespace: String::new(), is_ours: false }
    }

    /// What the namespace is called; nothing if it is none.
    pub fn name(&self) -> &str {
        &self.namespace
    }

    /// Runs it. Returns what it says.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, args: &[&str]) -> String {
        self.attempt(args).unwrap_or_else(|said| panic!("kubectl {args:?}: {said}"))
    }

    /// Runs it.
    ///
    /// # Errors
    /// What it says when it fails.
    ///
    /// # Panics
    /// If there is no kubectl.
    pub fn attempt(&self, args: &[&str]) -> Result<String, String> {
        said(&self.command(args).output().expect("kubectl, and $KUBECONFIG"))
    }

    /// An object, or a list of them.
    ///
    /// # Panics
    /// If it is not there.
    pub fn get(&self, what: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[&["get", "-o", "json"], what].concat())).expect("JSON")
    }

    /// Applies an object, or a list of them.
    ///
    /// # Panics
    /// If it is refused.
    pub fn apply(&self, object: &Value) {
        let args = ["apply", "-f", "-"];
        let mut command = self.command(&args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl, and $KUBECONFIG");
        child.stdin.take().expect("a pipe").write_all(object.to_string().as_bytes()).expect("it reads");
        if let Err(said) = said(&child.wait_with_output().expect("it ends")) {
            panic!("kubectl {args:?}: {said}");
        }
    }

    /// Writes a configuration that has this namespace as its default.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write_config(&self, path: &Path) {
        std::fs::write(path, self.run(&["config", "view", "--raw", "--minify", "--flatten"])).expect("a file");
        let path = path.to_str().expect("text");
        self.run(&["config", "set-context", "--current", "--kubeconfig", path]);
    }

    /// The command, for those who run it themselves.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["300", "kubectl"]);
        if !self.namespace.is_empty() {
            command.args(["--namespace", &self.namespace]);
        }
        command.args(args);
        command
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        if self.is_ours {
            // A test that fails should say why, not that cleaning up failed as well.
            let _ = self.command(&["delete", "namespace", &self.namespace, "--wait=false"]).output();
        }
    }
}

fn said(output: &Output) -> Result<String, String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(text + &String::from_utf8_lossy(&output.stderr)) }
}
