//! How a cluster is reached.

use std::path::Path;
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::ControllerError;

/// Whatever is not there by then is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// What a file says, or, without one, what is said to a pod or to kubectl. A connection that is silent for so long is dead.
///
/// # Errors
/// If nothing says where the cluster is.
pub(super) async fn config(kubeconfig: Option<&Path>, silence: Duration) -> Result<Config, ControllerError> {
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| ControllerError::Config(error.to_string()))?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .map_err(|error| ControllerError::Config(error.to_string()))?
        }
        None => Config::infer().await.map_err(|error| ControllerError::Config(error.to_string()))?,
    };
    (config.read_timeout, config.connect_timeout) = (Some(silence), Some(CONNECT));
    // Whoever asks has pauses of their own; kube's are minutes long in the end.
    config.default_retry = false;
    Ok(config)
}
