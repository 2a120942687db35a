//! From text to hosts, nets and ports: the only parser of them in the program.
//!
//! [`HostPattern`] is a line of `allow` or `block`, [`Destination`] what `why` asks about. What a line may be is judged
//! by [`warnings`] and [`remarks`]. How destinations are matched is the platform package's.

mod address;
mod destination;
mod idn;
mod lint;
mod pattern;
mod text;

pub use destination::{Destination, One};
pub use lint::{is_anyones, remarks, warnings};
pub use pattern::{HostPattern, List};

/// What is wrong with a text, and the hint.
pub type Refusal = (String, String);
