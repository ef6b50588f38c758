//! A node watches its key set file: a change is at work within a second, on `SIGHUP` at once. An unreadable file
//! changes nothing, and is logged once per change and per `SIGHUP`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

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

/// `stamp` is the stamp of the keys at work.
pub(super) async fn watch(
    mut hangups: Signal,
    source: KeySource,
    mut stamp: KeySetStamp,
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
) {
    log_keys("keys", &tokens.keys());
    loop {
        let asked = tokio::select! {
            () = sleep(KEY_FILE_POLL) => false,
            _ = hangups.recv() => true,
        };
        let now = source.stamp();
        if asked || now != stamp {
            stamp = reload(&source, &tokens, &metrics).unwrap_or(now);
        }
    }
}

fn reload(source: &KeySource, tokens: &Tokens, metrics: &Metrics) -> Option<KeySetStamp> {
    match source.load() {
        Ok((keyring, stamp)) => {
            log_keys("keys read again", &keyring);
            tokens.replace_keys(keyring);
            Some(stamp)
        }
        Err(error) => {
            metrics.key_set_failures.inc();
            log::error!("{error:#}; the former keys stay at work");
            None
        }
    }
}

fn log_keys(what: &str, keyring: &Keyring) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let signer = keyring.active_kid(now).map_or("SIGNING_SECRET".to_owned(), |kid| format!("key '{kid}'"));
    log::info!("{what}: signing with {signer}, {} published", keyring.published());
}
