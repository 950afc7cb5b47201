//! The rules, each with a name that metrics and documents keep.

/// Whose bytes a rule is about: for the documentation, which a test writes.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Both,
    Requests,
    Responses,
}

/// Makes the enum and its table out of one list: nothing can be in one and not in the other.
macro_rules! rules {
    ($($scope:ident $rule:ident $name:literal $status:literal $rfc:literal $text:literal;)*) => {
        /// A rule that a message broke.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        pub(in crate::proxy) enum Rule {
            $(#[doc = $text] #[error($text)] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the documentation.
            pub(in crate::proxy) const ALL: &[Self] = &[$(Self::$rule),*];

            /// What metrics and documents call it. It does not change.
            pub(in crate::proxy) fn name(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// The answer to a request that breaks it. To a response that does, it is always 502.
            pub(in crate::proxy) fn status(self) -> u16 {
                match self { $(Self::$rule => $status),* }
            }

            /// Does whoever breaks it get an answer? Not if they speak no HTTP, or none any more.
            pub(in crate::proxy) fn is_answered(self) -> bool {
                !matches!(self, Self::NotHttp | Self::Early)
            }

            /// What is refused, in words that may be shown to whoever sent it.
            pub(in crate::proxy) fn detail(self) -> &'static str {
                match self { $(Self::$rule => $text),* }
            }

            /// Where it is written.
            #[cfg(test)]
            pub(super) fn rfc(self) -> &'static str {
                match self { $(Self::$rule => $rfc),* }
            }

            /// Whose bytes it is about.
            #[cfg(test)]
            pub(super) fn scope(self) -> Scope {
                match self { $(Self::$rule => Scope::$scope),* }
            }
        }
    };
}

rules! {
    Both BareLf "bare-lf" 400 "9112 §2.2" "a line ends in LF without CR";
    Both BareCr "bare-cr" 400 "9112 §2.2" "CR stands where no LF follows";
    Requests EmptyLines "empty-lines" 400 "9112 §2.2" "more than one empty line stands before the request line";
    Requests RequestLine "request-line" 400 "9112 §3" "the request line is not three parts with one space between";
    Requests Method "method" 400 "9110 §9.1" "the method is no token";
    Requests Connect "connect" 400 "9110 §9.3.6" "CONNECT, which is not served";
    Requests Target "target" 400 "9112 §3.2" "the target is neither a path nor an http URL, or has characters that no URL has";
    Requests Fragment "fragment" 400 "9112 §3.2" "the target has a fragment";
    Requests Asterisk "asterisk" 400 "9112 §3.2.4" "the target is the server as a whole";
    Requests TargetTooLong "target-too-long" 414 "9112 §3" "the target is longer than allowed";
    Requests NotHttp "not-http" 400 "9112 §2.3" "the first line names no version of HTTP: the connection is closed without an answer";
    Both Version "version" 400 "9112 §2.3" "the version is neither HTTP/1.1 nor HTTP/1.0";
    Responses StatusLine "status-line" 502 "9112 §4" "the status line is malformed, or its status is not within 100 to 599";
    Both HeadTooLarge "head-too-large" 431 "6585 §5" "the head or the trailer section is larger than allowed";
    Both TooManyFields "too-many-fields" 431 "6585 §5" "there are more fields than allowed";
    Both FieldName "field-name" 400 "9110 §5.1" "a field has no name, or one that is no token";
    Both BlankBeforeColon "blank-before-colon" 400 "9112 §5.1" "blanks stand between a field name and its colon";
    Both Fold "fold" 400 "9112 §5.2" "a field line begins with a blank";
    Both ControlByte "control-byte" 400 "9110 §5.5" "a field value has a control character";
    Requests HostMissing "host-missing" 400 "9112 §3.2" "a request that is not of HTTP/1.0 names no host";
    Requests HostRepeated "host-repeated" 400 "9112 §3.2" "there is more than one Host";
    Requests Host "host" 400 "9112 §3.2" "the Host is no host name or address with an optional port";
    Requests Authority "authority" 400 "9112 §3.2.2" "the host of the target is not the Host";
    Both Length "length" 400 "9112 §6.3" "Content-Length is not one plain number below 2^63";
    Both LengthRepeated "length-repeated" 400 "9112 §6.3" "there is more than one Content-Length";
    Both LengthAndEncoding "length-and-encoding" 400 "9112 §6.1" "Content-Length stands beside Transfer-Encoding";
    Both Encoding "encoding" 400 "9112 §6.1" "Transfer-Encoding is not `chunked` once";
    Both EncodingInOldVersion "encoding-in-1.0" 400 "9112 §6.1" "HTTP/1.0 with Transfer-Encoding";
    Both ChunkSize "chunk-size" 400 "9112 §7.1" "a chunk size is not 1 to 16 hexadecimal digits";
    Both ChunkExtension "chunk-extension" 400 "9112 §7.1.1" "a chunk has an extension";
    Both ChunkEnd "chunk-end" 400 "9112 §7.1" "no line end follows the data of a chunk";
    Both Trailer "trailer" 400 "9110 §6.5.1" "a trailer field says where messages go or end";
    Requests Expect "expect" 417 "9110 §10.1.1" "Expect is not `100-continue` once";
    Requests Early "early" 400 "9110 §7.8" "too much is sent before a request for an upgrade has been answered: the connection is closed without an answer";
    Responses Switch "switch" 502 "9110 §15.2.2" "101 that was not asked for, or that names no protocol";
    Responses Interim "interim" 502 "9110 §15.2" "too many interim responses to one request";
    Responses Bodiless "bodiless" 502 "9110 §8.6" "a response that has no body announces one";
    Responses Unasked "unasked" 502 "9112 §9.2" "bytes come that answer no request";
}
