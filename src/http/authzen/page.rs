//! The pages of search results. The token of the next page holds where it starts, its size, and a
//! digest of the query. It grants nothing: who may search may also start anywhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::entities::{Invalid, object};
use super::json::{Json, Object};

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 1_000;
/// The members of a request that all of its pages share.
const QUERY_MEMBERS: [&str; 4] = ["subject", "action", "resource", "context"];

/// The page that a request wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// The page starts with the first result whose key is greater than this.
    pub after: i64,
    /// The maximum number of results.
    pub limit: usize,
    query: [u8; 16],
}

/// Which page a search returns.
#[derive(ToSchema)]
#[schema(as = authzen::PageRequest)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct PageSchema {
    /// The `next_token` of the previous page. The rest of the request must be the same.
    token: Option<String>,
    /// At most 1000, which is also what 0 means. The default is 100, or that of the previous page.
    #[schema(minimum = 0)]
    limit: Option<i64>,
    /// Ignored.
    properties: Option<serde_json::Map<String, Value>>,
}

/// The page of a response.
#[derive(Serialize, ToSchema)]
#[schema(as = authzen::Page)]
pub(super) struct PageInfo {
    /// Empty on the last page.
    next_token: String,
    /// The number of results on this page.
    count: usize,
}

impl Page {
    /// Parses the `page` of a request to this kind of search.
    pub(super) fn parse(request: &Object, search: &str) -> Result<Self, Invalid> {
        let page = object(request, "page")?;
        let member = |name: &str| page.map_or(Ok(None), |page| page.get(name));
        if !matches!(member("properties")?, None | Some(Json::Object(_))) {
            return Err("`page.properties` must be an object.".to_owned());
        }
        let limit = match member("limit")? {
            None => None,
            Some(Json::Integer(0)) => Some(MAX_LIMIT),
            Some(Json::Integer(limit)) if *limit > 0 => {
                Some(u16::try_from(*limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT))
            }
            Some(_) => return Err("`page.limit` must be a whole number, at least 0.".to_owned()),
        };
        let query = query_digest(request, search)?;
        let token = match member("token")? {
            None => None,
            Some(Json::Text(token)) if token.is_empty() => None,
            Some(Json::Text(token)) => Some(token.as_ref()),
            Some(_) => return Err("`page.token` must be a string.".to_owned()),
        };
        let Some(token) = token else {
            return Ok(Self { after: 0, limit: limit.unwrap_or(DEFAULT_LIMIT).into(), query });
        };
        let invalid =
            || "`page.token` is not the `next_token` of a previous response to this search.".to_owned();
        let (after, started_with, of) = parse_token(token).ok_or_else(invalid)?;
        if of != query || limit.is_some_and(|limit| limit != started_with) {
            return Err(invalid());
        }
        Ok(Self { after, limit: started_with.into(), query })
    }

    /// Takes a page from results and the keys by which they are ordered: those after the previous
    /// page, one more than the limit if there are.
    pub(super) fn of<T>(self, mut results: Vec<(i64, T)>) -> (PageInfo, Vec<T>) {
        let has_more = results.len() > self.limit;
        results.truncate(self.limit);
        let last = results.last().filter(|_| has_more);
        let next_token = last.map_or_else(String::new, |(key, _)| self.token_after(*key));
        let info = PageInfo { next_token, count: results.len() };
        (info, results.into_iter().map(|(_, result)| result).collect())
    }

    fn token_after(&self, key: i64) -> String {
        let limit = u16::try_from(self.limit).unwrap_or(MAX_LIMIT);
        let bytes = [&key.to_be_bytes()[..], &limit.to_be_bytes(), &self.query].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// The key, the limit and the digest of the query in a token.
fn parse_token(token: &str) -> Option<(i64, u16, [u8; 16])> {
    let mut bytes = [0; 8 + 2 + 16];
    if URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) != Ok(bytes.len()) {
        return None;
    }
    let (key, rest) = bytes.split_first_chunk()?;
    let (limit, query) = rest.split_first_chunk()?;
    let (key, limit) = (i64::from_be_bytes(*key), u16::from_be_bytes(*limit));
    let query: [u8; 16] = query.try_into().ok()?;
    ((0..i64::MAX).contains(&key) && (1..=MAX_LIMIT).contains(&limit)).then_some((key, limit, query))
}

fn query_digest(request: &Object, search: &str) -> Result<[u8; 16], Invalid> {
    let mut hash = Sha256::new();
    hash.update(search);
    for name in QUERY_MEMBERS {
        match request.get(name)? {
            Some(value) => value.write_canonical(&mut |bytes| hash.update(bytes)),
            None => hash.update(b"n"),
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    Ok(*digest.first_chunk().unwrap_or(&[0; 16]))
}
