//! kubectl, as the README's readers use it.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// kubectl in a namespace of its own, which is deleted when this is dropped.
pub(super) struct Kubectl {
    namespace: String,
}

impl Kubectl {
    /// Makes the namespace: a new one, in which nothing runs that may do more than it must.
    pub(super) fn namespace(name: &str) -> Self {
        let kubectl = Self { namespace: format!("{name}-{}", std::process::id()) };
        let labels = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
        let metadata = json!({ "name": kubectl.namespace, "labels": labels });
        kubectl.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
        kubectl
    }

    /// Runs it. Returns what it says.
    pub(super) fn run(&self, args: &[&str]) -> String {
        said(&self.command(args).output().expect("kubectl, and $KUBECONFIG"), args)
    }

    pub(super) fn get(&self, what: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[&["get", "-o", "json"], what].concat())).expect("JSON")
    }

    pub(super) fn apply(&self, object: &Value) {
        let args = ["apply", "-f", "-"];
        let mut command = self.command(&args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl, and $KUBECONFIG");
        child.stdin.take().expect("a pipe").write_all(object.to_string().as_bytes()).expect("it reads");
        said(&child.wait_with_output().expect("it ends"), &args);
    }

    /// Writes a configuration that has this namespace as its default.
    pub(super) fn write_config(&self, path: &Path) {
        std::fs::write(path, self.run(&["config", "view", "--raw", "--minify", "--flatten"])).expect("a file");
        let path = path.to_str().expect("text");
        self.run(&["config", "set-context", "--current", "--kubeconfig", path]);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(["--namespace", &self.namespace]).args(args);
        command
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        // A test that fails should say why, not that cleaning up failed as well.
        let _ = self.command(&["delete", "namespace", &self.namespace, "--wait=false"]).output();
    }
}

/// What a kustomization comes to.
pub(super) fn render(folder: &Path) -> String {
    let args = ["kustomize", folder.to_str().expect("text")];
    said(&Command::new("kubectl").args(args).output().expect("kubectl"), &args)
}

fn said(output: &Output, args: &[&str]) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "kubectl {args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
