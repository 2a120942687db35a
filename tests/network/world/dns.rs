//! A name server of the internet, which answers what a test told it and counts what it was asked.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Types of RFC 1035 and RFC 3596.
const A: u16 = 1;
const AAAA: u16 = 28;
const NO_SUCH_NAME: u8 = 3;

/// Everything it knows and was asked.
#[derive(Clone, Default)]
pub struct Dns(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    addresses: HashMap<String, Vec<IpAddr>>,
    asked: Vec<(String, u16)>,
}

impl Dns {
    /// Serves at port 53 of `address`, until the program ends.
    pub fn start(address: IpAddr) -> Self {
        let dns = Dns::default();
        let socket = UdpSocket::bind(SocketAddr::new(address, 53)).expect("port 53 of our own namespace");
        let serving = dns.clone();
        thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut packet) {
                if let Some(answer) = serving.answer(&packet[..length]) {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        dns
    }

    /// From now on the name has these addresses.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|ip| ip.parse().expect("an address"));
        self.state().addresses.insert(name.into(), addresses.collect());
    }

    /// The names that were asked for and hold `part`.
    pub fn asked(&self, part: &str) -> Vec<String> {
        let state = self.state();
        let names = state.asked.iter().map(|(name, _)| name);
        names.filter(|name| name.contains(part)).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = name_of(query)?;
        let kind = u16::from_be_bytes(query.get(end..end + 2)?.try_into().ok()?);
        let mut state = self.state();
        state.asked.push((name.clone(), kind));
        let found = state.addresses.get(&name);
        let code = if found.is_some() { 0 } else { NO_SUCH_NAME };
        let records: Vec<Vec<u8>> = found
            .into_iter()
            .flatten()
            .filter_map(|ip| record(*ip, kind))
            .collect();
        let mut answer = query[..2].to_vec();
        // A response, recursion desired and available; one question, as it was put.
        answer.extend([0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
        answer.extend(&query[12..end + 4]);
        answer.extend(records.concat());
        Some(answer)
    }
}

/// The name of the first question in lower case, and where it ends.
fn name_of(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
}

/// A record of the name in the question, valid for no time.
fn record(ip: IpAddr, kind: u16) -> Option<Vec<u8>> {
    let data = match (ip, kind) {
        (IpAddr::V4(ip), A) => ip.octets().to_vec(),
        (IpAddr::V6(ip), AAAA) => ip.octets().to_vec(),
        _ => return None,
    };
    let mut record = vec![0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 0, 0, data.len() as u8];
    record.extend(data);
    Some(record)
}
