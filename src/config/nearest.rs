//! "Did you mean": the known word that is closest to a misspelt one.

/// The closest candidate within a third of the word's length, if there is one.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are nobody's typing error, and the distance costs the product of both lengths.
    if word.len() > 64 {
        return None;
    }
    let limit = (word.chars().count() / 3).max(1);
    candidates.into_iter().map(|known| (distance(word, known), known)).filter(|(far, _)| *far <= limit).min().map(|(_, known)| known)
}

/// " Did you mean x?" or nothing.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |known| format!(" Did you mean {known}?"))
}

/// Edits from one word to the other: insert, delete, replace, swap of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let mut cost = (above[j] + usize::from(left != right)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *left == b[j - 1] && a[i - 1] == *right {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_within_a_third_is_offered() {
        let known = ["issuer", "listen", "data_dir"];
        assert_eq!(nearest("isuer", known), Some("issuer"));
        assert_eq!(nearest("lsiten", known), Some("listen"));
        assert_eq!(nearest("datadir", known), Some("data_dir"));
        assert_eq!(nearest("postgres", known), None);
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }
}
