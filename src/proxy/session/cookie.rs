//! The `Set-Cookie` of a session: the same attributes whether it is given or taken away. Pure.

use cookie::Cookie;
use cookie::time::{Duration, OffsetDateTime};
use http::HeaderValue;

use crate::routing::session::{CookiePolicy, SameSite, Secure};

/// The last second that a date of HTTP can name: the end of the year 9999.
const LAST: i64 = 253_402_300_799;

/// What is known about the client that a cookie is for.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Recipient {
    /// Was its connection TLS, here or at a trusted proxy?
    pub(in super::super) is_tls: bool,
    /// Did TLS end here?
    pub(in super::super) is_secured: bool,
    /// Does it misread `SameSite=None`?
    pub(in super::super) shuns_none: bool,
}

/// The `Set-Cookie` that gives a client its token, at this time.
pub(in super::super) fn set_cookie(
    policy: &CookiePolicy,
    token: String,
    recipient: Recipient,
    unix: u64,
) -> Option<HeaderValue> {
    let mut cookie = attributes(policy, token, recipient);
    if let Some(max_age) = policy.max_age {
        cookie.set_max_age(Duration::seconds(max_age));
    }
    if let Some(seconds) = policy.expires {
        let then = i64::try_from(unix).unwrap_or(LAST).saturating_add(seconds).clamp(0, LAST);
        cookie.set_expires(OffsetDateTime::from_unix_timestamp(then).ok());
    }
    HeaderValue::try_from(cookie.to_string()).ok()
}

/// The `Set-Cookie` that takes a client's token away: the same cookie, which a browser finds by name, domain
/// and path, with its time over.
pub(in super::super) fn expire_cookie(policy: &CookiePolicy, recipient: Recipient) -> Option<HeaderValue> {
    let mut cookie = attributes(policy, String::new(), recipient);
    cookie.make_removal();
    HeaderValue::try_from(cookie.to_string()).ok()
}

fn attributes(policy: &CookiePolicy, value: String, recipient: Recipient) -> Cookie<'_> {
    let secure = match policy.secure {
        Secure::Auto => recipient.is_tls,
        Secure::Here => recipient.is_secured,
        Secure::Always => true,
        Secure::Never => false,
    };
    let mut cookie = Cookie::new(policy.name.as_str(), value);
    cookie.set_path(policy.path.as_str());
    if let Some(domain) = &policy.domain {
        cookie.set_domain(domain.as_str());
    }
    cookie.set_http_only(policy.http_only);
    cookie.set_same_site(policy.same_site.and_then(|same_site| match same_site {
        SameSite::None if policy.conditional_none && recipient.shuns_none => None,
        SameSite::None => Some(cookie::SameSite::None),
        SameSite::Lax => Some(cookie::SameSite::Lax),
        SameSite::Strict => Some(cookie::SameSite::Strict),
    }));
    // Not `Some(false)`: without an attribute the crate would add it by itself to `SameSite=None`.
    cookie.set_secure(secure);
    cookie.set_partitioned(policy.partitioned);
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Recipient = Recipient { is_tls: false, is_secured: false, shuns_none: false };
    const BEHIND_TLS: Recipient = Recipient { is_tls: true, ..PLAIN };
    const OVER_TLS: Recipient = Recipient { is_tls: true, is_secured: true, ..PLAIN };
    /// 2027-01-15 08:00:00 UTC
    const NOW: u64 = 1_800_000_000;

    /// What ingress-nginx sets if nothing is asked for.
    fn nginx() -> CookiePolicy {
        CookiePolicy { secure: Secure::Here, same_site: None, ..CookiePolicy::default() }
    }

    #[track_caller]
    fn check(policy: &CookiePolicy, recipient: Recipient, expected: &str) {
        let set = set_cookie(policy, "v".to_owned(), recipient, NOW).unwrap();
        assert_eq!(set, expected);
    }

    #[test]
    fn an_attribute_that_nobody_asked_for_is_not_there() {
        check(&nginx(), PLAIN, "moorline=v; HttpOnly; Path=/");
        check(&CookiePolicy { http_only: false, ..nginx() }, PLAIN, "moorline=v; Path=/");
        check(&CookiePolicy::default(), PLAIN, "moorline=v; HttpOnly; SameSite=Lax; Path=/");
    }

    #[test]
    fn secure_follows_where_tls_ended() {
        let secure = |secure| CookiePolicy { secure, ..nginx() };
        let (with, without) = ("moorline=v; HttpOnly; Secure; Path=/", "moorline=v; HttpOnly; Path=/");
        for (policy, plain, behind, over) in [
            (Secure::Auto, without, with, with),
            (Secure::Here, without, without, with),
            (Secure::Always, with, with, with),
            (Secure::Never, without, without, without),
        ] {
            check(&secure(policy), PLAIN, plain);
            check(&secure(policy), BEHIND_TLS, behind);
            check(&secure(policy), OVER_TLS, over);
        }
    }

    #[test]
    fn lifetimes_count_from_the_response() {
        let expires = |expires| CookiePolicy { expires: Some(expires), ..nginx() };
        check(&expires(3600), PLAIN, "moorline=v; HttpOnly; Path=/; Expires=Fri, 15 Jan 2027 09:00:00 GMT");
        check(&expires(0), PLAIN, "moorline=v; HttpOnly; Path=/; Expires=Fri, 15 Jan 2027 08:00:00 GMT");
        check(&expires(-3600), PLAIN, "moorline=v; HttpOnly; Path=/; Expires=Fri, 15 Jan 2027 07:00:00 GMT");
        check(&expires(i64::MAX), PLAIN, "moorline=v; HttpOnly; Path=/; Expires=Fri, 31 Dec 9999 23:59:59 GMT");
        check(&expires(i64::MIN), PLAIN, "moorline=v; HttpOnly; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        let max_age = |max_age| CookiePolicy { max_age: Some(max_age), ..nginx() };
        check(&max_age(172_800), PLAIN, "moorline=v; HttpOnly; Path=/; Max-Age=172800");
        check(&max_age(0), PLAIN, "moorline=v; HttpOnly; Path=/; Max-Age=0");
        check(&max_age(-1), PLAIN, "moorline=v; HttpOnly; Path=/; Max-Age=-1");
    }

    #[test]
    fn same_site_none_is_kept_from_those_who_misread_it_if_that_is_asked_for() {
        let old = Recipient { shuns_none: true, ..OVER_TLS };
        let none = |conditional_none| CookiePolicy { same_site: Some(SameSite::None), conditional_none, ..nginx() };
        check(&none(true), old, "moorline=v; HttpOnly; Secure; Path=/");
        check(&none(false), old, "moorline=v; HttpOnly; SameSite=None; Secure; Path=/");
        check(&none(true), OVER_TLS, "moorline=v; HttpOnly; SameSite=None; Secure; Path=/");
        let lax = CookiePolicy { same_site: Some(SameSite::Lax), conditional_none: true, ..nginx() };
        check(&lax, old, "moorline=v; HttpOnly; SameSite=Lax; Secure; Path=/");
    }
}
