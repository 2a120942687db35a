//! Sets of ports.

use std::fmt;
use std::ops::RangeInclusive;

/// Ports from 1 to 65535: ranges in order that neither touch nor overlap, so that equal sets are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// The ports of some ranges, ends included. Port 0 is none, and a range that ends before it starts is empty.
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        let mut given: Vec<(u16, u16)> = ranges
            .into_iter()
            .map(|range| ((*range.start()).max(1), *range.end()))
            .filter(|(start, end)| start <= end)
            .collect();
        given.sort_unstable();
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for (start, end) in given {
            match ranges.last_mut() {
                Some(last) if u32::from(start) <= u32::from(last.1) + 1 => last.1 = last.1.max(end),
                _ => ranges.push((start, end)),
            }
        }
        Ports(ranges)
    }

    /// Every port.
    pub fn all() -> Self {
        Ports(vec![(1, u16::MAX)])
    }

    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(start, end)| (*start..=*end).contains(&port))
    }

    pub fn is_all(&self) -> bool {
        *self == Ports::all()
    }

    /// The ranges, first and last port of each.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// The lowest port that is not in any of `others`.
    pub fn lowest_outside<'p>(&self, others: impl Iterator<Item = &'p Ports> + Clone) -> Option<u16> {
        self.0.iter().find_map(|&(start, end)| {
            let mut port = start;
            // Each turn leaves a range of the others behind, and never comes back to it.
            while let Some(last) = others.clone().find_map(|ports| ports.end_of_range_at(port)) {
                port = last.checked_add(1)?;
            }
            (port <= end).then_some(port)
        })
    }

    fn end_of_range_at(&self, port: u16) -> Option<u16> {
        let range = self.0.iter().find(|(start, end)| (*start..=*end).contains(&port));
        range.map(|(_, end)| *end)
    }
}

/// As a rule writes them, `80,443` or `5000-5010`; every port as `1-65535`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (start, end)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match start == end {
                true => write!(f, "{comma}{start}")?,
                false => write!(f, "{comma}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Ports;

    #[test]
    fn ranges_are_sorted_and_joined() {
        let ports = Ports::new([443..=443, 80..=80, 81..=90, 85..=100, 0..=0]);
        assert_eq!(ports.to_string(), "80-100,443");
        assert_eq!(Ports::new([0..=u16::MAX]), Ports::all());
        #[expect(clippy::reversed_empty_ranges, reason = "what a caller may hand over")]
        let none = Ports::new([9..=1]);
        assert_eq!((none.to_string().as_str(), none.contains(5)), ("", false));
        assert!(Ports::all().is_all() && Ports::all().contains(65535) && !Ports::all().contains(0));
    }

    proptest! {
        #[test]
        fn membership_is_that_of_the_ranges(given in prop::collection::vec((0u16..50, 0u16..50), 0..6), port in 0u16..60) {
            let ports = Ports::new(given.iter().map(|(start, end)| *start..=*end));
            let expected = port > 0 && given.iter().any(|(start, end)| (*start..=*end).contains(&port));
            prop_assert_eq!(ports.contains(port), expected);
            prop_assert_eq!(&Ports::new(ports.ranges().iter().map(|(start, end)| *start..=*end)), &ports);
        }

        #[test]
        fn the_lowest_port_outside_is_found(
            own in prop::collection::vec((1u16..30, 1u16..30), 0..4),
            others in prop::collection::vec(prop::collection::vec((1u16..30, 1u16..30), 0..4), 0..4),
        ) {
            let ports = |ranges: &[(u16, u16)]| Ports::new(ranges.iter().map(|(start, end)| *start..=*end));
            let own = ports(&own);
            let others: Vec<Ports> = others.iter().map(|one| ports(one)).collect();
            let expected = (1..=31).find(|port| own.contains(*port) && !others.iter().any(|one| one.contains(*port)));
            prop_assert_eq!(own.lowest_outside(others.iter()), expected);
        }
    }

    #[test]
    fn the_last_port_ends_the_search() {
        assert_eq!(Ports::all().lowest_outside([Ports::all()].iter()), None);
        let but_last = Ports::new([1..=65534]);
        assert_eq!(Ports::all().lowest_outside([but_last].iter()), Some(65535));
    }
}
