//! Addresses and nets, each in the one form that every reader takes the same way.

use std::net::IpAddr;

use ipnet::IpNet;
use mcp_sandbox_platform::quote;

use super::Refusal;
use super::text::refused;

/// An address or a net, if the text is meant as one: it holds a colon, or is dotted decimal up to a slash.
///
/// # Errors
/// It is meant as one and is none.
pub fn parse(text: &str, host: &str) -> Result<Option<IpNet>, Refusal> {
    let (address, length) = match host.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (host, None),
    };
    let ip: IpAddr = match address.parse() {
        Ok(ip) => ip,
        Err(_) if address.contains(':') => {
            let hint = "write it as in \"[fd00::1]:5432\", \"fd00::1\" or \"fd00::/64\"";
            return Err(refused(text, "it is no IPv6 address", hint));
        }
        Err(_) => return Ok(None),
    };
    refuse_mapped(text, ip)?;
    match length {
        None => Ok(Some(IpNet::from(ip))),
        Some(length) => net(text, ip, length).map(Some),
    }
}

fn net(text: &str, ip: IpAddr, length: &str) -> Result<IpNet, Refusal> {
    // Digits alone: an empty length must never be read as /0.
    let number = match length.bytes().all(|byte| byte.is_ascii_digit()) && length.len() <= 3 {
        true => length.parse().ok(),
        false => None,
    };
    let canonical = number.filter(|number: &u8| number.to_string() == length);
    let Some(net) = canonical.and_then(|number| IpNet::new(ip, number).ok()) else {
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let why = format!("{} is no length of a net", quote(length));
        let hint = match length.split_once(':') {
            Some((length, ports)) => format!("write {}", quote(format!("[{ip}/{length}]:{ports}"))),
            None => format!("a length is a number from 0 to {most}"),
        };
        return Err(refused(text, &why, hint));
    };
    if net.addr() != net.network() {
        let (whole, one) = (quote(net.trunc().to_string()), quote(ip.to_string()));
        let hint = format!("write {whole} for the net, or {one} for the one address");
        return Err(refused(
            text,
            "its address has bits beyond the length of the net",
            hint,
        ));
    }
    Ok(net)
}

/// An IPv4 address in IPv6 dress is the IPv4 address; one spelling is enough.
fn refuse_mapped(text: &str, ip: IpAddr) -> Result<(), Refusal> {
    let IpAddr::V6(v6) = ip else {
        return Ok(());
    };
    match v6.to_ipv4_mapped() {
        None => Ok(()),
        Some(v4) => {
            let hint = format!(
                "write the IPv4 address or net itself, such as {}",
                quote(v4.to_string())
            );
            Err(refused(text, "it is an IPv4 address written as IPv6", hint))
        }
    }
}
