//! The URLs of libpq (PostgreSQL's documentation, 32.1.1.2), split as libpq splits them into its
//! parameters.
//!
//! No error contains any text of the URL: with a character that is not percent-encoded, every
//! part of it may be the end of the password.

/// The parameters of libpq. Unknown ones are rejected here, because libpq quotes them.
pub(super) const PARAMETERS: [&str; 50] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Why the URL of a PostgreSQL database is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPostgresUrl {
    #[error("`%` must be followed by two hexadecimal digits (in the {0}); write `%` itself as `%25`")]
    Percent(UrlPart),
    #[error("the {0} must be UTF-8 without `%00`")]
    Encoding(UrlPart),
    #[error(
        "the port must be a number; percent-encode `@` (`%40`), `:` (`%3A`) and `/` (`%2F`) in user and password"
    )]
    Port,
    #[error(
        "must have one `@` only, before the host; percent-encode `@` (`%40`) and `/` (`%2F`) in user and password"
    )]
    AtSign,
    #[error("must have `]` at the end of an IPv6 address")]
    Bracket,
    #[error(
        "option {0} after `?` must be `name=value`; percent-encode `&` (`%26`) and `=` (`%3D`) in values"
    )]
    Option(usize),
    #[error("option {0} after `?` has no name that libpq knows")]
    UnknownOption(usize),
}

/// A part of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlPart {
    User,
    Password,
    Host,
    Database,
    Options,
}

impl std::fmt::Display for UrlPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Password => "password",
            Self::Host => "host",
            Self::Database => "database name",
            Self::Options => "options after `?`",
        })
    }
}

/// Connection parameters of libpq.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Conninfo(Vec<(&'static str, String)>);

impl Conninfo {
    /// The parameters of a `postgres://` or `postgresql://` URL.
    pub fn from_url(url: &str) -> Result<Self, InvalidPostgresUrl> {
        let mut conninfo = Self::default();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        // As libpq: the first `@` before any `/` ends the credentials.
        let rest = match rest.split_once('@').filter(|(credentials, _)| !credentials.contains('/')) {
            Some((credentials, rest)) => {
                let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                conninfo.set_decoded("user", user, UrlPart::User)?;
                conninfo.set_decoded("password", password, UrlPart::Password)?;
                rest
            }
            None => rest,
        };
        let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = address.split_once('/').unwrap_or((address, ""));
        conninfo.set_hosts(hosts)?;
        if address.contains('@') {
            return Err(InvalidPostgresUrl::AtSign);
        }
        conninfo.set_decoded("dbname", database, UrlPart::Database)?;
        conninfo.set_options(options)?;
        Ok(conninfo)
    }

    fn set_hosts(&mut self, hosts: &str) -> Result<(), InvalidPostgresUrl> {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = match host.strip_prefix('[') {
                Some(host) => {
                    let (name, rest) = host.split_once(']').ok_or(InvalidPostgresUrl::Bracket)?;
                    let port = rest.strip_prefix(':').or(rest.is_empty().then_some(""));
                    (name, port.ok_or(InvalidPostgresUrl::Bracket)?)
                }
                None => host.split_once(':').unwrap_or((host, "")),
            };
            if !port.is_empty() && port.parse::<u16>().is_err() {
                return Err(InvalidPostgresUrl::Port);
            }
            names.push(name);
            ports.push(port);
        }
        self.set_decoded("host", &names.join(","), UrlPart::Host)?;
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", ports.join(","));
        }
        Ok(())
    }

    fn set_options(&mut self, options: &str) -> Result<(), InvalidPostgresUrl> {
        let given = options.strip_suffix('&').unwrap_or(options);
        for (number, option) in (1..).zip(given.split('&')).filter(|_| !given.is_empty()) {
            let (name, value) = option.split_once('=').ok_or(InvalidPostgresUrl::Option(number))?;
            if value.contains('=') {
                return Err(InvalidPostgresUrl::Option(number));
            }
            let (name, value) = (decode(name, UrlPart::Options)?, decode(value, UrlPart::Options)?);
            // A form of JDBC that libpq accepts, too.
            let (name, value) = match (name.as_str(), value.as_str()) {
                ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
                _ => (name, value),
            };
            let known = PARAMETERS.into_iter().find(|known| *known == name);
            self.set(known.ok_or(InvalidPostgresUrl::UnknownOption(number))?, value);
        }
        Ok(())
    }

    fn set_decoded(
        &mut self,
        name: &'static str,
        text: &str,
        part: UrlPart,
    ) -> Result<(), InvalidPostgresUrl> {
        if !text.is_empty() {
            self.set(name, decode(text, part)?);
        }
        Ok(())
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.0.retain(|(earlier, _)| *earlier != name);
        self.0.push((name, value));
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The parameters and their values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Sets a parameter.
    pub fn replace(&mut self, name: &'static str, value: &str) {
        self.set(name, value.to_owned());
    }

    /// Sets a parameter that is not set.
    pub fn set_default(&mut self, name: &'static str, value: &str) {
        if self.get(name).is_none() {
            self.set(name, value.to_owned());
        }
    }

    /// The parameters as a connection string of keywords and values.
    pub fn to_keywords(&self) -> String {
        let quote = |value: &str| value.replace('\\', r"\\").replace('\'', r"\'");
        let words: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}='{}'", quote(value))).collect();
        words.join(" ")
    }
}

/// Decodes percent-encoding. `+` is itself.
fn decode(text: &str, part: UrlPart) -> Result<String, InvalidPostgresUrl> {
    let mut pieces = text.split('%');
    pieces.next();
    let is_hex = |piece: &str| piece.len() >= 2 && piece.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !pieces.all(is_hex) {
        return Err(InvalidPostgresUrl::Percent(part));
    }
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8().ok();
    let decoded = decoded.filter(|decoded| !decoded.contains('\0'));
    Ok(decoded.ok_or(InvalidPostgresUrl::Encoding(part))?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keywords(url: &str) -> String {
        Conninfo::from_url(url).unwrap().to_keywords()
    }

    #[test]
    fn a_url_becomes_the_keywords_that_libpq_makes_of_it() {
        for (url, words) in [
            (
                "postgres://u:p@h/d?sslmode=require",
                "user='u' password='p' host='h' dbname='d' sslmode='require'",
            ),
            ("postgres://u:p?w&=@h/d", "user='u' password='p?w&=' host='h' dbname='d'"),
            ("postgres://u:p%40%2F%27%5C%25@h", r"user='u' password='p@/\'\\%' host='h'"),
            ("postgresql:///d", "dbname='d'"),
            ("postgres://h/d?", "host='h' dbname='d'"),
            ("postgres://h/d?sslmode=disable&", "host='h' dbname='d' sslmode='disable'"),
            ("postgres://h?ssl=true", "host='h' sslmode='require'"),
            ("postgres://a:1,b,[::1]:3/d", "host='a,b,::1' port='1,,3' dbname='d'"),
            ("postgres://a,b/d", "host='a,b' dbname='d'"),
            ("postgres://[2001:db8::1]/d", "host='2001:db8::1' dbname='d'"),
            ("postgres://u@%2Frun%2Fpg/d", "user='u' host='/run/pg' dbname='d'"),
            ("postgres:///d?host=/run/pg&port=5433", "dbname='d' host='/run/pg' port='5433'"),
            ("postgres:///?service=consent", "service='consent'"),
            ("postgres://h/d?options=-c%20geqo%3Doff", "host='h' dbname='d' options='-c geqo=off'"),
        ] {
            assert_eq!(keywords(url), words, "{url}");
        }
    }

    #[test]
    fn no_error_quotes_the_url() {
        use InvalidPostgresUrl::*;
        for (url, error) in [
            ("postgres://cs:hunter2/x@h/d", Port),
            ("postgres://cs:ab@hunter2@h/d", AtSign),
            ("postgres://cs:hunter2%@h/d", Percent(UrlPart::Password)),
            ("postgres://cs:hunter2%zz@h/d", Percent(UrlPart::Password)),
            ("postgres://cs:hunter2%ff@h/d", Encoding(UrlPart::Password)),
            ("postgres://cs:hunter2%00@h/d", Encoding(UrlPart::Password)),
            ("postgres://[::1/d", Bracket),
            ("postgres://h:99999/d", Port),
            ("postgres://h/d?hunter2", Option(1)),
            ("postgres://h/d?sslmode=disable&a=b=hunter2", Option(2)),
            ("postgres://h/d?hunter2=x", UnknownOption(1)),
        ] {
            let rejected = Conninfo::from_url(url).err().unwrap();
            assert_eq!(rejected, error, "{url}");
            assert!(!rejected.to_string().contains("hunter2"), "{rejected}");
        }
    }

    #[test]
    fn a_default_does_not_replace_what_the_url_says() {
        let mut conninfo = Conninfo::from_url("postgres://h/d?connect_timeout=9").unwrap();
        conninfo.set_default("connect_timeout", "2");
        conninfo.set_default("target_session_attrs", "read-write");
        let words = "host='h' dbname='d' connect_timeout='9' target_session_attrs='read-write'";
        assert_eq!(conninfo.to_keywords(), words);
    }
}
