//! The PROXY protocol: a header is the same however much of it there is, ends where it ends, and says what it says.

use crate::planted::proxy_header;

pub fn check(data: &[u8]) {
    let data = &data[..data.len().min(600)];
    let mut known = None;
    for end in 0..=data.len() {
        let parsed = proxy_header(&data[..end]);
        match &known {
            None if parsed == Ok(None) => {}
            None => known = Some(parsed),
            Some(before) => assert_eq!(&parsed, before, "it changes with what follows, at {end}"),
        }
    }
    let Some(Ok(Some((client, length)))) = known else { return };
    let header = data.get(..length).expect("it is no longer than what there is");
    let Some(line) = header.strip_prefix(b"PROXY ") else {
        let variable = u16::from_be_bytes([header[14], header[15]]);
        assert_eq!(length, 16 + usize::from(variable));
        assert_eq!(header[12] >> 4, 2);
        return;
    };
    assert!(length <= 107);
    let line = line.strip_suffix(b"\r\n").expect("an end of the line");
    assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
    if let Some(client) = client {
        let line = std::str::from_utf8(line).expect("a text");
        let fields: Vec<&str> = line.split(' ').collect();
        let [family, source, _, port, _] = fields[..] else { panic!("{line:?}") };
        assert_eq!(family, if client.is_ipv4() { "TCP4" } else { "TCP6" });
        assert_eq!(source.parse(), Ok(client.ip()));
        assert_eq!(port, client.port().to_string());
    }
}
