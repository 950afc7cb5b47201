//! Every annotation that means something here, and those of ingress-nginx of which it is known that they do not.
//!
//! `docs/annotations.md` is made from these tables.

/// What becomes of an annotation of ingress-nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Honoured,
    /// Nobody misses what it does in nginx; nothing is said.
    Harmless,
    /// It may be what keeps somebody out, and is not supported: nobody is served.
    Closes,
    /// It has no effect, and that is said.
    Unsupported,
}

/// An annotation of ours.
#[derive(Clone, Copy, Debug)]
pub struct Ours {
    /// Its name behind our prefix.
    pub key: &'static str,
    /// What may stand in it.
    pub values: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// An annotation of ingress-nginx.
#[derive(Clone, Copy, Debug)]
pub struct Theirs {
    /// Its name behind the prefix.
    pub key: &'static str,
    /// What becomes of it.
    pub support: Support,
    /// What is to be known about it here.
    pub note: &'static str,
}

const fn ours(key: &'static str, values: &'static str, default: &'static str, meaning: &'static str) -> Ours {
    Ours { key, values, default, meaning }
}

const fn yes(key: &'static str, note: &'static str) -> Theirs {
    Theirs { key, support: Support::Honoured, note }
}

const fn harmless(key: &'static str, note: &'static str) -> Theirs {
    Theirs { key, support: Support::Harmless, note }
}

const fn closes(key: &'static str, note: &'static str) -> Theirs {
    Theirs { key, support: Support::Closes, note }
}

/// Ours, on an Ingress.
pub const OURS: &[Ours] = &[
    ours("session", "`true`, `false`", "`true` if any other of these is there", "Are sessions kept?"),
    ours("cookie-name", "a cookie name", "`moorline`", "The cookie that carries the session's token"),
    ours("cookie-path", "a path", "`/`", "Below which path the client sends it"),
    ours("cookie-domain", "a domain", "this host only", "To which hosts the client sends it"),
    ours(
        "cookie-secure",
        "`auto`, `always`, `never`",
        "`auto`",
        "`Secure`: if the client's connection is TLS, or always, or never",
    ),
    ours("cookie-http-only", "`true`, `false`", "`true`", "Is it kept from scripts?"),
    ours(
        "cookie-same-site",
        "`None`, `Lax`, `Strict`",
        "`Lax`",
        "Does it travel with requests that other sites cause?",
    ),
    ours("cookie-partitioned", "`true`, `false`", "`false`", "Does each top-level site get its own (CHIPS)?"),
    ours("cookie-max-age", "a time such as `7d`", "until the browser is closed", "How long the client keeps it"),
    ours(
        "strategy",
        "`least_sessions`, `least_requests`, `round_robin`, `random`",
        "`least_sessions`",
        "Who gets a new session",
    ),
    ours("hold", "a time, at most `10m`", "`30s`", "How long requests wait for a pod that is expected back"),
    ours("on-lost", "`reassign`, `temporary`, `reject`", "`reassign`", "What happens to a session whose pod is lost"),
    ours("on-restart", "`keep`, `reassign`", "`keep`", "What happens to a session whose pod has restarted"),
    ours("drain-deadline", "a time", "`30m`", "How long a pod that was told to drain keeps its sessions"),
    ours("idle", "a time", "`30m`", "After how long without a request a session no longer counts"),
    ours("absolute", "a time", "`30d`", "How long a session lasts at most"),
    ours("strip-cookie", "`true`, `false`", "`true`", "Is the cookie kept from the application?"),
];

/// ingress-nginx's. What is not listed is not supported, and an Event says so.
pub const NGINX: &[Theirs] = &[
    yes("affinity", "`cookie`"),
    yes("affinity-canary-behavior", "on the canary, as there"),
    yes(
        "affinity-mode",
        "both modes name pods here; with `--legacy-cookies-until`, cookies of `persistent` mode are taken over, and those of `balanced` mode lead to one pod each",
    ),
    yes("allowlist-source-range", "403 for everybody else; a list that makes no sense lets nobody in"),
    yes("app-root", ""),
    yes(
        "backend-protocol",
        "`HTTP`, `HTTPS`, `GRPC`, `GRPCS`; certificates of endpoints are not verified, as there, and no name is sent to them (SNI)",
    ),
    yes("canary", "beside an Ingress of the same namespace; not served if an annotation that closes a site is on it"),
    yes("canary-by-cookie", ""),
    yes("canary-by-header", ""),
    yes("canary-by-header-pattern", ""),
    yes("canary-by-header-value", ""),
    yes("canary-weight", "0 keeps the sessions that it has"),
    yes("canary-weight-total", "default 100; what is less counts as 100, as there"),
    yes("cors-allow-credentials", ""),
    yes("cors-allow-headers", ""),
    yes("cors-allow-methods", ""),
    yes("cors-allow-origin", ""),
    yes("cors-expose-headers", ""),
    yes("cors-max-age", ""),
    yes("enable-cors", ""),
    yes("force-ssl-redirect", ""),
    yes("permanent-redirect", "a URL or a path, perhaps followed by `$request_uri`"),
    yes("permanent-redirect-code", ""),
    yes("proxy-body-size", "default `1m`, as there; `0` is without a bound"),
    yes("proxy-connect-timeout", ""),
    yes("proxy-read-timeout", ""),
    yes("proxy-send-timeout", ""),
    yes("rewrite-target", "with captures; it makes the paths of this Ingress expressions, and of no other"),
    yes("server-alias", "another name for the host, for whatever its namespace serves there"),
    yes("session-cookie-change-on-failure", "`true`: nobody waits for a pod that is away (`hold` 0)"),
    yes("session-cookie-conditional-samesite-none", ""),
    yes("session-cookie-domain", ""),
    yes("session-cookie-expires", "computed for each response"),
    yes("session-cookie-max-age", ""),
    yes("session-cookie-name", "default `INGRESSCOOKIE`"),
    yes(
        "session-cookie-path",
        "default: the path of the rule; of an expression, what is above its first part that stands for something else",
    ),
    yes("session-cookie-samesite", "in any spelling"),
    yes("session-cookie-secure", "`false` is as if it were not there, as in ingress-nginx"),
    yes("ssl-redirect", "not for `/.well-known/acme-challenge/`"),
    yes("temporal-redirect", "a URL or a path, perhaps followed by `$request_uri`"),
    yes("temporal-redirect-code", ""),
    yes("upstream-vhost", ""),
    yes("use-regex", "expressions without look-around and back-references; for the paths of this Ingress only"),
    yes("whitelist-source-range", "as `allowlist-source-range`"),
    yes("x-forwarded-prefix", ""),
    harmless("client-body-buffer-size", "bodies are not buffered"),
    harmless("connection-proxy-header", "connections are kept whenever the endpoint keeps them"),
    harmless("enable-access-log", "the access log is the proxy's"),
    harmless("enable-rewrite-log", ""),
    harmless("load-balance", "sessions decide; see `moorline.dev/strategy`"),
    harmless("proxy-buffer-size", "responses are not buffered"),
    harmless("proxy-buffering", "responses are not buffered"),
    harmless("proxy-buffers-number", "responses are not buffered"),
    harmless("proxy-busy-buffers-size", "responses are not buffered"),
    harmless("proxy-http-version", "1.1, or 2 by `backend-protocol`"),
    harmless("proxy-max-temp-file-size", "responses are not buffered"),
    harmless("proxy-next-upstream", "what was not sent is tried again, what was sent is not"),
    harmless("proxy-next-upstream-timeout", ""),
    harmless("proxy-next-upstream-tries", ""),
    harmless("proxy-request-buffering", "bodies are not buffered"),
    harmless("proxy-ssl-protocols", "TLS 1.2 and 1.3"),
    harmless("proxy-ssl-verify-depth", ""),
    harmless("session-cookie-hash", "gone from ingress-nginx since 0.24"),
    harmless("ssl-prefer-server-ciphers", "TLS is as Mozilla's intermediate profile has it"),
    closes("auth-realm", ""),
    closes("auth-secret", ""),
    closes("auth-secret-type", ""),
    closes("auth-snippet", ""),
    closes("auth-tls-error-page", ""),
    closes("auth-tls-match-cn", ""),
    closes("auth-tls-pass-certificate-to-upstream", ""),
    closes("auth-tls-secret", ""),
    closes("auth-tls-verify-client", ""),
    closes("auth-tls-verify-depth", ""),
    closes("auth-type", ""),
    closes("auth-url", ""),
    closes(
        "configuration-snippet",
        "only if it reads as if it kept somebody out (`deny`, `auth`, `return 4`…); else without effect",
    ),
    closes("denylist-source-range", ""),
    closes("enable-global-auth", "unless it is `false`"),
    closes("enable-modsecurity", "unless it is `false`"),
    closes("enable-owasp-core-rules", "unless it is `false`"),
    closes("modsecurity-snippet", ""),
    closes("modsecurity-transaction-id", ""),
    closes("proxy-ssl-secret", "endpoints are not verified yet"),
    closes("proxy-ssl-verify", "unless it is `off`"),
    closes("satisfy", ""),
    closes("server-snippet", "as `configuration-snippet`"),
    closes("ssl-passthrough", "unless it is `false`: TLS would end here, which was not wanted"),
];

/// What becomes of this annotation of ingress-nginx, with this value.
#[must_use]
pub fn support(key: &str, value: &str) -> Support {
    let listed = NGINX.iter().find(|theirs| theirs.key == key).map_or(Support::Unsupported, |theirs| theirs.support);
    let is_off = matches!(super::values::boolean(value), Some(false)) || value.eq_ignore_ascii_case("off");
    match key {
        "enable-global-auth"
        | "enable-modsecurity"
        | "enable-owasp-core-rules"
        | "proxy-ssl-server-name"
        | "proxy-ssl-verify"
        | "ssl-passthrough"
            if is_off =>
        {
            Support::Harmless
        }
        "configuration-snippet" | "server-snippet" if !seems_to_protect(value) => Support::Unsupported,
        _ => listed,
    }
}

/// Does a piece of nginx's configuration read as if it kept somebody out?
fn seems_to_protect(snippet: &str) -> bool {
    [
        "deny",
        "allow",
        "auth",
        "satisfy",
        "return 4",
        "return 5",
        "internal",
        "secure_link",
        "limit_except",
        "valid_referers",
    ]
    .iter()
    .any(|word| snippet.contains(word))
}

/// Is there such an annotation of ours?
#[must_use]
pub fn is_ours(key: &str) -> bool {
    OURS.iter().any(|ours| ours.key == key)
}

/// Which of ours may have been meant.
#[must_use]
pub fn nearest(key: &str) -> Option<&'static str> {
    let near = OURS.iter().map(|ours| (strsim::jaro_winkler(ours.key, key), ours.key));
    near.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, key)| key)
}
