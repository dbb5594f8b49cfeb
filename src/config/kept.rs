//! The secrets to run with: given, or made and kept in the data directory in development.

use super::problem::{Origin, Problem, Problems};
use super::secret::{self, CookieSecrets, MasterKey};
use super::{COOKIE_FILE, Config, MASTER_FILE, Mode, Secrets, table};

impl Config {
    /// The secrets to run with. Development makes those that are missing, keeps them in the data directory and says so.
    ///
    /// `fill` fills a buffer with entropy. Errors: the data directory cannot be written, or holds a damaged secret.
    pub fn secrets(&self, fill: fn(&mut [u8])) -> Result<Secrets, Problems> {
        let mut warnings = Vec::new();
        let cookie = match &self.given.cookie {
            Some(given) => given.clone(),
            None => self.kept("cookie_secret", COOKIE_FILE, fill, CookieSecrets::parse, &mut warnings)?,
        };
        let master_key = match &self.given.master {
            Some((given, _)) => given.clone(),
            None => self.kept("master_key", MASTER_FILE, fill, MasterKey::parse, &mut warnings)?,
        };
        Ok(Secrets { cookie, master_key, jwks_private_key: self.given.jwks_private_key.clone(), warnings })
    }

    fn kept<T>(
        &self,
        key: &'static str,
        file: &str,
        fill: fn(&mut [u8]),
        parse: impl Fn(&str) -> Result<T, String>,
        warnings: &mut Vec<String>,
    ) -> Result<T, Problems> {
        let path = self.data_dir.join(file);
        let refuse = |sentence: String| Problems(vec![Problem { key: key.to_owned(), origin: Origin::Default, sentence }]);
        // `resolve` refuses production without them; this holds the line should a caller build on something else.
        if self.mode == Mode::Production {
            return Err(refuse("is not set.".to_owned()));
        }
        let (secret, is_new) = secret::kept(&self.data_dir, file, fill)
            .map_err(|error| refuse(format!("cannot be kept in {}: {error}; make the directory writable.", path.display())))?;
        let variable = table::find(key).map(table::Setting::variable).unwrap_or_default();
        let verb = if is_new { "was made and is kept" } else { "is the one kept" };
        warnings.push(format!("{key} {verb} in {} (development only; set {variable} in production)", path.display()));
        parse(secret.expose()).map_err(|sentence| {
            refuse(format!("in {} {sentence} Restore the file from a backup; without it the vault stays closed.", path.display()))
        })
    }
}
