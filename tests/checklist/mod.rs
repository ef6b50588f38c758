//! The duties of the HTTP surface, line by line, and the test for each line.
//!
//! A line is shortened here; the comment above its test has all of it. Several tests of one line follow one another. A
//! line for a future endpoint names the file in which its test will be.
//!
//! # Token endpoint (`POST /oauth/token`)
//!
//! | line | test |
//! |---|---|
//! | POST with a form body only; GET, PUT, DELETE → 405 with … | `checklist::token_endpoint::only_post_with_a_form_body_is_served` |
//! | `Cache-Control: no-store` and `Pragma: no-cache` on … | `checklist::token_endpoint::neither_success_nor_error_may_be_cached` |
//! | Numbers are JSON numbers; `expires_in` is within 1 s of … | `http::token::numbers_are_json_numbers_and_match_exp_minus_iat` |
//! | Errors: 400 JSON, `error` out of the registered set, … | `http::token::errors_are_registered_codes_in_the_registered_characters` |
//! | A repeated parameter → `invalid_request`; an empty one … | `checklist::token_endpoint::a_parameter_counts_once_when_it_is_known_and_not_empty` |
//! | Credentials twice (header and body) → … | `http::clients::credentials_twice_are_invalid_request` |
//! | | `http::clients::credentials_in_the_uri_are_refused` |
//! | Basic credentials are form-decoded after base64: … | `http::clients::basic_credentials_work_raw_and_form_decoded` |
//! | A public client has no password: in the header it is … | `http::clients::basic_with_an_empty_password_names_a_public_client` |
//! | `invalid_client` is 401 with `WWW-Authenticate` where … | `http::clients::invalid_client_is_401_and_challenges_with_the_scheme_that_was_used` |
//! | A refresh token of client A shown by client B → … | `http::clients::a_token_shown_by_another_client_is_invalid_grant_and_neither_rotated_nor_revoked` |
//! | `scope` on refresh may narrow, never widen; the next … | `http::token::scope_on_refresh_narrows_and_widens_back_but_never_beyond_what_was_granted` |
//! | Any single character of a refresh token changed, or the … | `http::token::a_refresh_token_with_any_character_changed_is_invalid_grant` |
//! | | `http::token::a_refresh_token_whose_last_character_is_any_other_is_invalid_grant` |
//! | | `http::token::a_refresh_token_cut_at_any_length_is_invalid_grant` |
//! | After rotation the old token is refused, the session's … | `http::rotation::after_reuse_on_one_node_the_newest_tokens_are_dead_on_the_other` |
//! | Idle expiry and absolute expiry both hold; refreshing … | `http::rotation::an_idle_session_expires_and_each_refresh_starts_its_time_anew` |
//! | | `http::rotation::refreshing_in_a_loop_does_not_pass_the_absolute_lifetime` |
//! | Malformed bodies (JSON sent as form, no content type, … | `http::token::malformed_bodies_are_our_json_and_4xx` |
//! | | `http::token::a_body_of_1_mib_is_refused_with_413` |
//! | | `checklist::token_endpoint::no_byte_in_a_body_and_no_length_of_it_is_more_than_a_4xx` |
//! | Redis gone → 503 with `Retry-After`; Redis back → the … | `faults::outage::with_redis_stopped_every_call_is_503_and_afterwards_the_same_refresh_token_works` |
//! | 50 parallel refreshes of one token over 3 nodes, 1,000 … | `faults::races::fifty_parallel_refreshes_of_one_token_over_three_nodes_never_get_two_distinct_successors` |
//! | Five rotations within 100 ms, then each older token: … | `checklist::token_endpoint::after_five_rotations_at_once_each_older_token_is_seen_as_reuse_whatever_its_times_say` |
//! | Rotate, restart the gateway and Redis, replay the old … | `faults::outage::a_token_that_was_rotated_stays_refused_after_a_restart_of_gateway_and_redis` |
//!
//! # Revocation (`POST /oauth/revoke`)
//!
//! | line | test |
//! |---|---|
//! | Works for refresh tokens and access tokens; 200 also … | `checklist::revocation::whatever_the_token_the_answer_is_the_same_200` |
//! | A wrong or unknown `token_type_hint` changes nothing. | `http::revoke::a_wrong_or_unknown_token_type_hint_changes_nothing` |
//! | An already rotated refresh token given here ends its … | `http::revoke::an_already_rotated_refresh_token_ends_its_session_and_raises_no_alarm` |
//! | Storage failure is never 200: 503. | `checklist::revocation::however_storage_fails_no_revocation_is_200_and_the_repeated_call_works` |
//! | Missing `token` → `invalid_request`. Effective at once … | `http::revoke::a_missing_token_or_a_broken_body_is_invalid_request` |
//! | | `http::revoke::a_refresh_or_an_access_token_ends_its_session_and_no_other_at_once_on_every_node` |
//! | Racing with a refresh: whatever the order, after the … | `faults::races::after_a_logout_that_raced_with_refreshes_no_token_of_that_session_works` |
//!
//! # Introspection (`POST /oauth/introspect`)
//!
//! | line | test |
//! |---|---|
//! | Without credentials → 401 with `WWW-Authenticate`. | `http::introspect::without_credentials_it_is_401_and_without_the_role_403` |
//! | Expired, ended, foreign, malformed, truncated → 200 and … | `http::introspect::expired_ended_foreign_malformed_and_truncated_tokens_are_inactive` |
//! | A rotated refresh token is inactive; asking never … | `http::introspect::a_rotated_refresh_token_is_inactive_and_asking_neither_rotates_nor_raises_the_alarm` |
//! | Active: claims as in the JWT, same types. `no-store`. … | `http::introspect::of_an_active_token_the_claims_are_told_as_they_stand_in_it` |
//!
//! # Metadata and keys
//!
//! | line | test |
//! |---|---|
//! | The well-known path is inserted between host and issuer … | `http::metadata::both_documents_say_the_same_and_the_issuer_is_that_of_the_tokens_to_the_byte` |
//! | Defaults are traps: list `grant_types_supported`, … | `http::metadata::each_advertised_way_to_authenticate_works_and_no_other` |
//! | Each advertised endpoint, grant, auth method and … | `http::metadata::each_advertised_endpoint_works_below_the_issuers_path_too` |
//! | JWKS: `kty kid use alg` on each key, distinct `kid`, … | `http::key_set::every_published_key_has_kty_kid_use_alg_and_no_private_member` |
//! | Key rotation under load: verifiers with a cached JWKS … | `interop::rotation::keys_rotate_under_load_without_one_failure` |
//!
//! # Access token and its verification
//!
//! | line | test |
//! |---|---|
//! | `typ: at+jwt`; `iss exp aud sub client_id iat jti`. | `checklist::access_tokens::every_access_token_is_an_at_jwt_with_the_claims_of_rfc_9068` |
//! | A refresh token, or any other JWT of the same key, is … | `http::jwt::one_kind_of_token_is_refused_where_the_other_belongs` |
//! | | `http::jwt::a_wrong_or_missing_typ_is_refused` |
//! | `alg` comes from the key, not from the token: … | `http::jwt::the_algorithm_comes_from_the_key_and_not_from_the_token` |
//! | | `http::jwt::an_unsigned_token_is_refused` |
//! | … HS256 signed with the public key (PEM, DER, JWK text), … | `http::key_set::a_published_key_is_no_hmac_secret_and_an_algorithm_is_not_exchanged_for_another` |
//! | `jku jwk x5u x5c` and a strange `kid` (path, SQL, 10 … | `checklist::access_tokens::nothing_in_a_header_makes_the_gateway_look_elsewhere_for_a_key` |
//! | `crit` with anything → refused. `zip` → refused. Five … | `http::jwt::a_critical_extension_or_compression_is_refused` |
//! | | `http::jwt::anything_but_three_parts_of_strict_base64url_is_refused` |
//! | | `http::jwt::a_signed_part_in_another_alphabet_with_padding_or_trailing_bits_is_refused` |
//! | `aud iss exp nbf iat` missing, null, negative, float, … | `checklist::access_tokens::a_claim_that_is_missing_or_of_another_type_is_401` |
//! | | `checklist::access_tokens::the_leeway_is_the_documented_ten_seconds_and_none_for_exp` |
//! | 1 MB of token, 100,000 dots, JSON 10,000 deep: refused … | `checklist::access_tokens::monstrous_tokens_are_refused_in_bounded_memory` |
//! | 401 with `WWW-Authenticate: Bearer`; no `error` in it … | `checklist::access_tokens::a_401_tells_an_error_only_where_a_bearer_token_came` |
//! | Scheme is case-insensitive; a token in the query is … | `checklist::access_tokens::a_token_counts_once_in_the_header_under_any_case_of_the_scheme` |
//! | `/verify` answers 2xx only for a valid token: malformed … | `http::verify::what_is_no_good_access_token_for_this_audience_is_refused` |
//! | | `verify::proxies::no_proxy_lets_anything_through_that_has_no_good_token` |
//! | | `verify::proxies::no_proxy_admits_anybody_while_the_gateway_is_stale_frozen_or_gone` |
//! | Identity headers sent by the client (`X-Auth-*`, … | `verify::proxies::the_api_is_told_whose_request_it_is_and_nothing_that_the_client_says_of_that` |
//! | The decision never depends on `X-Forwarded-Uri`, … | `http::verify::what_a_proxy_says_of_the_request_changes_nothing` |
//!
//! # Secrets
//!
//! | line | test |
//! |---|---|
//! | Tokens, service keys and signing keys never appear in … | `http::secrets::a_text_log_at_trace_level_holds_no_secret_and_access_lines_show_the_pattern_alone` |
//! | | `http::secrets::a_json_log_is_one_object_per_line_without_secrets` |
//! | | `checklist::secrets::what_a_node_was_given_to_keep_is_shown_nowhere_on_good_days_and_bad` |
//! | | `checklist::secrets::no_struct_that_prints_itself_holds_a_secret_in_plain` |
//! | A signing secret under 32 bytes, RSA under 2048 bits, a … | `cli::refusals::a_weak_secret_is_refused_with_a_hint_how_to_make_a_good_one` |
//! | … RSA under 2048 bits, a key for two algorithms, … | `http::key_set::what_cannot_sign_is_refused_at_the_start_by_name` |

mod access_tokens;
mod revocation;
mod secrets;
mod token_endpoint;

use std::path::Path;

/// The lines of the table above, shortened, and the names of their tests.
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let (line, test) = row.trim_end_matches(" |").rsplit_once("| ").expect("two cells");
        if !line.is_empty() {
            lines.push((line.trim(), Vec::new()));
        }
        if let Some(path) = test.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
            lines.last_mut().expect("a line").1.push(path);
        }
    }
    lines
}

/// The comment directly above a test, in one line.
fn comment_above(test: &str) -> String {
    let (module, name) = test.rsplit_once("::").expect("a path");
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(module.replace("::", "/"))
        .with_extension("rs");
    let code = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no file for {test}"));
    let (before, _) = code.split_once(&format!("fn {name}(")).unwrap_or_else(|| panic!("no test {test}"));
    let above = before.lines().rev().skip_while(|line| !line.starts_with("///"));
    let mut comment: Vec<_> = above.map_while(|line| line.strip_prefix("///")).map(str::trim).collect();
    comment.reverse();
    comment.join(" ")
}

#[test]
fn every_test_that_the_table_names_is_there_and_has_the_lines_wording_above_it() {
    let table = table();
    assert!(table.iter().filter(|(_, tests)| !tests.is_empty()).count() > 30, "{table:?}");
    for (line, tests) in table {
        let beginning = line.trim_end_matches('…').trim_end();
        for test in tests {
            let comment = comment_above(test);
            assert!(comment.starts_with(beginning), "{test} is about '{comment}', not '{beginning}'");
        }
    }
}
