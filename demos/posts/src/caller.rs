//! Who asks, and in which form they want their answer: what the request's headers say, read once per request.

use axum::http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, COOKIE},
};
use cookie::{Cookie, SameSite, time::Duration};

use crate::{posts::Posts, sessions::SessionId, username::Username};

/// The one behind a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) login: Login,
    pub(crate) format: Format,
    /// What Moorline says has become of the session on its way here: `new`, `kept`, `restarted`, …
    pub(crate) moorline: Option<String>,
}

/// What the session cookie is worth on this instance.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// There is none.
    Never,
    /// It names a session that this instance does not have: it ended, or it lives (or died) in another instance's memory.
    Lost,
    Active(SessionId, Username),
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For browsers.
    Html,
    /// For programs.
    Json,
    /// For people with curl, and for whoever does not say.
    Text,
}

impl Caller {
    pub(crate) fn of(posts: &Posts, headers: &HeaderMap) -> Self {
        Self {
            login: login(posts, headers),
            format: Format::wanted(headers),
            moorline: text(headers, "moorline-session"),
        }
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        match self.login {
            Login::Active(id, _) => Some(id),
            Login::Never | Login::Lost => None,
        }
    }

    pub(crate) fn user(&self) -> Option<&Username> {
        match &self.login {
            Login::Active(_, user) => Some(user),
            Login::Never | Login::Lost => None,
        }
    }
}

impl Format {
    /// The kind with the highest weight in `Accept`, the first of equals (RFC 9110, section 12.5.1).
    fn wanted(headers: &HeaderMap) -> Self {
        let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (0.0, Self::Text);
        for range in accept.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let Some(format) = parts.next().and_then(Self::named) else {
                continue;
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            if let Ok(weight) = weight
                && weight > best.0
            {
                best = (weight, format);
            }
        }
        best.1
    }

    fn named(media_type: &str) -> Option<Self> {
        match media_type.to_ascii_lowercase().as_str() {
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "application/json" | "application/problem+json" => Some(Self::Json),
            "text/plain" | "text/*" | "*/*" => Some(Self::Text),
            _ => None,
        }
    }
}

/// The value of a header, if it is text.
pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The cookie that makes a browser part of session `id`. Not `Secure`, because this service does not know whether its
/// client came over TLS; see the README.
pub(crate) fn cookie_for(id: SessionId) -> HeaderValue {
    set_cookie(Cookie::new(SESSION_COOKIE, id.to_cookie()))
}

/// The cookie that makes a browser forget its session.
pub(crate) fn expired_cookie() -> HeaderValue {
    let mut cookie = Cookie::new(SESSION_COOKIE, "");
    cookie.set_max_age(Duration::ZERO);
    set_cookie(cookie)
}

fn set_cookie(mut cookie: Cookie<'_>) -> HeaderValue {
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_path("/");
    // Only our own constants and hexadecimal digits are in it, so that it is always a valid header.
    HeaderValue::try_from(cookie.to_string()).expect("a cookie of ASCII text")
}

/// The first of our cookies that names a session of ours. There may be several, for other paths or planted by a
/// neighbour; one that is worthless must not hide one that is good.
fn login(posts: &Posts, headers: &HeaderMap) -> Login {
    let mut login = Login::Never;
    for header in headers.get_all(COOKIE) {
        // Lossy, because another application's cookie in the same header may hold any bytes.
        let pairs = String::from_utf8_lossy(header.as_bytes());
        for cookie in Cookie::split_parse(pairs.as_ref()).flatten().filter(|cookie| cookie.name() == SESSION_COOKIE) {
            let Some(id) = SessionId::parse(cookie.value()) else {
                login = Login::Lost;
                continue;
            };
            match posts.touch(id) {
                Some(user) => return Login::Active(id, user),
                None => login = Login::Lost,
            }
        }
    }
    login
}

const SESSION_COOKIE: &str = "posts_session";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_an_answer_follows_accept() {
        let check = |accept: &str, expected: Format| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().expect("a header"));
            assert_eq!(Format::wanted(&headers), expected, "{accept:?}");
        };
        check("*/*", Format::Text);
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html);
        check("application/json, text/plain, */*", Format::Json);
        check("text/html;q=0.5, application/json", Format::Json);
        check("TEXT/HTML; charset=utf-8", Format::Html);
        check("text/html;q=0", Format::Text);
        check("text/html;q=nan", Format::Text);
        check("image/png", Format::Text);
        check(",;q=,/", Format::Text);
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Text);
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let id = SessionId::parse(&"a".repeat(32)).expect("hexadecimal");
        let expected = format!("posts_session={}; HttpOnly; SameSite=Lax; Path=/", "a".repeat(32));
        assert_eq!(cookie_for(id), expected.as_str());
        assert_eq!(expired_cookie(), "posts_session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }
}
