//! Moorline on a real cluster, as `deploy/base` installs it, with the feature `e2e`:
//!
//!     export KUBECONFIG=… MOORLINE_E2E_LOAD=…
//!     cargo test --features e2e --test e2e
//!
//! Needs kubectl, curl, buildah and a cluster without Moorline whose load balancers can be reached from
//! here (kind has them with cloud-provider-kind); its nodes' processes have to run on this machine, since some of them are killed. What is made here is gone in the end,
//! except Moorline.
//!
//! | variable | |
//! |---|---|
//! | `MOORLINE_E2E_LOAD` | loads the image archive that follows it into every node; `kind load image-archive` unless it is set |
//! | `MOORLINE_E2E_NODE` | takes `cut NUMBER` and `heal NUMBER`; without it, no node is cut |
//! | `MOORLINE_E2E_API` | takes `stop` and `start`; without it, the API server stays |
//! | `MOORLINE_E2E_HELM` | the program; without it, the chart is not installed |
//! | `MOORLINE_IMAGE_PROFILE` | see `deploy/image`; `dev` unless it is set, which is built sooner |

/// What ingress-nginx's annotations about sessions do.
mod affinity;
/// The lesson, by the commands of its page.
mod lesson;
/// What is installed instead of `deploy/base`.
mod overlays;
/// Where a session is when pods come, go, die or lie.
mod pods;
/// Moorline's own replicas, and what they do without an API server.
mod replicas;
/// StatefulSets that are rolled out under load.
mod roll_outs;
/// Objects that are wrong, many, or changed.
mod tenants;

/// Moorline, sites, users and nodes.
mod support;
