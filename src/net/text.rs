//! The outer form of a host pattern: what may never be in it, and where its ports begin.
//!
//! Programs disagree about odd forms, and where two readers disagree one of them can be led astray. So there is one
//! way to write each host, and everything else is refused with the way that is meant.

use std::net::Ipv6Addr;

use mcp_sandbox_platform::net::Ports;
use mcp_sandbox_platform::quote;

use super::Refusal;

/// Longer texts are no hosts: 253 bytes of name, brackets, and a range of ports, in characters of up to four bytes.
const MOST_BYTES: usize = 1100;

/// A refusal of the whole text.
pub fn refused(text: &str, why: &str, hint: impl Into<String>) -> Refusal {
    (format!("{} is not a host: {why}", quote(text)), hint.into())
}

/// Refuses what no host has, by the name of what it seems to be.
pub fn check(text: &str) -> Result<(), Refusal> {
    const ALONE: &str = "write the host alone, such as \"api.github.com\"";
    let has = |c: char| text.contains(c);
    if text.is_empty() {
        return Err(("an empty string names no host".into(), ALONE.into()));
    }
    if text.len() > MOST_BYTES {
        return Err(("a host is longer than any can be".into(), ALONE.into()));
    }
    if has('\0') {
        return Err(refused(text, "it holds a NUL", ALONE));
    }
    if text.contains(char::is_control) {
        return Err(refused(text, "it holds a control character", ALONE));
    }
    if text.contains(char::is_whitespace) {
        return Err(refused(
            text,
            "it holds a blank",
            "write each host as an entry of its own",
        ));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = quote(rest.split(['/', '?', '#']).next().unwrap_or_default());
        let hint = format!("write the host without the scheme and what follows it, as in {host}");
        return Err(refused(text, "it is a URL", hint));
    }
    if has('@') {
        return Err(refused(
            text,
            "it holds a user name",
            "write what follows the @ alone",
        ));
    }
    if has('%') {
        let hint = "write the address without % and what follows it, and names without escapes";
        return Err(refused(text, "it holds a zone or an escape", hint));
    }
    if has('\\') {
        return Err(refused(text, "it holds a backslash", ALONE));
    }
    if has('?') || has('#') {
        return Err(refused(text, "it holds a query or fragment of a URL", ALONE));
    }
    Ok(())
}

/// The host and the text of its ports, the brackets around IPv6 taken off.
pub fn split(text: &str) -> Result<(&str, Option<&str>), Refusal> {
    if let Some(rest) = text.strip_prefix('[') {
        return split_bracketed(text, rest);
    }
    if text.contains(['[', ']']) {
        let hint = "brackets stand around IPv6, as in \"[fd00::1]:5432\" and \"[fd00::/64]:5432\"";
        return Err(refused(text, "a bracket is out of place", hint));
    }
    match text.rsplit_once(':') {
        None => Ok((text, None)),
        Some((host, ports)) if !host.contains(':') => Ok((host, Some(ports))),
        Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() && is_decimal(port) => {
            Err(unbracketed(text, address, port))
        }
        Some(_) => Ok((text, None)),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split('-').all(digits)
}

/// Is the last part of `fd00::1:5432` a port? A reader cannot know, and would not be told.
fn unbracketed(text: &str, address: &str, port: &str) -> Refusal {
    let with = quote(format!("[{address}]:{port}"));
    match text.parse::<Ipv6Addr>() {
        Ok(_) => {
            let without = quote(format!("[{text}]"));
            let hint =
                format!("write {with} if {port} is the port, and {without} if it is part of the address");
            refused(text, "it may be an address, or an address and a port", hint)
        }
        Err(_) => refused(text, "its address has no brackets", format!("write {with}")),
    }
}

fn split_bracketed<'t>(text: &str, rest: &'t str) -> Result<(&'t str, Option<&'t str>), Refusal> {
    let Some((inside, after)) = rest.split_once(']') else {
        return Err(refused(
            text,
            "its bracket is not closed",
            "write ] after the address",
        ));
    };
    if !inside.contains(':') {
        let hint = format!("write {}", quote(format!("{inside}{after}")));
        return Err(refused(text, "brackets are for IPv6 only", hint));
    }
    match after.strip_prefix(':') {
        Some(ports) => Ok((inside, Some(ports))),
        None if after.is_empty() => Ok((inside, None)),
        None if after.starts_with('/') => {
            let hint = "the length stands inside the brackets, as in \"[fd00::/64]:5432\"";
            Err(refused(text, "a net has its length after the bracket", hint))
        }
        None => {
            let hint = "only :PORT or :PORT-PORT follows the bracket";
            Err(refused(
                text,
                "something else than ports follows the bracket",
                hint,
            ))
        }
    }
}

/// `PORT` or `PORT-PORT`, in decimal.
pub fn ports(text: &str, ports: &str) -> Result<Ports, Refusal> {
    parse_ports(ports).map_err(|why| {
        let hint = match ports {
            "" => "drop the colon, or write a port after it",
            "*" => "write :1-65535 for every port",
            _ if ports.contains(',') => "write one entry for each port",
            _ => {
                "a port is a number from 1 to 65535, a range is two of them, as in \"example.com:8000-8100\""
            }
        };
        (format!("{} in {} {why}", quote(ports), quote(text)), hint.into())
    })
}

fn parse_ports(text: &str) -> Result<Ports, &'static str> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    match first <= last {
        true => Ok(Ports::new([first..=last])),
        false => Err("is a range that ends before it starts"),
    }
}

/// Digits alone, the first of them no zero: `+80`, `0x50` and `0120` are other ports to other readers.
fn port(text: &str) -> Result<u16, &'static str> {
    if text == "0" {
        return Err("is no port: nothing can be connected to at port 0");
    }
    if text.is_empty() || text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is no port");
    }
    text.parse().map_err(|_| "is no port: the highest is 65535")
}
