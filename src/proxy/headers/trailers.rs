//! What may follow a body. Pure.

use http::HeaderName;

use super::{is_forwarding, is_hop_by_hop, is_ours};

/// Which fields may stand behind a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Trailers {
    /// Those that are known to be harmless there: any other could change what the head has said already.
    Listed,
    /// Of a call of gRPC, where an application's [metadata] comes last under names of its own choice: all but those which
    /// RFC 9110 §6.5.1 has stand in a head only, or which speak for a proxy.
    ///
    /// [metadata]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses
    Metadata,
}

impl Trailers {
    pub(in crate::proxy) fn admit(self, name: &HeaderName) -> bool {
        let text = name.as_str();
        match self {
            Self::Listed => {
                text.starts_with("grpc-")
                    || matches!(text, "server-timing" | "content-digest" | "repr-digest" | "digest")
            }
            Self::Metadata => !(is_hop_by_hop(text) || is_ours(text) || is_forwarding(text) || belongs_to_head(text)),
        }
    }
}

/// What frames a message, says where it goes, who asks, or how it is to be read, kept and followed (RFC 9110 §6.5.1).
fn belongs_to_head(name: &str) -> bool {
    let families = ["content-", "access-control-", "if-", "accept-"];
    (families.iter().any(|family| name.starts_with(family)) && name != "content-digest")
        || matches!(
            name,
            "accept"
                | "age"
                | "alt-svc"
                | "authorization"
                | "cache-control"
                | "clear-site-data"
                | "cookie"
                | "date"
                | "etag"
                | "expect"
                | "expires"
                | "forwarded"
                | "host"
                | "last-modified"
                | "link"
                | "location"
                | "max-forwards"
                | "pragma"
                | "range"
                | "refresh"
                | "retry-after"
                | "set-cookie"
                | "strict-transport-security"
                | "traceparent"
                | "tracestate"
                | "vary"
                | "via"
                | "warning"
                | "www-authenticate"
                | "x-request-id"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn admitted(trailers: Trailers, names: &[&'static str], expected: bool) {
        for name in names {
            assert_eq!(trailers.admit(&HeaderName::from_static(name)), expected, "{trailers:?}: {name}");
        }
    }

    #[test]
    fn trailers_do_not_change_what_the_head_has_said() {
        admitted(Trailers::Listed, &["grpc-status", "server-timing", "content-digest"], true);
        admitted(Trailers::Listed, &["x-own", "set-cookie", "content-length"], false);
    }

    #[test]
    fn metadata_of_grpc_passes_but_for_what_belongs_in_a_head() {
        let own =
            ["grpc-status", "grpc-status-details-bin", "x-own", "accepted-rows", "server-timing", "content-digest"];
        admitted(Trailers::Metadata, &own, true);
        let odd = ["content-length", "transfer-encoding", "te", "host", "set-cookie", "authorization", "cache-control"];
        admitted(Trailers::Metadata, &odd, false);
        let ours = ["moorline-session", "moorline_session_id", "x-forwarded-for", "x_real_ip", "forwarded"];
        admitted(Trailers::Metadata, &ours, false);
    }
}
