//! The valid word that was probably meant.

/// The candidate nearest to `word`, if any is near enough to be a slip of the fingers.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: String = word.chars().take(64).collect::<String>().to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&word, &lower);
            (distance <= allowed || related(&word, &lower)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `server-filesystem` is meant to find `filesystem`, which is many edits away.
fn related(word: &str, candidate: &str) -> bool {
    candidate.len() >= 4 && word.contains(candidate) || word.len() >= 4 && candidate.contains(word)
}

/// The start of a hint: `did you mean "x"? `, or nothing.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    match nearest(word, candidates) {
        Some(near) => format!("did you mean {}? ", mcp_sandbox_platform::quote(near)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, nearest};

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(nearest("mount", ["home", "mounts"]), Some("mounts"));
        assert_eq!(nearest("Tpm", ["home", "tmp"]), Some("tmp"));
        assert_eq!(
            nearest("server-filesystem", ["filesystem", "time"]),
            Some("filesystem")
        );
        assert_eq!(nearest("NET_BIND", ["SETGID", "NET_BIND_X"]), Some("NET_BIND_X"));
        assert_eq!(nearest("network", ["command", "process"]), None);
        assert_eq!(nearest("", ["tmp"]), None);
        assert_eq!(did_you_mean("zzz", ["tmp"]), "");
    }
}
