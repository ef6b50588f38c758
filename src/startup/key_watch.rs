//! A node watches its key set file: a change is at work within a second, on `SIGHUP` at once. An unreadable file
//! changes nothing, and is logged once per change and per `SIGHUP`.

use std::sync::Arc;
use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::config::{KeySetStamp, KeySource};
use crate::telemetry::metrics::Metrics;
use crate::token::{Keyring, Tokens};

/// Time between two looks at the file.
const KEY_FILE_POLL: Duration = Duration::from_secs(1);

/// After this call `SIGHUP` ends the process no more.
pub(super) fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// `stamp` is the stamp of the keys at work. `now` is the clock that decides which key signs.
pub(super) async fn watch(
    mut hangups: Signal,
    source: KeySource,
    mut stamp: KeySetStamp,
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
    now: impl Fn() -> Timestamp,
) {
    log_keys("keys", &tokens.keys(), now());
    loop {
        let asked = tokio::select! {
            () = sleep(KEY_FILE_POLL) => false,
            _ = hangups.recv() => true,
        };
        let found = source.stamp();
        if asked || found != stamp {
            stamp = reload(&source, &tokens, &metrics, now()).unwrap_or(found);
        }
    }
}

fn reload(source: &KeySource, tokens: &Tokens, metrics: &Metrics, now: Timestamp) -> Option<KeySetStamp> {
    match source.load() {
        Ok((keyring, stamp)) => {
            log_keys("keys read again", &keyring, now);
            tokens.replace_keys(keyring);
            Some(stamp)
        }
        Err(error) => {
            metrics.key_set_failures.inc();
            let error = format!("{error:#}");
            log::error!(error; "{error}; the former keys stay at work");
            None
        }
    }
}

fn log_keys(event: &str, keyring: &Keyring, now: Timestamp) {
    let (kid, published) = (keyring.active_kid(now.seconds()), keyring.published());
    let signer = kid.as_ref().map_or("SIGNING_SECRET".to_owned(), |kid| format!("key '{kid}'"));
    log::info!(event, kid, published; "{event}: signing with {signer}, {published} published");
}
