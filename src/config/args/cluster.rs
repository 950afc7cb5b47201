//! Flags that `ingress` and `check` have in common, so that a check says what would be served.

use std::path::PathBuf;

/// Which Ingresses are ours
#[derive(Clone, Debug, clap::Args)]
pub struct ClassArgs {
    /// The name of our class; `nginx` takes over what belonged to ingress-nginx, as it stands
    #[arg(
        long,
        alias = "class",
        value_name = "NAME",
        default_value = "moorline",
        env = "MOORLINE_INGRESS_CLASS",
        hide_env_values = true,
        help_heading = "Which Ingresses"
    )]
    pub ingress_class: String,
    /// The controller that classes of ours name [default: moorline.dev/ingress-controller; for the class nginx that of ingress-nginx]
    #[arg(
        long,
        value_name = "NAME",
        env = "MOORLINE_CONTROLLER_CLASS",
        hide_env_values = true,
        help_heading = "Which Ingresses"
    )]
    pub controller_class: Option<String>,
    /// Take the class by its name alone, whatever controller it names
    #[arg(long, env = "MOORLINE_INGRESS_CLASS_BY_NAME", help_heading = "Which Ingresses")]
    pub ingress_class_by_name: bool,
    /// Take Ingresses that name no class
    #[arg(long, env = "MOORLINE_WATCH_INGRESS_WITHOUT_CLASS", help_heading = "Which Ingresses")]
    pub watch_ingress_without_class: bool,
    /// Watch these namespaces only [default: all]
    #[arg(
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        env = "MOORLINE_WATCH_NAMESPACE",
        hide_env_values = true,
        help_heading = "Which Ingresses"
    )]
    pub watch_namespace: Vec<String>,
    /// Serve the Ingresses of those namespaces only that have these labels
    #[arg(
        long,
        value_name = "LABELS",
        default_value = "",
        hide_default_value = true,
        env = "MOORLINE_WATCH_NAMESPACE_SELECTOR",
        hide_env_values = true,
        help_heading = "Which Ingresses"
    )]
    pub watch_namespace_selector: String,
    /// The prefix of ingress-nginx's annotations
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "nginx.ingress.kubernetes.io",
        env = "MOORLINE_ANNOTATIONS_PREFIX",
        hide_env_values = true,
        help_heading = "Which Ingresses"
    )]
    pub annotations_prefix: String,
}

/// How the cluster is reached
#[derive(Clone, Debug, clap::Args)]
pub struct ConnectionArgs {
    /// How the cluster is reached [default: as a pod, else as kubectl does]
    #[arg(long, value_name = "FILE", env = "KUBECONFIG", hide_env_values = true, help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace that this pod is in [default: that of the connection]
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", hide_env_values = true, help_heading = "Cluster")]
    pub pod_namespace: Option<String>,
}

impl ClassArgs {
    /// The controller that classes of ours name.
    #[must_use]
    pub fn controller(&self) -> &str {
        match (&self.controller_class, &*self.ingress_class) {
            (Some(name), _) => name,
            (None, "nginx") => "k8s.io/ingress-nginx",
            (None, _) => "moorline.dev/ingress-controller",
        }
    }
}
