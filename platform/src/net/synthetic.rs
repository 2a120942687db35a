//! Synthetic addresses: what programs in the box connect to in place of a name's own addresses.
//!
//! One IPv4 address per name from 198.18.0.0/15, the block for benchmarks (RFC 2544) that no host on the internet
//! has. An address is never given to a second name, so that a program that keeps one for hours reaches what it
//! asked for.

use std::net::Ipv4Addr;

use super::Name;

const NETWORK: u32 = Ipv4Addr::new(198, 18, 0, 0).to_bits();

/// Last octets 0 and 255 are left out: some programs take such an address for a network's or a broadcast.
const PER_OCTET: u32 = 254;

/// The most names of one box. A pattern such as `*.example.com` has no end of them.
pub const MOST: usize = 4096;

/// Which name has which address. Empty at first, only ever grows.
#[derive(Debug, Default)]
pub struct Synthetic {
    /// In the order of their addresses.
    names: Vec<Name>,
    /// Places in `names`, in the order of the names.
    sorted: Vec<u16>,
}

impl Synthetic {
    /// The address of a name, a new one when it has none yet; nothing when all are given away.
    pub fn address(&mut self, name: &Name) -> Option<Ipv4Addr> {
        let names = &self.names;
        let found = self
            .sorted
            .binary_search_by(|place| names[usize::from(*place)].cmp(name));
        match found {
            Ok(at) => Some(address(self.sorted[at])),
            Err(_) if names.len() >= MOST => None,
            Err(at) => {
                let place = names.len() as u16;
                self.names.push(name.clone());
                self.sorted.insert(at, place);
                Some(address(place))
            }
        }
    }

    /// The name that an address stands for.
    pub fn behind(&self, address: Ipv4Addr) -> Option<&Name> {
        let offset = address.to_bits().checked_sub(NETWORK)?;
        let (high, low) = (offset >> 8, offset & 0xff);
        let within = low.checked_sub(1).filter(|within| *within < PER_OCTET)?;
        let place = high.checked_mul(PER_OCTET)?.checked_add(within)?.checked_sub(1)?;
        self.names.get(usize::try_from(place).ok()?)
    }
}

/// Place 0 is the first address after our own.
fn address(place: u16) -> Ipv4Addr {
    let index = u32::from(place) + 1;
    Ipv4Addr::from_bits(NETWORK + ((index / PER_OCTET) << 8) + 1 + index % PER_OCTET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::OWN_ADDRESS;

    fn name(number: usize) -> Name {
        Name::parse(&format!("h{number}.example.com")).unwrap()
    }

    #[test]
    fn the_first_address_follows_our_own() {
        let mut table = Synthetic::default();
        assert_eq!(table.address(&name(0)), Some(Ipv4Addr::new(198, 18, 0, 2)));
        assert_eq!(table.behind(OWN_ADDRESS), None);
        assert_eq!(table.behind(Ipv4Addr::new(198, 18, 0, 0)), None);
    }

    #[test]
    fn every_name_keeps_an_address_of_its_own_and_the_table_ends() {
        let mut table = Synthetic::default();
        let given: Vec<Ipv4Addr> = (0..MOST).map(|n| table.address(&name(n)).unwrap()).collect();
        for (number, address) in given.iter().enumerate() {
            assert_eq!(table.behind(*address), Some(&name(number)), "{address}");
            assert_eq!(table.address(&name(number)), Some(*address));
            assert!(!matches!(address.octets()[3], 0 | 255), "{address}");
            assert!(matches!(address.octets()[..2], [198, 18 | 19]), "{address}");
        }
        assert_eq!(table.address(&name(MOST)), None);
        assert_eq!(table.address(&name(7)), Some(given[7]));
    }

    #[test]
    fn an_address_that_was_not_given_has_no_name() {
        let mut table = Synthetic::default();
        let given: Vec<Ipv4Addr> = (0..300).map(|n| table.address(&name(n)).unwrap()).collect();
        for bits in NETWORK..NETWORK + 0x2_0000 {
            let address = Ipv4Addr::from_bits(bits);
            assert_eq!(
                table.behind(address).is_some(),
                given.contains(&address),
                "{address}"
            );
        }
        for outside in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST] {
            assert_eq!(table.behind(outside), None);
        }
    }
}
