//! The known word that a mistyped one most likely stands for.

/// The word of `known` nearest to `word`, if one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= tolerance(word, candidate))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// A third of the longer word: enough for a swap in `cpu` and for the suffix of `timeout_ms`, too little to turn one
/// honest word into another.
fn tolerance(word: &str, candidate: &str) -> usize {
    (word.len().max(candidate.len()) / 3).max(1)
}

/// ` did you mean …?` after a semicolon, or nothing.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_find_their_word() {
        assert_eq!(nearest("memroy", ["handler", "memory", "timeout"]), Some("memory"));
    }

    #[test]
    fn a_unit_in_the_key_is_seen_through() {
        assert_eq!(nearest("timeout_ms", ["handler", "memory", "timeout"]), Some("timeout"));
    }

    #[test]
    fn a_foreign_word_suggests_nothing() {
        assert_eq!(nearest("runtime", ["handler", "memory", "scratch"]), None);
    }
}
