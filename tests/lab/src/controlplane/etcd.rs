//! Reads etcd through its own JSON gateway. Guarantees: a dump is one consistent revision; the history holds
//! every value since the last compaction, also of deleted and overwritten keys, which a dump cannot show.

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Certificate, Client, Identity};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Error;

/// Keys per request; answers stay small enough for the gateway.
const PAGE: usize = 500;
/// The smallest key. As the end of a range that starts with it: every key there is.
const FIRST_KEY: &[u8] = &[0];

/// A key with its raw value; of a deletion, the value is empty.
pub type KeyValue = (String, Vec<u8>);

/// A client of one etcd.
#[derive(Debug, Clone)]
pub(super) struct Etcd {
    http: Client,
    url: String,
}

#[derive(Debug, Deserialize)]
struct RangeAnswer {
    header: Header,
    #[serde(default)]
    kvs: Vec<Pair>,
    #[serde(default)]
    more: bool,
}

#[derive(Debug, Deserialize)]
struct Header {
    revision: String,
}

#[derive(Debug, Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    mod_revision: String,
}

#[derive(Debug, Deserialize)]
struct WatchAnswer {
    result: WatchResult,
}

#[derive(Debug, Deserialize)]
struct WatchResult {
    #[serde(default)]
    compact_revision: Option<String>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    kv: Pair,
}

// === impl Etcd ===

impl Etcd {
    pub(super) fn new(url: String, authority_pem: &str, identity_pem: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            http: http_client(authority_pem, identity_pem)?,
            url,
        })
    }

    pub(super) async fn is_healthy(&self) -> bool {
        is_ok(&self.http, &format!("{}/health", self.url)).await
    }

    /// Every key below `prefix` with its value at one revision; the empty prefix means everything.
    pub(super) async fn dump(&self, prefix: &str) -> Result<Vec<KeyValue>, Error> {
        let (mut from, end) = range_of(prefix);
        let mut revision = String::from("0");
        let mut found = Vec::new();
        loop {
            let page = self.page(&from, &end, &revision).await?;
            revision = page.header.revision;
            for pair in &page.kvs {
                from = decode(&pair.key)?;
                found.push(key_value(pair)?);
            }
            from.push(0);
            if !page.more {
                return Ok(found);
            }
        }
    }

    async fn page(&self, from: &[u8], end: &[u8], revision: &str) -> Result<RangeAnswer, Error> {
        let query = json!({
            "key": BASE64_STANDARD.encode(from),
            "range_end": BASE64_STANDARD.encode(end),
            "revision": revision,
            "limit": PAGE,
        });
        let answer = self.post("/v3/kv/range", &query).await?;
        Ok(answer.json().await?)
    }

    /// Every put and deletion that etcd still knows, oldest first.
    pub(super) async fn history(&self) -> Result<Vec<KeyValue>, Error> {
        let now = revision(&self.page(FIRST_KEY, FIRST_KEY, "0").await?.header.revision)?;
        let mut events = Vec::new();
        let mut start = 1;
        while let Some(compacted) = self.replay(start, now, &mut events).await? {
            start = compacted;
        }
        Ok(events)
    }

    /// Watches from the past until the present is reached. Returns the oldest known revision if `start` is
    /// older.
    async fn replay(&self, start: i64, now: i64, events: &mut Vec<KeyValue>) -> Result<Option<i64>, Error> {
        let mut answer = self.watch(start).await?;
        let mut line = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            for part in chunk.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                let Some(result) = whole_result(&mut line)? else {
                    continue;
                };
                if let Some(compacted) = result.compact_revision {
                    return revision(&compacted).map(Some);
                }
                if take_events(&result.events, events)? >= now {
                    return Ok(None);
                }
            }
        }
        Err(Error::Etcd("the watch ended early".into()))
    }

    async fn watch(&self, start: i64) -> Result<reqwest::Response, Error> {
        let everything = BASE64_STANDARD.encode(FIRST_KEY);
        let request = json!({ "create_request": {
            "key": everything, "range_end": everything, "start_revision": start.to_string(),
        }});
        self.post("/v3/watch", &request).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<reqwest::Response, Error> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        Ok(request.send().await?.error_for_status()?)
    }
}

/// A client that trusts only `authority_pem` and shows the identity; environment proxies do not apply.
pub(super) fn http_client(authority_pem: &str, identity_pem: &[u8]) -> Result<Client, Error> {
    let client = Client::builder()
        .no_proxy()
        // A pooled connection would belong to the runtime of whichever test opened it.
        .pool_max_idle_per_host(0)
        .tls_certs_only([Certificate::from_pem(authority_pem.as_bytes())?])
        .identity(Identity::from_pem(identity_pem)?);
    Ok(client.build()?)
}

/// Whether a GET is answered with a success within two seconds.
pub(super) async fn is_ok(http: &Client, url: &str) -> bool {
    let answer = http
        .get(url)
        .timeout(std::time::Duration::from_secs(2))
        .send()
        .await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// First key and end of a range. The end of a prefix is its successor: the last byte, plus one.
fn range_of(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        // Text in UTF-8 never holds the byte 255.
        Some(last) => *last += 1,
        None => return (FIRST_KEY.to_vec(), FIRST_KEY.to_vec()),
    }
    (prefix.as_bytes().to_vec(), end)
}

/// Reads and empties the line if it is whole: one answer of the gateway.
fn whole_result(line: &mut Vec<u8>) -> Result<Option<WatchResult>, Error> {
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    let answer = serde_json::from_slice::<WatchAnswer>(&std::mem::take(line));
    answer
        .map(|answer| Some(answer.result))
        .map_err(|error| Error::Etcd(error.to_string()))
}

/// Appends the events and returns the revision of the newest.
fn take_events(events: &[Event], found: &mut Vec<KeyValue>) -> Result<i64, Error> {
    let mut newest = 0;
    for event in events {
        found.push(key_value(&event.kv)?);
        newest = revision(&event.kv.mod_revision)?;
    }
    Ok(newest)
}

fn key_value(pair: &Pair) -> Result<KeyValue, Error> {
    let key = String::from_utf8_lossy(&decode(&pair.key)?).into_owned();
    Ok((key, decode(&pair.value)?))
}

fn decode(text: &str) -> Result<Vec<u8>, Error> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|error| Error::Etcd(error.to_string()))
}

fn revision(text: &str) -> Result<i64, Error> {
    text.parse()
        .map_err(|_| Error::Etcd(format!("revision {text:?}")))
}
