//! Basic (RFC 7617) and Digest (RFC 2617 without `qop`, MD5: what cameras do) authentication.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};

use super::message::Request;

const REALM: &str = "pingan";

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AuthScheme {
    Basic,
    #[default]
    Digest,
}

/// Who is let in.
#[derive(Clone)]
pub struct Auth {
    pub scheme: AuthScheme,
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Auth({:?}, {})", self.scheme, self.user)
    }
}

impl Auth {
    /// The value of `WWW-Authenticate`. `nonce` belongs to one connection.
    pub(super) fn challenge(&self, nonce: &str) -> String {
        match self.scheme {
            AuthScheme::Basic => format!("Basic realm=\"{REALM}\""),
            AuthScheme::Digest => format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\""),
        }
    }

    pub(super) fn lets_in(&self, request: &Request, nonce: &str) -> bool {
        let Some(value) = request.header("Authorization") else { return false };
        let Some((scheme, rest)) = value.split_once(' ') else { return false };
        match self.scheme {
            AuthScheme::Basic if scheme.eq_ignore_ascii_case("basic") => {
                let expected = BASE64.encode(format!("{}:{}", self.user, self.password));
                rest.trim() == expected
            }
            AuthScheme::Digest if scheme.eq_ignore_ascii_case("digest") => {
                let (Some(uri), Some(response)) = (field(rest, "uri"), field(rest, "response")) else {
                    return false;
                };
                let ha1 = md5_hex(&format!("{}:{REALM}:{}", self.user, self.password));
                let ha2 = md5_hex(&format!("{}:{uri}", request.method));
                field(rest, "username") == Some(&self.user)
                    && field(rest, "nonce") == Some(nonce)
                    && response == md5_hex(&format!("{ha1}:{nonce}:{ha2}"))
            }
            _ => false,
        }
    }
}

/// Value of `name="value"` in a comma-separated list. Values with commas occur in no field used here
/// but `uri`, whose commas no client sends.
fn field<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.split(',').find_map(|part| {
        let (n, v) = part.trim().split_once('=')?;
        n.eq_ignore_ascii_case(name).then(|| v.trim_matches('"'))
    })
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}
