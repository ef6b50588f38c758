//! The rings of the tests: `scripts/test-quick` leaves out no test that is not there.

use super::{clean, run, text_of};

#[test]
fn each_name_that_the_quick_ring_leaves_out_is_that_of_a_test() {
    let script = text_of("scripts/test-quick");
    let (_, list) = script.split_once("left_out=(").expect("a list");
    let names: Vec<_> = list.split(')').next().unwrap_or_default().split_whitespace().collect();
    assert!(!names.is_empty());
    let own = std::env::current_exe().expect("it runs");
    let tests = run(clean(own).arg("--list")).text;
    for name in names {
        assert!(tests.lines().any(|test| test.starts_with(name)), "no test is named {name}");
    }
}
