//! A browser in words that its owner recognises, from what it says of itself. It may lie: this is a reminder, no proof.

/// `Firefox, Linux, 192.0.2.1`: as far as it is known; nothing if nothing is.
pub fn device(user_agent: Option<&str>, address: Option<&str>) -> Option<String> {
    let agent = user_agent.unwrap_or_default();
    let browser = pick(
        agent,
        &[
            ("Edg", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("CriOS", "Chrome"),
            ("FxiOS", "Firefox"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
            ("curl/", "curl"),
        ],
    );
    let system = pick(
        agent,
        &[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS X", "macOS"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ],
    );
    let parts: Vec<&str> = [browser, system, address].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The first mark that is there; several browsers claim to be others too, so the order matters.
fn pick(agent: &str, marks: &[(&str, &'static str)]) -> Option<&'static str> {
    marks.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, word)| *word)
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn browsers_are_named_as_their_owners_do() {
        let cases = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox, Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Safari/537.36 Edg/128.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari, macOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Mobile Safari/537.36",
                "Chrome, Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 CriOS/126.0 Mobile/15E148 Safari/604.1",
                "Chrome, iPhone",
            ),
        ];
        for (agent, words) in cases {
            assert_eq!(device(Some(agent), None).as_deref(), Some(words));
        }
        assert_eq!(device(Some("<script>"), Some("192.0.2.1")).as_deref(), Some("192.0.2.1"));
        assert_eq!(device(None, None), None);
    }
}
