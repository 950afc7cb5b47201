//! The one HTML page, to click through the lesson with: who served it, who is logged in, their posts, and what became of
//! a session that is gone. Plain server-rendered HTML; no script, nothing from elsewhere.

use std::fmt::Write;

use axum::{
    http::header::CONTENT_SECURITY_POLICY,
    response::{Html, IntoResponse, Response},
};

use crate::{
    caller::{Caller, Login},
    posts::Posts,
    sessions::Post,
    username::Username,
};

pub(crate) struct Page<'a> {
    posts: &'a Posts,
    caller: &'a Caller,
    notice: Option<&'a str>,
}

impl<'a> Page<'a> {
    pub(crate) fn new(posts: &'a Posts, caller: &'a Caller) -> Self {
        Self { posts, caller, notice: None }
    }

    /// Something to say above everything else.
    pub(crate) fn notice(self, notice: &'a str) -> Self {
        Self { notice: Some(notice), ..self }
    }

    fn html(&self) -> String {
        let instance = self.posts.name();
        let notice = self.notice.map(|notice| format!("<p class=notice>{}</p>\n", escape(notice))).unwrap_or_default();
        let moorline = self.caller.moorline.as_deref().map(moorline_says).unwrap_or_default();
        let main = match &self.caller.login {
            Login::Active(id, user) => desk(user, &self.posts.posts(*id).unwrap_or_default()),
            Login::Lost => format!("{}{LOGIN}", self.loss()),
            Login::Never => LOGIN.to_owned(),
        };
        format!(
            "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
             <meta name=viewport content=\"width=device-width\">\n<title>Posts · {instance}</title>\n\
             <style>{CSS}</style>\n<header><h1>Posts</h1><p>Served by <b>{instance}</b>{moorline}</p></header>\n\
             {notice}{main}\n</html>\n"
        )
    }

    /// Why the session is gone, as far as anybody can know.
    fn loss(&self) -> String {
        let instance = self.posts.name();
        let why = match self.caller.moorline.as_deref() {
            Some("restarted") => format!("{instance} has restarted, and its memory is empty"),
            Some("reassigned" | "temporary") => {
                format!("the instance that held it is gone, and Moorline brought you to {instance}")
            }
            _ => format!("it has ended, or it lives in the memory of another instance than {instance}"),
        };
        format!("<p class=notice>Your session was lost: {why}.</p>\n")
    }
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        ([(CONTENT_SECURITY_POLICY, POLICY)], Html(self.html())).into_response()
    }
}

fn moorline_says(session: &str) -> String {
    format!(" · Moorline says: session <b>{}</b>", escape(session))
}

/// What somebody who is logged in has in front of them: their posts, newest first, and a form for the next.
fn desk(user: &Username, posts: &[Post]) -> String {
    let user = escape(user.as_str());
    let mut html = format!(
        "<form action=/logout><p>Logged in as <b>{user}</b> <button>Log out</button></p></form>\n\
         <form action=/post method=post><textarea name=text rows=3 required autofocus></textarea>\
         <button>Post</button></form>\n<ol reversed>\n"
    );
    for Post { id, text } in posts.iter().rev() {
        // Writing to a String cannot fail.
        let _ = writeln!(html, "<li value={id}>{}</li>", escape(text));
    }
    html + "</ol>"
}

/// Text as HTML shows it, safe inside elements and quoted attributes.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

const LOGIN: &str = "<form action=/login><label>Who are you? <input name=username required maxlength=64 autofocus \
                     autocomplete=username></label> <button>Log in</button></form>";

const CSS: &str = "body{max-width:40rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;\
                   color-scheme:light dark}textarea,input{font:inherit;padding:.4rem}textarea{width:100%;\
                   box-sizing:border-box}button{font:inherit;padding:.3rem 1rem}.notice{padding:.6rem 1rem;\
                   border-left:.3rem solid #c60}li{white-space:pre-wrap;overflow-wrap:anywhere;margin:.5rem 0}";

/// Even if something slipped through unescaped, no script would run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_html_is_escaped() {
        assert_eq!(
            escape("<a href=\"x\">Tom & 'Jerry'</a>"),
            "&lt;a href=&quot;x&quot;&gt;Tom &amp; &#39;Jerry&#39;&lt;/a&gt;"
        );
        assert_eq!(escape("plain ü"), "plain ü");
    }
}
