//! Every command of ops/README.md, run on a standalone Redis and on a Cluster.

use std::collections::BTreeSet;

use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::redis::Redis;

use super::seeds::{FIRST_CLIENT, LAST_CLIENT, Seed, Seeds};
use super::{Shell, blocks};

const COOKBOOK: &str = "ops/README.md";

/// A question of the cookbook: its heading, its session, and the check of the output of all its blocks together.
struct Question {
    heading: &'static str,
    about: fn(&Seeds) -> &Seed,
    expect: fn(&Seeds, &str),
}

const fn ask(heading: &'static str, about: fn(&Seeds) -> &Seed, expect: fn(&Seeds, &str)) -> Question {
    Question { heading, about, expect }
}

const QUESTIONS: [Question; 16] = [
    ask("Once per shell", hostile, |_, out| assert_eq!(out, "PONG\nalice@example.com\n")),
    ask("Which layout is this?", hostile, |_, out| assert_eq!(out, "1\n")),
    ask("Who has sessions?", hostile, |seeds, out| {
        let lines = seeds.others.iter().map(|seed| format!("1\t{}", seed.set()));
        let special = [format!("2\t{}", seeds.hostile[0].set()), format!("1\t{}", seeds.untold.set())];
        assert_eq!(out.lines().map(str::to_owned).collect::<BTreeSet<_>>(), lines.chain(special).collect());
    }),
    ask("Which users have most sessions?", hostile, |seeds, out| {
        assert_eq!(out.lines().next(), Some(format!("2\t{}", seeds.hostile[0].set()).as_str()));
        assert_eq!(out.lines().count(), 10);
    }),
    ask("How many sessions are there?", hostile, |seeds, out| {
        let numbers: Vec<u64> = out.lines().filter_map(|line| line.trim().parse().ok()).collect();
        assert!(out.contains(" 2 ended\n") && out.contains(" 14 live\n"), "{out}");
        // 16 records, 14 sets, the feed and the layout
        assert_eq!((numbers.len(), numbers.iter().sum()), (seeds.primaries, 32), "{out}");
    }),
    ask("What does the memory go to?", hostile, |seeds, out| {
        assert_eq!(out.matches("maxmemory_policy:noeviction").count(), seeds.primaries, "{out}");
        for kind in ["16 tg:{sub}:session:<sid>", "14 tg:{sub}:sessions", "1 tg:revocations", "1 tg:schema"] {
            let line = out.lines().find_map(|line| line.strip_suffix(kind));
            let bytes = line.unwrap_or_else(|| panic!("{kind}: {out}")).trim();
            assert!(bytes.parse::<u64>().is_ok_and(|bytes| bytes > 50), "{out}");
        }
    }),
    ask("Which services make the sessions?", hostile, |_, out| {
        let numbers: Vec<u64> =
            out.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        assert_eq!((numbers.iter().sum(), numbers.contains(&2)), (16, true), "two have ended: {out}");
    }),
    ask("Which sessions has this user?", hostile, |seeds, out| {
        assert!(out.starts_with("sessions\n"), "{out}");
        for seed in &seeds.hostile {
            assert_eq!(out.matches(seed.session().as_str()).count(), 2, "listed, and in the set: {out}");
        }
        assert_eq!((out.matches(FIRST_CLIENT).count(), out.matches(LAST_CLIENT).count()), (1, 1), "{out}");
    }),
    ask("Whose is this jti?", hostile, |seeds, out| assert_eq!(out, seeds.hostile[0].record() + "\n")),
    ask("What does this session hold?", hostile, |seeds, out| {
        let jti = format!("jti\n{}\n", seeds.hostile[0].jti);
        assert!(out.contains(&jti) && out.contains("gen\n2\n") && out.contains("state\nlive\n"), "{out}");
        for (name, client) in [("client", FIRST_CLIENT), ("last_client", LAST_CLIENT)] {
            assert!(out.contains(&format!("\n{name}\n{client}\n")), "{out}");
        }
        let ttl: i64 = out.lines().last().and_then(|line| line.parse().ok()).expect("a number");
        assert!((604_700..=604_800).contains(&ttl), "{ttl}");
    }),
    ask(
        "Why and when did it end?",
        |seeds| &seeds.told,
        |seeds, out| {
            let lines: Vec<_> = out.lines().collect();
            assert_eq!((lines[..2].to_vec(), lines[2].len(), lines[3]), (vec!["ended", "logout"], 16, "1"));
            let told = format!("\tsub\tcarol\tsid\t{}\treason\tlogout", seeds.told.session());
            assert!(lines.len() == 5 && lines[4].ends_with(&told), "{out}");
        },
    ),
    ask("Is the feed alive, and who was told?", hostile, |seeds, out| {
        let lines: Vec<_> = out.lines().collect();
        assert_eq!((lines[0], lines[2].trim(), lines.len()), ("1", "1 logout", 3 + seeds.primaries), "{out}");
        assert!(lines[1].contains(seeds.told.session().as_str()), "{out}");
        assert!(lines[3..].iter().all(|line| *line == "nobody"), "{out}");
    }),
    ask("What is published, and what is not?", hostile, |seeds, out| {
        assert_eq!(out, format!("0\t{}\n", seeds.untold.record()));
    }),
    ask("End one session", hostile, |seeds, out| {
        let (sid, user) = (seeds.hostile[0].session(), seeds.hostile[0].subject.encoded());
        assert_eq!(out, format!("ended session {sid} of {user}\npublished {sid}, reason admin\n"));
    }),
    ask("End all sessions of a user", hostile, |seeds, out| {
        let (sid, user) = (seeds.hostile[1].session(), seeds.hostile[1].subject.encoded());
        assert_eq!(out, format!("sessions of {user} that ended now: 1\npublished {sid}, reason admin\n"));
    }),
    ask(
        "Publish the rest",
        |seeds| &seeds.untold,
        |seeds, out| {
            let sid = seeds.untold.session();
            assert_eq!(out, format!("had ended before, reason logout\npublished {sid}, reason logout\n"));
        },
    ),
];

fn hostile(seeds: &Seeds) -> &Seed {
    &seeds.hostile[0]
}

/// Asks every question, in the order of the book, and compares. An unexpected block fails, and so does a question
/// outside the book.
fn try_all(url: &str, seeds: &Seeds) {
    let blocks = blocks(COOKBOOK);
    let mut asked: Vec<&str> = blocks.iter().map(|(heading, _)| heading.as_str()).collect();
    asked.dedup();
    assert_eq!(asked, QUESTIONS.map(|question| question.heading), "each question, once, and in this order");
    for Question { heading, about, expect } in &QUESTIONS {
        let seed = about(seeds);
        let shell = Shell::on(url)
            .with("SUB", &seed.subject.encoded().to_string())
            .with("SID", seed.session().as_str())
            .with("JTI", seed.jti.as_str());
        let own = blocks.iter().filter(|(it, _)| it == heading).map(|(_, block)| block.as_str());
        println!("{heading}");
        expect(seeds, &shell.ok(&format!(". ops/env\n{}", own.collect::<String>())));
    }
}

#[test]
fn every_command_of_the_cookbook_does_what_it_says_on_a_standalone_redis() {
    let redis = Redis::start();
    let seeds = Seeds::sow(&Shell::on(&redis.url()), 1);
    try_all(&redis.url(), &seeds);
}

#[test]
fn every_command_of_the_cookbook_does_what_it_says_on_a_cluster() {
    let mut cluster = Cluster::start();
    let shell = Shell::on(&cluster.url());
    let seeds = Seeds::sow(&shell, 3);
    assert!(cluster.sizes().iter().all(|&keys| keys > 0), "spread over all: {:?}", cluster.sizes());
    try_all(&cluster.url(), &seeds);

    cluster.lose_one();
    for command in [r"ops/on-every-primary '$R DBSIZE'", "ops/each-key 'tg:*' TYPE KEY"] {
        let ended = shell.run(command);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("not everything"), "{ended:?}");
    }
}
