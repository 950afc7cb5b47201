//! The replica set of `deploy/demo/mongo` on a real cluster: whatever $KUBECONFIG names, as long as its nodes' processes run
//! on this machine, since some of them are killed here.
//!
//!     export KUBECONFIG=… MOORLINE_E2E_LOAD=…
//!     cargo test -p moorline-mongo-sidecar --features e2e --test e2e
//!
//! MOORLINE_E2E_LOAD is a command that loads the image archives that follow it into every node; `images` builds them. kubectl
//! and buildah have to be in the PATH. MOORLINE_E2E_NODE, if it is set, is a command that takes
//! `cut NODE-NUMBER` and `heal NODE-NUMBER`; without it, no node is cut. The figures are left in `target/e2e/figures.json`.

/// What one set goes through, from the first apply on.
mod life;
/// The lesson's own manifest, and a label that must not be.
mod manifests;

/// kubectl, and what the tests make of its answers.
mod support;
