//! What is known about a client's connection for as long as it lasts.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use super::headers::{self, Peer};
use super::session::Memory;
use super::tls::Secured;
use super::worker::Worker;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) worker: Rc<Worker>,
    pub(super) address: IpAddr,
    pub(super) memory: RefCell<Memory>,
    peer: Peer,
    /// Who is trusted, if the client is.
    trusted: Option<Rc<[IpNet]>>,
    /// What was agreed upon, if the connection is TLS.
    tls: Option<Secured>,
    /// The address as a header value.
    address_value: HeaderValue,
    /// The `Forwarded` of the last request, and the host it was made for.
    forwarded: RefCell<Option<(HeaderValue, HeaderValue)>>,
}

/// As many fields as a request gets from us.
const ADDED: usize = 9;

const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");

impl Client {
    /// `trusted`: whose forwarding headers are believed, if this client is one of them.
    pub(super) fn new(
        worker: Rc<Worker>,
        address: SocketAddr,
        trusted: Option<Rc<[IpNet]>>,
        tls: Option<Secured>,
    ) -> Rc<Self> {
        let address = address.ip();
        // The text of an address is a header value.
        let address_value =
            HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Rc::new(Self {
            worker,
            address,
            memory: RefCell::default(),
            peer: if trusted.is_some() { Peer::Trusted } else { Peer::Untrusted },
            trusted,
            tls,
            address_value,
            forwarded: RefCell::default(),
        })
    }

    /// Was the client's own connection TLS? A trusted proxy knows better than we do what it was to that one.
    pub(super) fn is_tls(&self, headers: &HeaderMap) -> bool {
        match headers.get_all(headers::FORWARDED_PROTO).iter().next_back() {
            Some(proto) if self.peer == Peer::Trusted => proto.as_bytes().eq_ignore_ascii_case(b"https"),
            _ => self.tls.is_some(),
        }
    }

    /// If this client is a trusted proxy: all that are.
    pub(super) fn trusted_networks(&self) -> Option<&[IpNet]> {
        self.trusted.as_deref()
    }

    /// Is this connection TLS?
    pub(super) fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// May this host, which is in its canonical form, be asked for over this connection? None at all may.
    pub(super) fn covers(&self, host: &str) -> bool {
        host.is_empty() || self.tls.as_ref().is_none_or(|tls| tls.covers(host))
    }

    /// How the connection that we see came.
    fn scheme(&self) -> (&'static str, HeaderValue) {
        if self.tls.is_some() { ("https", HTTPS) } else { ("http", HTTP) }
    }

    /// Makes a client's head into the one that the endpoint gets: what is not to pass goes, who asked is added.
    pub(super) fn rewrite(&self, headers: &mut HeaderMap, host: Option<&HeaderValue>) {
        headers::clean_request(headers, self.peer);
        // Once for all the fields that are added here and by the decision, rather than growing twice.
        headers.reserve(ADDED);
        let trusted = self.peer == Peer::Trusted;
        let forwarded = self.forwarded(host);
        if !trusted {
            headers.insert(headers::FORWARDED_FOR, self.address_value.clone());
            headers.insert(headers::REAL_IP, self.address_value.clone());
            headers.insert(headers::FORWARDED_PROTO, self.scheme().1);
            if let Some(host) = host {
                headers.insert(headers::FORWARDED_HOST, host.clone());
            }
            if let Some(value) = forwarded {
                headers.insert(http::header::FORWARDED, value);
            }
            return;
        }
        headers::append(headers, headers::FORWARDED_FOR, &self.address_value);
        headers::keep_last(headers, headers::REAL_IP, &self.address_value);
        headers::keep_last(headers, headers::FORWARDED_PROTO, &self.scheme().1);
        if let Some(host) = host {
            headers::keep_last(headers, headers::FORWARDED_HOST, host);
        }
        if let Some(value) = forwarded {
            headers::append(headers, http::header::FORWARDED, &value);
        }
    }

    /// The request's id, and a `traceparent` for it unless it has one. What a client sends goes on if it is
    /// sound. A trace that begins here is marked as sampled: an application that follows its parent's choice,
    /// as OpenTelemetry's do by default, would record nothing otherwise.
    pub(super) fn identify(&self, headers: &HeaderMap) -> (HeaderValue, Option<HeaderValue>) {
        let sent = headers.get(headers::REQUEST_ID).filter(|id| headers::is_request_id(id));
        let traced = headers.get(headers::TRACEPARENT).is_some_and(headers::is_traceparent);
        if let (Some(id), true) = (sent, traced) {
            return (id.clone(), None);
        }
        let (trace, span) = {
            let mut rng = self.worker.rng.borrow_mut();
            (rng.u128(1..), rng.u64(1..))
        };
        // Both values lie in one allocation.
        let parent = Bytes::copy_from_slice(&headers::traceparent(trace, span));
        // Digits and dashes are header values.
        let value = |bytes: Bytes| HeaderValue::from_maybe_shared(bytes).unwrap_or(HeaderValue::from_static("-"));
        let id = sent.cloned().unwrap_or_else(|| value(parent.slice(headers::TRACE_ID)));
        (id, (!traced).then(|| value(parent)))
    }

    /// The same for all requests to one host: made once.
    fn forwarded(&self, host: Option<&HeaderValue>) -> Option<HeaderValue> {
        let Some(host) = host else { return headers::forwarded(self.address, None, self.scheme().0) };
        let mut last = self.forwarded.borrow_mut();
        if let Some((known, value)) = &*last
            && known == host
        {
            return Some(value.clone());
        }
        let value = headers::forwarded(self.address, Some(host), self.scheme().0)?;
        *last = Some((host.clone(), value.clone()));
        Some(value)
    }
}
