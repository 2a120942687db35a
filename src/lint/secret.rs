//! What looks like a secret: names of variables and options, and values.

/// Words that name secrets, as the last part of a word of a name or the whole of it.
const WORDS: [&str; 15] = [
    "APIKEY",
    "COOKIE",
    "CREDENTIAL",
    "CREDENTIALS",
    "DSN",
    "JWT",
    "KEY",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PAT",
    "SECRET",
    "SECRETS",
    "TOKEN",
];

/// Words beside one of those that make it no secret.
const PUBLIC: [&str; 7] = ["EXPIRY", "FILE", "LIMIT", "MASK", "PATH", "PUBLIC", "TTL"];

/// Names that no word tells.
const NAMES: [&str; 5] = [
    "CONNECTION_STRING",
    "DATABASE_URI",
    "DATABASE_URL",
    "MONGODB_URI",
    "REDIS_URL",
];

/// How tokens start, each from its issuer's documentation, and how many characters they have at least.
const TOKENS: [(&str, usize); 30] = [
    ("AIza", 35),
    ("AKIA", 20),
    ("ASIA", 20),
    ("BSA", 27),
    ("dop_v1_", 40),
    ("eyJ", 40),
    ("fc-", 30),
    ("figd_", 30),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("hf_", 30),
    ("lin_api_", 30),
    ("npm_", 36),
    ("ntn_", 40),
    ("pat-", 30),
    ("pypi-", 40),
    ("rk_live_", 20),
    ("sbp_", 30),
    ("secret_", 40),
    ("shpat_", 30),
    ("sk-", 20),
    ("sk_live_", 20),
    ("sntrys_", 20),
    ("sntryu_", 20),
    ("tvly-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
];

/// Whether a variable of this name holds a secret by habit. In upper case, words parted by `_`.
pub fn is_name(name: &str) -> bool {
    let upper = name.to_uppercase();
    let words = || upper.split('_').filter(|word| !word.is_empty());
    let told = |word: &str| {
        WORDS.contains(&word)
            || ["APIKEY", "PASSWORD", "SECRET", "TOKEN"]
                .iter()
                .any(|end| word.ends_with(end))
    };
    let public = words().any(|word| PUBLIC.contains(&word));
    NAMES.iter().any(|known| upper.ends_with(known)) || (words().any(told) && !public)
}

/// Whether a variable that is named like a secret may be set to this value without giving one away: nothing, a switch,
/// a number, a path or a variable.
pub fn could_be_value(text: &str) -> bool {
    let harmless = ["", "true", "false", "yes", "no", "on", "off", "none", "null"];
    let lower = text.to_lowercase();
    !harmless.contains(&lower.as_str())
        && !text.chars().all(|c| c.is_ascii_digit())
        && !text.starts_with(['/', '~', '$'])
}

/// Whether a value is a secret whatever its name: a token of a known issuer, a private key, a URL with a password.
pub fn is_value(text: &str) -> bool {
    let token = |word: &str| {
        TOKENS
            .iter()
            .any(|(start, least)| word.starts_with(start) && word.len() >= *least)
    };
    let words = text.split(|c: char| c.is_whitespace() || ['=', '"', '\'', ','].contains(&c));
    { words }.any(token)
        || (text.contains("-----BEGIN") && text.contains("PRIVATE KEY"))
        || has_password(text)
}

/// `scheme://user:password@host`
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'));
    user.is_some_and(|(_, password)| !password.is_empty() && !password.starts_with("${"))
}

#[cfg(test)]
mod tests {
    use super::{could_be_value, is_name, is_value};

    #[test]
    fn names() {
        for name in [
            "GITHUB_TOKEN",
            "BRAVE_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "PGPASSWORD",
            "SLACK_MCP_XOXB_TOKEN",
            "DSN",
            "MDB_MCP_CONNECTION_STRING",
            "DATABASE_URL",
            "api_key",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "PWD",
            "MAX_TOKENS",
            "TOKEN_LIMIT",
            "KEYBOARD",
            "SSH_KEY_PATH",
            "AUTHOR",
            "PUBLIC_KEY",
            "TERM",
            "COMPASS",
            "MASK_SECRETS",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn values() {
        for value in [
            "ghp_0123456789012345678901234567890123456789",
            "postgres://alice:s3cret@db:5432/x",
            "Authorization=Bearer, sk-01234567890123456789",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(is_value(value), "{value}");
        }
        for value in [
            "postgres://alice@db/x",
            "https://example.com/a:b@c",
            "sk-short",
            "production",
            "postgres://a:${PASSWORD}@db/x",
        ] {
            assert!(!is_value(value), "{value}");
        }
        assert!(could_be_value("s3cret"));
        for value in ["", "TRUE", "5000", "/creds.json", "~/creds"] {
            assert!(!could_be_value(value), "{value}");
        }
    }
}
