//! How the endpoints of a backend are spoken to.

/// What is spoken to the endpoints of a backend. Which certificates they may show is not routing's to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1
    #[default]
    Http,
    /// HTTP/1.1 over TLS
    Https,
    /// HTTP/2 without TLS, known beforehand
    H2c,
    /// HTTP/2 over TLS
    H2,
}

impl Protocol {
    /// Is it spoken over TLS?
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2)
    }

    /// Do requests share connections?
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::H2)
    }

    /// The word for it in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::H2 => "h2",
        }
    }
}
