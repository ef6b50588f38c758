//! `/docs`: a page with all its files on the node itself.

use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::gateway::PUBLIC_DOCS;

use crate::GATEWAY;

async fn get(api: &Api, path: &str) -> Answer {
    api.send(api.request(Method::GET, path)).await
}

/// The values after `name="` in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let name = format!("{name}=\"");
    page.split(&*name).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

#[tokio::test]
async fn the_page_and_its_files_come_from_the_node_and_name_no_other_host() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let api = gateway.api();
    for path in ["/docs", "/docs/"] {
        let page = get(&api, path).await; // the client follows a redirect
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), Some("text/html"));
        let (links, scripts) = (attributes(&page.text, "href"), attributes(&page.text, "src"));
        assert!(links.iter().any(|link| link.ends_with(".css")) && scripts.len() >= 2, "{page:?}");
        for file in links.iter().chain(&scripts) {
            assert!(!file.contains("//") && !file.starts_with('/'), "{file} is not beside the page");
            let asset = get(&api, &format!("/docs/{}", file.trim_start_matches("./"))).await;
            assert_eq!(asset.status, 200, "{file}");
            let media_type = asset.header("content-type").expect("a media type");
            let expected = match file.rsplit_once('.').expect("a suffix").1 {
                "css" => "text/css",
                "js" => "text/javascript",
                _ => "image/png",
            };
            assert_eq!(media_type, expected, "{file}");
        }
    }
}

#[tokio::test]
async fn the_page_shows_the_document_and_asks_nobody_else() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let api = gateway.api();
    let start = get(&api, "/docs/swagger-initializer.js").await;
    assert!(start.text.contains(r#""url": "../openapi.json""#), "{}", start.text);
    assert!(start.text.contains(r#""validatorUrl": "none""#), "{}", start.text);
    assert!(!start.text.contains("//validator") && !start.text.contains("https:"), "{}", start.text);
    let page = get(&api, "/docs/").await;
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'self'; ") && !policy.contains("http"), "{policy}");
}

#[tokio::test]
async fn what_is_not_there_is_404_or_405_in_our_json_and_all_is_observed() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS, ("ADMIN_ADDR", "127.0.0.1:0")]);
    let api = gateway.api();
    for path in ["/docs/nothing", "/docs/..%2fopenapi.json", "/docs/%FF", "/docs/a/b", "/docs//"] {
        get(&api, path).await.expect_error(404, "not_found");
    }
    for path in ["/docs", "/docs/", "/docs/index.css", "/openapi.json"] {
        let answer = api.send(api.request(Method::POST, path)).await;
        answer.expect_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    get(&api, "/openapi.json").await;
    get(&api, "/docs/").await;
    let metrics = get(&Api::new(&gateway.admin()), "/metrics").await.text;
    for (route, method, status) in [
        ("/docs/{asset}", "GET", 404),
        ("/docs/{asset}", "POST", 405),
        ("/openapi.json", "GET", 200),
        ("/docs/", "GET", 200),
    ] {
        let count = format!("{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
        assert!(metrics.contains(&count), "{count} is not in:\n{metrics}");
    }
}

#[tokio::test]
async fn the_documentation_is_where_api_docs_says_and_nowhere_else() {
    let admin_address = ("ADMIN_ADDR", "127.0.0.1:0");
    for (place, public, admin) in
        [(None, 404, 200), (Some("admin"), 404, 200), (Some("public"), 200, 404), (Some("off"), 404, 404)]
    {
        let settings: Vec<_> =
            place.map(|place| ("API_DOCS", place)).into_iter().chain([admin_address]).collect();
        let gateway = GATEWAY.embedded_with(&settings);
        for path in ["/docs", "/docs/", "/docs/index.css", "/openapi.json"] {
            let status = async |address: &str| get(&Api::new(address), path).await.status.as_u16();
            let found = (status(gateway.address()).await, status(&gateway.admin()).await);
            assert_eq!(found, (public, admin), "{place:?} {path}");
        }
    }
    let nowhere = GATEWAY.embedded();
    get(&nowhere.api(), "/docs").await.expect_error(404, "not_found");
}

#[tokio::test]
async fn below_an_issuers_path_the_documentation_follows_the_same_setting() {
    let issuer = ("ISSUER", "https://auth.example.test/tenant");
    for (settings, status) in [(&[issuer, PUBLIC_DOCS][..], 200), (&[issuer], 404)] {
        let gateway = GATEWAY.embedded_with(settings);
        for path in ["/tenant/docs/", "/tenant/openapi.json", "/docs/"] {
            assert_eq!(get(&gateway.api(), path).await.status, status, "{path}");
        }
    }
}
