//! `allow`, `block`, `dns` of `[network]`, and `--allow`.

use crate::common::hosts;
use crate::scripts::{allow, bare, boxed};

const HELLO: &str = "hello from 11.11.1.1";

const EVERY_NAME: &str = r#"
for name in ["api.test", "forbidden.test", "wild.test", "a.wild.test", "b.a.wild.test"]:
    attempt(name, lambda: reach(name))
"#;

#[test]
fn a_name_is_reached_and_its_neighbour_at_the_same_address_is_not() {
    for host in hosts() {
        bare(&host, EVERY_NAME).all_are(&[HELLO]);
        let said = boxed(&host, &allow(&["api.test:7000"]), EVERY_NAME);
        said.is(&[
            ("api.test", HELLO),
            ("forbidden.test", "EAI_NONAME"),
            ("wild.test", "EAI_NONAME"),
            ("a.wild.test", "EAI_NONAME"),
            ("b.a.wild.test", "EAI_NONAME"),
        ]);
    }
}
