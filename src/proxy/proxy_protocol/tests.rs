use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn complete(client: Option<&str>, length: usize) -> Result<Parsed, Broken> {
    Ok(Parsed::Complete { client: client.map(|client| client.parse().expect("an address")), length })
}

/// The header is read, whatever follows it, and no part of it is taken for the whole.
#[track_caller]
fn good(header: &[u8], client: Option<&str>) {
    assert_eq!(parse(header), complete(client, header.len()));
    assert_eq!(parse(&[header, b"GET / HTTP/1.1\r\n\r\n"].concat()), complete(client, header.len()));
    for cut in 0..header.len() {
        assert_eq!(parse(&header[..cut]), Ok(Parsed::Incomplete), "the first {cut}");
    }
}

#[track_caller]
fn bad(header: &[u8], broken: Broken) {
    assert_eq!(parse(header), Err(broken), "{}", header.escape_ascii());
}

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a length");
    [&V2[..], &[command, family], &length.to_be_bytes(), block].concat()
}

const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

fn v6() -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
    [&address("2001:db8::7")[..], &address("2001:db8::1"), &[0xdc, 0x04, 0x01, 0xbb]].concat()
}

#[test]
fn a_line_names_the_client() {
    good(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Some("192.0.2.7:56324"));
    good(b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255:65535"));
    good(b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some("0.0.0.0:0"));
    good(b"PROXY TCP6 2001:db8::7 2001:DB8:0:0::1 56324 443\r\n", Some("[2001:db8::7]:56324"));
    // As inet_ntop writes the IPv4 client of a dual-stack socket.
    good(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", Some("[::ffff:192.0.2.7]:1"));
    good(b"PROXY UNKNOWN\r\n", None);
    good(b"PROXY UNKNOWN whatever \xff follows\r\n", None);
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
    assert_eq!(longest.len(), MAX_LINE);
    good(longest.as_bytes(), None);
}

#[test]
fn a_line_that_is_not_exactly_one_is_broken() {
    for (line, broken) in [
        ("GET / HTTP/1.1\r\n", Broken::Missing),
        ("proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n", Broken::Missing),
        (" PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", Broken::Missing),
        ("PROXY\tTCP4 192.0.2.7 192.0.2.1 1 2\r\n", Broken::Missing),
        ("\x16\x03\x01", Broken::Missing),
        ("\r\n\r\nGET /", Broken::Missing),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n", Broken::LineEnd),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\rGET", Broken::LineEnd),
        ("PROXY UNKNOWN \n\r\n", Broken::LineEnd),
        ("PROXY \r\n", Broken::Fields),
        ("PROXY TCP4\r\n", Broken::Fields),
        ("PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n", Broken::Fields),
        ("PROXY UNKNOWNS\r\n", Broken::Fields),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n", Broken::Fields),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n", Broken::Fields),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n", Broken::Fields),
        ("PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n", Broken::Fields),
        ("PROXY TCP4 192.0.2.07 192.0.2.1 1 2\r\n", Broken::Address),
        ("PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n", Broken::Address),
        ("PROXY TCP4 192.0.2 192.0.2.1 1 2\r\n", Broken::Address),
        ("PROXY TCP4 192.0.2.7 ::1 1 2\r\n", Broken::Address),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", Broken::Address),
        ("PROXY TCP6 192.0.2.7 ::1 1 2\r\n", Broken::Address),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", Broken::Address),
        ("PROXY TCP6 [::1] ::1 1 2\r\n", Broken::Address),
        ("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", Broken::Address),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n", Broken::Port),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n", Broken::Port),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 +1 2\r\n", Broken::Port),
        ("PROXY TCP4 192.0.2.7 192.0.2.1 -1 2\r\n", Broken::Port),
    ] {
        bad(line.as_bytes(), broken);
    }
    bad(b"PROXY TCP4 \xff 192.0.2.1 1 2\r\n", Broken::Fields);
    bad(format!("PROXY UNKNOWN {}\r\n", "f".repeat(92)).as_bytes(), Broken::TooLong);
    bad(format!("PROXY {}", "f".repeat(101)).as_bytes(), Broken::TooLong);
}

#[test]
fn a_binary_header_names_the_client_and_what_follows_is_skipped() {
    good(&v2(0x21, 0x11, &V4), Some("192.0.2.7:56324"));
    good(&v2(0x21, 0x21, &v6()), Some("[2001:db8::7]:56324"));
    let noop = [&V4[..], &[0x04, 0, 3, 1, 2, 3, 0xea, 0, 0]].concat();
    good(&v2(0x21, 0x11, &noop), Some("192.0.2.7:56324"));
    let large = [&V4[..], &[0x20, 0x0f, 0xf1], &[0; 0xff1]].concat();
    assert_eq!(large.len(), MAX_BLOCK);
    assert_eq!(parse(&v2(0x21, 0x11, &large)), complete(Some("192.0.2.7:56324"), FIXED + MAX_BLOCK));
}

#[test]
fn a_binary_header_that_names_nobody_leaves_the_peer_the_client() {
    good(&v2(0x20, 0x00, &[]), None);
    // LOCAL, whatever stands there.
    good(&v2(0x20, 0x11, &V4), None);
    good(&v2(0x20, 0xff, &[1, 2, 3]), None);
    // UNSPEC, with an address that nobody has to understand.
    good(&v2(0x21, 0x00, &[]), None);
    good(&v2(0x21, 0x00, &[1, 2, 3]), None);
    good(&v2(0x21, 0x10, &[1]), None);
    // UDP, and sockets of a file system.
    good(&v2(0x21, 0x12, &V4), None);
    good(&v2(0x21, 0x31, &[0; 216]), None);
}

#[test]
fn a_binary_header_that_is_not_exactly_one_is_broken() {
    for (command, family, block, broken) in [
        (0x11, 0x11, &V4[..], Broken::Command),
        (0x31, 0x11, &V4, Broken::Command),
        (0x22, 0x11, &V4, Broken::Command),
        (0x2f, 0x11, &V4, Broken::Command),
        (0x21, 0x13, &V4, Broken::Family),
        (0x21, 0x41, &V4, Broken::Family),
        (0x21, 0xff, &V4, Broken::Family),
        (0x21, 0x11, &V4[..11], Broken::TooShort),
        (0x21, 0x11, &[], Broken::TooShort),
        (0x21, 0x21, &[0; 35], Broken::TooShort),
        (0x21, 0x31, &[0; 215], Broken::TooShort),
        (0x21, 0x11, &[0; 13], Broken::Extensions),
        (0x21, 0x11, &[0; 14], Broken::Extensions),
        (0x21, 0x11, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1], Broken::Extensions),
    ] {
        bad(&v2(command, family, block), broken);
    }
    // It is not waited for until the whole length has come.
    bad(&v2(0x21, 0x11, &[0; MAX_BLOCK + 1])[..FIXED], Broken::TooLong);
    bad(&v2(0x20, 0x00, &[0; MAX_BLOCK + 1])[..FIXED], Broken::TooLong);
    bad(b"\r\n\r\n\0\r\nQUIC", Broken::Missing);
}

/// Bytes that have something of a header.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let v1 = prop::sample::select(vec!["PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "192.0.2.7 ", "::1 ", "1 ", "2", "\r\n"]);
    prop_oneof![
        vec(any::<u8>(), 0..64),
        vec(v1, 0..8).prop_map(|parts| parts.concat().into_bytes()),
        (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..64)).prop_map(|(command, family, block)| {
            let block = [&V4[..], &block].concat();
            v2(0x20 | (command & 3), family & 0x33, &block)
        }),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_a_header_the_begin_of_one_or_broken_for_good(bytes in bytes(), more in vec(any::<u8>(), 0..8)) {
        let all = [&bytes[..], &more].concat();
        match parse(&bytes) {
            // More bytes change nothing.
            Ok(Parsed::Complete { client, length }) => {
                prop_assert!(length <= bytes.len());
                prop_assert_eq!(parse(&bytes[..length]), Ok(Parsed::Complete { client, length }));
                prop_assert_eq!(parse(&all), Ok(Parsed::Complete { client, length }));
                for cut in 0..length {
                    prop_assert_eq!(parse(&bytes[..cut]), Ok(Parsed::Incomplete));
                }
            }
            Err(broken) => prop_assert_eq!(parse(&all), Err(broken)),
            Ok(Parsed::Incomplete) => prop_assert!(bytes.len() < FIXED + MAX_BLOCK),
        }
    }

    #[test]
    fn what_is_written_is_read(ip in any::<IpAddr>(), port in any::<u16>()) {
        let client = SocketAddr::new(ip, port);
        let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {ip} {ip} {port} 1\r\n");
        let v1 = Ok(Parsed::Complete { client: Some(client), length: line.len() });
        prop_assert_eq!(parse(line.as_bytes()), v1);
        let (family, octets) = match ip {
            IpAddr::V4(ip) => (0x11, ip.octets().to_vec()),
            IpAddr::V6(ip) => (0x21, ip.octets().to_vec()),
        };
        let header = v2(0x21, family, &[&octets[..], &octets, &port.to_be_bytes(), &[0, 1]].concat());
        prop_assert_eq!(parse(&header), Ok(Parsed::Complete { client: Some(client), length: header.len() }));
    }
}
