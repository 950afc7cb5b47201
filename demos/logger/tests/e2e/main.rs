//! `deploy/demo/logger` on a real cluster, with the feature `e2e`.
//!
//! Needs kubectl and curl, a cluster that `$KUBECONFIG` names, whose nodes and load balancer (on kind: cloud-provider-kind) can be
//! reached from here, and a command that loads an image archive into it: `$MOORLINE_E2E_LOAD`, or else `kind load image-archive`.
//! The images are made here, of static programs.
//! Everything happens in namespaces of its own, which are deleted in the end, under the *restricted* Pod Security Standard.

/// Each pod has its own log, its own address, its own name.
mod instances;

/// A cluster with the logger in it.
mod support;
