//! The `Idempotency-Key` header: refused, or the same attempt whenever it comes again.

#![no_main]

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::attempt;
use token_gateway_core::session::{Attempt, Jti};

const PRESENTED: &str = "4830719265501837429.AAAAAAAAAAAAAAAAAAAAAA";

fuzz_target!(|data: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let http = TestRequest::default().insert_header(("idempotency-key", value)).to_http_request();
    let fits = (16..=255).contains(&data.len()) && data.iter().all(|byte| (b' '..=b'~').contains(byte));
    match attempt(&http) {
        Ok(Attempt::Once(_)) => panic!("a key was taken for none"),
        Ok(keyed @ Attempt::Keyed(_)) => {
            assert!(fits);
            check_successor(&http, &keyed);
        }
        Err(_) => assert!(!fits),
    }
});

fn check_successor(http: &actix_web::HttpRequest, keyed: &Attempt) {
    let presented: Jti = PRESENTED.parse().expect("a jti");
    let successor = presented.successor(keyed);
    assert_eq!(successor, presented.successor(&attempt(http).expect("as before")));
    assert_eq!(successor.session(), presented.session());
    assert_eq!(successor.as_str().parse(), Ok(successor));
    assert_ne!(successor, presented);
}
