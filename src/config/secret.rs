//! Secrets: how they are held, read, judged and, in development, made.
//!
//! | Rule | Source |
//! |---|---|
//! | never shown: no Debug, Display or Serialize, wiped from memory | - |
//! | a cookie secret has at least 32 characters and is not a pattern | NIST SP 800-107 §5.3.4 (HMAC keys) |
//! | the master key is 32 bytes and comes from outside the data directory in production | - |
//! | what development makes is kept in the data directory, readable by the owner only | - |

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Text that must not be shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself; name the reason where you call it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The 32 bytes that wrap every key of the vault.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// 64 hexadecimal digits, or base64 (either alphabet, padded or not) of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = Zeroizing::new(hex(text).or_else(|| base64(text)).unwrap_or_default());
        let key: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| "is not 32 bytes in base64 or hex; make one with `openssl rand -base64 32`.".to_owned())?;
        Ok(Self::new(key))
    }

    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether it is a pattern rather than random: 32 random bytes have fewer than 16 distinct values once in 10^14.
    pub fn is_weak(&self) -> bool {
        let distinct: std::collections::BTreeSet<u8> = self.0.iter().copied().collect();
        distinct.len() < 16
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [base64::alphabet::STANDARD, base64::alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text).ok())
}

/// One or two cookie secrets; the first signs, both verify.
#[derive(Clone)]
pub struct CookieSecrets {
    pub current: Secret,
    pub previous: Option<Secret>,
}

pub const SHORTEST: usize = 32;

impl CookieSecrets {
    /// Comma separated, the new one first.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(str::trim);
        let (current, previous) = (parts.next().unwrap_or_default(), parts.next());
        if parts.next().is_some() {
            return Err("has more than two secrets; keep the new one and the one before, separated by a comma.".to_owned());
        }
        if [Some(current), previous].into_iter().flatten().any(|secret| secret.chars().count() < SHORTEST) {
            return Err(format!("has a secret of fewer than {SHORTEST} characters; make one with `openssl rand -base64 32`."));
        }
        if previous == Some(current) {
            return Err("has the same secret twice; put the new one first and the one before second.".to_owned());
        }
        Ok(Self { current: Secret::new(current), previous: previous.map(Secret::new) })
    }

    pub fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// Whether a secret can be guessed from its look: few different characters, or one piece repeated.
pub fn is_weak(secret: &str) -> bool {
    let distinct: std::collections::BTreeSet<char> = secret.chars().collect();
    let twice = format!("{secret}{secret}");
    // A text is a repetition exactly if it occurs inside its double before the second copy.
    let repeats = twice.char_indices().nth(1).is_some_and(|(one, _)| twice[one..].find(secret).is_some_and(|at| at + one < secret.len()));
    distinct.len() < 8 || repeats
}

/// The text, or the content of the file it names with `file:`. Line ends of the file do not count.
pub fn resolve(text: &str) -> Result<(Secret, Option<PathBuf>), String> {
    const LARGEST: u64 = 64 * 1024;
    let Some(path) = text.strip_prefix("file:") else { return Ok((Secret::new(text), None)) };
    let path = PathBuf::from(path);
    let failed = |why: String| format!("names the file {}, which cannot be read: {why}.", path.display());
    let size = fs::metadata(&path).map_err(|error| failed(error.to_string()))?;
    if !size.is_file() {
        return Err(failed("it is not a file".to_owned()));
    }
    if size.len() > LARGEST {
        return Err(failed(format!("it is larger than {LARGEST} bytes")));
    }
    let content = Zeroizing::new(fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?);
    if content.trim().is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok((Secret::new(content.trim()), Some(path)))
}

/// A PKCS#8 private key in PEM. An environment variable may hold the line ends as the two characters `\n`.
pub fn pem(text: &str) -> Result<Secret, String> {
    let text = Zeroizing::new(text.replace("\\n", "\n"));
    let text = text.trim();
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return Err("is encrypted; decrypt it with `openssl pkcs8 -in key.pem -out plain.pem`.".to_owned());
    }
    if text.contains("-----BEGIN RSA PRIVATE KEY-----") || text.contains("-----BEGIN EC PRIVATE KEY-----") {
        return Err("is not PKCS#8; convert it with `openssl pkcs8 -topk8 -nocrypt -in key.pem`.".to_owned());
    }
    if !text.starts_with("-----BEGIN PRIVATE KEY-----") || !text.ends_with("-----END PRIVATE KEY-----") {
        return Err("is not one PEM block `-----BEGIN PRIVATE KEY-----`; make a key with `openssl genpkey`.".to_owned());
    }
    Ok(Secret::new(text))
}

/// Whether a file lies inside a directory, also when reached through links.
pub fn is_inside(file: &Path, directory: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    real(file).starts_with(real(directory))
}

/// Reads a secret that development keeps in the data directory, or makes it. The flag says whether it is new.
///
/// Two processes that start at once end with the same secret: the file appears whole or not at all, and only once.
pub fn kept(directory: &Path, name: &str, fill: fn(&mut [u8])) -> std::io::Result<(Secret, bool)> {
    let path = directory.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok((Secret::new(text.trim()), false)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut bytes = Zeroizing::new([0; 32]);
    fill(&mut *bytes);
    let text = Zeroizing::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*bytes));
    let draft = directory.join(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::File::open(directory)?.sync_all()?,
    }
    let there = fs::read_to_string(&path)?;
    Ok((Secret::new(there.trim()), linked.is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_32_bytes_in_base64_or_hex() {
        let bytes: Vec<u8> = (0..32).map(|i| i * 8 + 3).collect();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let standard = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
        for text in [&hex, &hex.to_uppercase(), &standard, &url] {
            assert_eq!(MasterKey::parse(text).ok().unwrap().expose().as_slice(), bytes);
        }
        for bad in ["", "short", &hex[2..], &format!("{hex}00"), &"é".repeat(32), &"g".repeat(64)] {
            assert!(MasterKey::parse(bad).err().unwrap().contains("openssl rand -base64 32"));
        }
        assert!(MasterKey::new([7; 32]).is_weak());
    }

    #[test]
    fn weak_secrets_are_few_characters_or_a_pattern() {
        for weak in ["a".repeat(40), "abcdefgh".repeat(5), "ab".repeat(20), "changeme-changeme-changeme-changeme-".to_owned()] {
            assert!(is_weak(&weak), "{weak}");
        }
        for strong in ["9f86d081884c7d659a2feaa0c55ad015", "pQ3x8kL0vZr5TnYw2sHd7uJc4mBf6gAe", "correct horse battery staple and more"] {
            assert!(!is_weak(strong), "{strong}");
        }
    }

    #[test]
    fn kept_secrets_are_made_once_and_belong_to_the_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let (first, made) = kept(&data, "cookie-secret", |bytes| bytes.fill(5)).unwrap();
        let (second, again) = kept(&data, "cookie-secret", |bytes| bytes.fill(6)).unwrap();
        assert!(made && !again && first.expose() == second.expose() && first.expose().len() == 43);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data), mode(&data.join("cookie-secret"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }
}
