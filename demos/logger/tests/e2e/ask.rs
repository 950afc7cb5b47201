//! A client in a pod: `ask NAME PORT PATH` looks a name up as any program in that pod would, and leaves what answers there as its
//! termination message, which the API server keeps. A log is the node's, and a node may throw it away.

use std::{
    error::Error,
    fs::File,
    io::{Write, copy},
    net::{TcpStream, ToSocketAddrs},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(port), Some(path)) = (args.next(), args.next(), args.next()) else {
        return Err("ask NAME PORT PATH".into());
    };
    let mut out = File::create("/dev/termination-log")?;
    for address in (name.as_str(), port.parse()?).to_socket_addrs()? {
        writeln!(out, "{name} is {}", address.ip())?;
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n")?;
        copy(&mut stream, &mut out)?;
        writeln!(out)?;
    }
    Ok(())
}
