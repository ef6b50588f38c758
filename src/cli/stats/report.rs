//! The report of `stats`, as JSON and as text.

use indicatif::HumanBytes;
use serde::Serialize;

use crate::cli::sessions::list::{Counted, counted, subjects_table};
use crate::shown_value::printable;
use crate::store::redis::survey::{Census, Feed, Memory, Sample};
use crate::view::rfc3339;

#[derive(Serialize)]
pub struct StatsReport<'a> {
    sessions: SessionCounts,
    subjects: usize,
    sessions_per_subject: PerSubject,
    top: Vec<Counted<'a>>,
    memory: MemoryUse,
    feed: FeedEnds,
    layout: Option<&'a str>,
    keys_without_ttl: LeakReport<'a>,
}

#[derive(Serialize)]
struct SessionCounts {
    live: u64,
    ended: u64,
    #[serde(rename = "unannounced")]
    unpublished: u64,
}

#[derive(Serialize)]
struct PerSubject {
    max: u64,
    mean: f64,
}

/// In bytes; `null` if unknown.
#[derive(Serialize)]
struct MemoryUse {
    used: Option<u64>,
    policy: Option<String>,
    /// The record of a live session.
    per_session: Option<Measured>,
    /// The set of a subject's sessions.
    per_subject: Option<Measured>,
}

#[derive(Serialize)]
struct Measured {
    sampled: usize,
    mean: u64,
    max: u64,
}

#[derive(Serialize)]
struct FeedEnds {
    entries: u64,
    oldest: Option<String>,
    newest: Option<String>,
}

#[derive(Serialize)]
struct LeakReport<'a> {
    count: u64,
    examples: &'a [String],
}

impl<'a> StatsReport<'a> {
    pub fn new(census: &'a Census, top: usize, memory: Memory, feed: &Feed, layout: Option<&'a str>) -> Self {
        let subjects = census.subjects.len();
        Self {
            sessions: SessionCounts {
                live: census.live,
                ended: census.ended,
                unpublished: census.unpublished,
            },
            subjects,
            sessions_per_subject: PerSubject {
                max: census.subjects.values().copied().max().unwrap_or(0),
                mean: (census.live as f64 / subjects.max(1) as f64 * 100.0).round() / 100.0,
            },
            top: counted(census, top),
            memory: MemoryUse {
                used: memory.used,
                policy: memory.policy,
                per_session: Measured::new(&census.records),
                per_subject: Measured::new(&census.sets),
            },
            feed: FeedEnds {
                entries: feed.entries,
                oldest: feed.oldest.map(rfc3339),
                newest: feed.newest.map(rfc3339),
            },
            layout,
            keys_without_ttl: LeakReport { count: census.leaks.count, examples: &census.leaks.examples },
        }
    }

    pub fn text(&self) -> String {
        let known = |text: Option<&str>| printable(text.unwrap_or("-"));
        let measured = |of: &Option<Measured>| {
            of.as_ref().map_or("-".to_owned(), |it| {
                format!("{} bytes (largest of {}: {})", it.mean, it.sampled, it.max)
            })
        };
        let (sessions, memory, feed) = (&self.sessions, &self.memory, &self.feed);
        let leaks = &self.keys_without_ttl;
        let lines = [
            ("live sessions", sessions.live.to_string()),
            (
                "ended sessions kept",
                format!("{}, {} of them unpublished", sessions.ended, sessions.unpublished),
            ),
            ("subjects", self.subjects.to_string()),
            (
                "sessions per subject",
                format!("{} (most: {})", self.sessions_per_subject.mean, self.sessions_per_subject.max),
            ),
            ("memory used", memory.used.map_or("-".to_owned(), |used| HumanBytes(used).to_string())),
            ("memory policy", known(memory.policy.as_deref())),
            ("memory per session", measured(&memory.per_session)),
            ("memory per subject", measured(&memory.per_subject)),
            ("feed entries", feed.entries.to_string()),
            ("feed from", known(feed.oldest.as_deref())),
            ("feed to", known(feed.newest.as_deref())),
            ("layout version", known(self.layout)),
            ("keys without a TTL", format!("{} {}", leaks.count, printable(&leaks.examples.join(" ")))),
        ];
        let lines: String =
            lines.iter().map(|(name, text)| format!("{name:22} {}\n", text.trim_end())).collect();
        if self.top.is_empty() { lines } else { format!("{lines}\n{}", subjects_table(&self.top)) }
    }
}

impl Measured {
    /// `None` if nothing was measured.
    fn new(sample: &Sample) -> Option<Self> {
        let sampled = sample.bytes.len();
        let max = sample.bytes.iter().copied().max()?;
        Some(Self { sampled, mean: sample.bytes.iter().sum::<u64>() / sampled as u64, max })
    }
}
