//! The floods, each with a name that metrics and documents keep, and what a frame of it costs.

/// Makes the enum and its table out of one list: nothing can be in one and not in the other.
macro_rules! floods {
    ($($flood:ident $name:literal $cost:literal $text:literal;)*) => {
        /// Of what there was too much.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        pub(in crate::proxy) enum Flood {
            $(#[doc = $text] #[error("too many frames of no use: {}", $name)] $flood,)*
        }

        impl Flood {
            /// Every flood, in the order of the documentation.
            pub(in crate::proxy) const ALL: &[Self] = &[$(Self::$flood),*];

            /// What metrics and documents call it. It does not change. The client is told it, too.
            pub(in crate::proxy) fn name(self) -> &'static str {
                match self { $(Self::$flood => $name),* }
            }

            /// What one frame takes from the budget.
            pub(super) fn cost(self) -> u32 {
                match self { $(Self::$flood => $cost),* }
            }

            /// What is counted.
            #[cfg(test)]
            pub(super) fn detail(self) -> &'static str {
                match self { $(Self::$flood => $text),* }
            }
        }
    };
}

floods! {
    RapidReset "rapid-reset" 2 "RST_STREAM for a request that was asked less than a second ago and is not answered";
    Reset "reset" 1 "RST_STREAM for a stream that is not open";
    ProvokedReset "provoked-reset" 2 "a frame in answer to which we have to reset its stream; 1 if that was not open, or one too many";
    Headers "headers" 1 "HEADERS that open no stream: trailers, or a stream that is closed";
    HeaderBlock "header-block" 100 "a header block larger than `head_size` before it is decompressed; at twice that the connection ends at once";
    Continuation "continuation" 1 "CONTINUATION; at more than 16 for one header block the connection ends at once";
    EmptyData "empty-data" 4 "DATA without a byte that does not end its stream";
    Ping "ping" 1 "PING, and answers to ours, when what we sent does not account for it";
    Settings "settings" 4 "SETTINGS; 1 for answers to ours";
    WindowUpdate "window-update" 1 "WINDOW_UPDATE, when what we sent does not account for it";
    Priority "priority" 1 "PRIORITY and PRIORITY_UPDATE";
    Unknown "unknown" 1 "any other frame";
    Streams "streams" 0 "more streams at a time than `streams` and `http2_frames` together: the connection ends at once";
}
